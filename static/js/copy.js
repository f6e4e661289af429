"use strict";

// Copies an id, or the text of a block.
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy], [data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS there is no clipboard: the text is selected for the keyboard instead.
      const from = document.getElementById(button.dataset.copyFrom) ?? button.previousElementSibling;
      if (from) getSelection().selectAllChildren(from);
      return;
    }
    button.setAttribute("data-copied", "");
    document.dispatchEvent(new CustomEvent("rd:say", { detail: { sentence: "Copied.", now: true } }));
    setTimeout(() => button.removeAttribute("data-copied"), 1_500);
  });
})();
