"use strict";

// Ctrl-K or Cmd-K opens the palette; typing narrows its pages, the server adds what it found.
(() => {
  const palette = document.getElementById("palette");
  const input = document.getElementById("palette-q");
  if (!palette) return;
  const links = () => [...palette.querySelectorAll("a")].filter((link) => !link.closest("[hidden]"));

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!palette.open) palette.showModal();
      input.select();
    }
  });
  input.addEventListener("input", () => {
    const typed = input.value.trim().toLowerCase();
    for (const item of palette.querySelectorAll(".palette-pages li")) {
      item.hidden = !item.textContent.toLowerCase().includes(typed);
    }
  });
  palette.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = links();
    const next = all.indexOf(document.activeElement) + step;
    (all[next] ?? (next < 0 ? input : all.at(-1)))?.focus();
  });
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close();
  });
})();
