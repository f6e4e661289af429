"use strict";

// The one line that is read out. Announcements are rare: at most one each ten seconds, and what came
// up meanwhile is said together. An answer to the reader's own act (detail.now) is said at once.
(() => {
  const AT_MOST_EVERY = 10_000;

  const line = document.getElementById("said");
  if (!line) return;
  let queue = [];
  let saidAt = -Infinity;
  let timer = 0;

  const speak = () => {
    timer = 0;
    saidAt = performance.now();
    line.textContent = queue.join(" ");
    queue = [];
  };
  document.addEventListener("rd:say", (event) => {
    const { sentence, now } = event.detail;
    queue.push(sentence);
    const wait = now ? 0 : Math.max(0, saidAt + AT_MOST_EVERY - performance.now());
    if (now) clearTimeout(timer);
    if (now || !timer) timer = setTimeout(speak, wait);
  });
  const say = (sentence) => document.dispatchEvent(new CustomEvent("rd:say", { detail: { sentence } }));

  // All breakers that are not closed, also those that the list has no room for; "many" if too many.
  const names = new Map();
  const breakers = () => {
    const card = document.getElementById("ov-breakers");
    for (const item of card?.querySelectorAll("li[id]") ?? []) {
      names.set(item.id.slice("breaker-".length), item.querySelector("a").textContent);
    }
    const { ids = "", count = "0" } = card?.dataset ?? {};
    return { ids: ids === "many" ? null : new Set(ids.split(" ").filter(Boolean)), count: Number(count) };
  };
  const told = (ids, state) => {
    if (!ids.length) return;
    const known = ids.map((id) => names.get(id)).filter(Boolean);
    const more = ids.length - known.length;
    const words = [...known, ...(more ? [`${more} ${known.length ? "more" : "elsewhere"}`] : [])].join(", ");
    say(ids.length === 1 ? `Breaker ${state}: ${words}.` : `${ids.length} breakers ${state}: ${words}.`);
  };
  let before = breakers();
  document.body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id !== "ov-breakers") return;
    const now = breakers();
    if (before.ids && now.ids) {
      told([...now.ids].filter((id) => !before.ids.has(id)), "open");
      told([...before.ids].filter((id) => !now.ids.has(id)), "closed");
    } else if (before.count !== now.count) {
      say(`${now.count} breakers are open.`);
    }
    before = now;
  });
})();
