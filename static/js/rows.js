"use strict";

// A list whose rows never move: what changed is drawn into its own row, and what is newer is a
// number above them, with a link to the first page. Ticks are the reader's: the server's rows come
// without them, and live.js keeps every cell that says data-hold.
(() => {
  const EVERY = 5_000;
  const AT_MOST_EVERY = 1_000;
  const REREAD_EACH = 3;

  const list = document.getElementById("list");
  if (!list?.dataset.fresh) return;
  const what = list.dataset.what;
  const rows = [...list.querySelectorAll("tr[id]")].map((row) => row.id);
  const live = document.getElementById("live");
  const changed = new Set();
  let askedAt = 0;
  let asking = false;
  let pressed = false;
  let soon = 0;
  let turn = 0;

  const selecting = () => {
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && list.contains(selection.anchorNode));
  };
  const away = () => document.hidden || live?.getAttribute("aria-pressed") === "true";
  const resting = () => asking || pressed || selecting() || away();
  const query = (wanted) => {
    const found = new URLSearchParams(location.search);
    found.delete("before");
    found.delete("after");
    found.set("newest", list.dataset.newest);
    found.set("rows", wanted.join());
    return `${list.dataset.fresh}?${found}`;
  };
  const ask = async (wanted) => {
    if (resting()) return;
    askedAt = performance.now();
    asking = true;
    for (const row of wanted) changed.delete(row);
    try {
      await htmx.ajax("GET", query(wanted), { source: list, swap: "none" });
      tell();
    } catch {
      // The next turn asks again.
    } finally {
      asking = false;
    }
  };

  const hurry = () => {
    clearTimeout(soon);
    soon = setTimeout(() => ask([...changed]), Math.max(0, askedAt + AT_MOST_EVERY - performance.now()));
  };
  for (const row of rows) {
    document.body.addEventListener(`rd:changed:${row}`, () => {
      changed.add(row);
      hurry();
    });
  }
  // A hint may be lost, so now and then every row is read again.
  setInterval(() => {
    turn += 1;
    ask(turn % REREAD_EACH === 0 ? rows : [...changed]);
  }, EVERY);
  document.addEventListener("rd:resume", () => ask(rows));

  let told = "0";
  const tell = () => {
    const now = document.getElementById("newer");
    if (!now || now.dataset.count === told) return;
    told = now.dataset.count;
    const words = now.querySelector("a")?.textContent.replace(" — show", "");
    if (words) document.dispatchEvent(new CustomEvent("rd:say", { detail: { sentence: `${words} ${what}.` } }));
  };

  // What is under a pressed pointer stays as it is.
  list.addEventListener("pointerdown", () => {
    pressed = true;
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) {
    addEventListener(name, () => {
      pressed = false;
    });
  }

  const boxes = () => [...list.querySelectorAll("input[name=ids]")];
  const every = list.querySelector("[data-tick-all]");
  const ticked = list.querySelector("[data-ticked]");
  const count = () => {
    if (!ticked) return;
    const all = boxes();
    const some = all.filter((box) => box.checked).length;
    ticked.textContent = some ? `${some} ticked` : "none ticked";
    every.checked = some > 0 && some === all.length;
    every.indeterminate = some > 0 && some < all.length;
  };
  every?.addEventListener("change", () => {
    for (const box of boxes()) box.checked = every.checked;
  });
  list.addEventListener("change", count);
  count();
})();
