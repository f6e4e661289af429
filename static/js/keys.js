"use strict";

// Single keys: off while somebody types, and off for good where they were switched off (WCAG 2.1.4).
// None of them changes anything on the server.
(() => {
  const KEEP = "redrive-keys";
  const WAIT = 1_500;
  const help = document.getElementById("help");
  const onOff = document.getElementById("keys-on");
  if (!help) return;
  const off = () => localStorage.getItem(KEEP) === "off";
  onOff.checked = !off();
  onOff.addEventListener("change", () => localStorage.setItem(KEEP, onOff.checked ? "on" : "off"));
  for (const button of document.querySelectorAll("[data-show=help]")) {
    button.addEventListener("click", () => help.showModal());
  }

  const typing = (target) =>
    target.isContentEditable || target.matches?.("input:not([type=checkbox]), select, textarea") || document.querySelector("dialog[open]");
  const rows = () => [...document.querySelectorAll("tr[data-href]")];
  const move = (step) => {
    const all = rows();
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const row = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + step))];
    if (!row) return;
    row.tabIndex = -1;
    row.focus();
  };
  const here = () => document.activeElement.closest?.("tr[data-href]");

  let went = 0;
  const KEYS = {
    "/": () => document.getElementById("find")?.select(),
    "?": () => help.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: () => here()?.querySelector("input[type=checkbox]")?.click(),
    p: () => document.dispatchEvent(new Event("rd:pause")),
    g: () => { went = performance.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || off()) return;
    const link = performance.now() - went < WAIT && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    went = 0;
    if (link) {
      event.preventDefault();
      location.assign(link.href);
    } else if (event.key === "Enter" && event.target.matches("tr[data-href]")) {
      location.assign(event.target.dataset.href);
    } else if (Object.hasOwn(KEYS, event.key)) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
})();
