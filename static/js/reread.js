"use strict";

// Pages that read themselves anew, on a hint and every few seconds: one request, from which each part
// takes what is new. Parts are read-only (data-live, by seconds), hold forms (data-acts) or rows
// (data-list). Nobody is asked while the reader paused or looks elsewhere, nothing is drawn under a
// pressed pointer or into selected text; what was left out is made up for afterwards. Rows never move.
(() => {
  const AT_MOST_EVERY = 1_000;
  const HOLD_AT_MOST = 10_000;
  const PARTS = "[data-live], [data-acts], [data-list]";

  const first = document.querySelector("[data-live]");
  if (!first) return;
  const live = document.getElementById("live");
  let askedAt = performance.now();
  let asking = false;
  let wanted = false;
  let heldSince = 0;
  let pressed = null;

  // Under load frames come more seldom, and so does this.
  const slower = () => Math.max(1, Number(document.getElementById("pulse")?.dataset.span || 1));
  const every = () => 1_000 * Number(document.getElementById(first.id)?.dataset.live || 15) * slower();
  const away = () => document.hidden || live?.getAttribute("aria-pressed") === "true";
  const touched = () => {
    const selection = document.getSelection();
    const within = selection && !selection.isCollapsed ? selection.anchorNode?.parentElement : null;
    return Boolean(pressed?.closest(PARTS) || within?.closest(PARTS));
  };
  const holding = () => {
    if (!touched()) {
      heldSince = 0;
      return false;
    }
    heldSince ||= performance.now();
    return performance.now() - heldSince < HOLD_AT_MOST;
  };
  // What somebody types, chose or stands on stays theirs.
  const changed = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") {
      const first = [...field.options].find((one) => one.defaultSelected) ?? field.options[0];
      return field.value !== first?.value;
    }
    return field.type !== "hidden" && field.value !== field.defaultValue;
  };
  const FIELDS = ":is(input, select, textarea):not([data-hold] *)";
  const filled = (part) => [...part.querySelectorAll(FIELDS)].some(changed);
  const inUse = (part) => part.contains(document.activeElement) || filled(part);

  const draw = (page) => {
    const title = page.querySelector("title")?.textContent;
    if (title) document.title = title;
    for (const part of document.querySelectorAll("[data-live]:not([data-list])")) {
      const fresh = page.getElementById(part.id);
      if (fresh) Idiomorph.morph(part, fresh);
    }
    for (const part of document.querySelectorAll("[data-acts]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !inUse(part)) Idiomorph.morph(part, fresh);
    }
    for (const list of document.querySelectorAll("[data-list]")) {
      const fresh = page.getElementById(list.id);
      if (fresh) drawList(list, fresh);
    }
  };
  const drawList = (list, fresh) => {
    const rows = [...list.querySelectorAll("tr[id]")];
    const now = new Map([...fresh.querySelectorAll("tr[id]")].map((row) => [row.id, row]));
    if (!rows.length) {
      // Nothing is there that could move.
      Idiomorph.morph(list, fresh);
      return;
    }
    // On a full page, what is new pushes the last ones to the next.
    const full = Boolean(fresh.querySelector("[rel=next]"));
    let gone = 0;
    for (const row of rows) {
      const next = now.get(row.id);
      if (next && !filled(row)) Idiomorph.morph(row, next);
      row.toggleAttribute("data-gone", !next && !full);
      if (!next && !full) gone += 1;
    }
    tell(list, [...now.keys()].filter((id) => !document.getElementById(id)).length, gone);
  };
  const tell = (list, added, gone) => {
    const line = list.querySelector("[data-news]");
    if (!line) return;
    const words = [added && `${added} new`, gone && `${gone} gone`].filter(Boolean).join(", ");
    if (line.dataset.news === words) return;
    line.dataset.news = words;
    const link = line.querySelector("a");
    link.hidden = !words;
    link.textContent = `${words} — show`;
    line.querySelector("span").hidden = Boolean(words);
    if (words) document.dispatchEvent(new CustomEvent("rd:say", { detail: { sentence: `${words}.` } }));
  };

  const ask = async () => {
    wanted = true;
    if (asking || away() || holding() || performance.now() - askedAt < AT_MOST_EVERY) return;
    asking = true;
    wanted = false;
    askedAt = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { "HX-Request": "true" } });
      // Signed out: live.js says so.
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (away() || holding()) {
        wanted = true;
      } else {
        heldSince = 0;
        draw(page);
      }
    } catch {
      // The next turn asks again.
    } finally {
      asking = false;
    }
  };
  document.addEventListener("rd:changed", ask);
  document.addEventListener("rd:resume", ask);
  setInterval(() => {
    if (wanted || performance.now() - askedAt >= every()) ask();
  }, 500);

  document.addEventListener("pointerdown", (event) => {
    pressed = event.target;
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) {
    addEventListener(name, () => {
      pressed = null;
    });
  }
})();
