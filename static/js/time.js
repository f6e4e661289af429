"use strict";

// Ages that go on ageing, titles in the reader's zone, and the theme without a reload.
(() => {
  const root = document.documentElement;
  const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const zone = root.dataset.zone || "UTC";

  const age = (date) => {
    const seconds = (Date.now() - date) / 1_000;
    if (Math.abs(seconds) < 1) return "now";
    const [size, unit] = UNITS.find(([size]) => Math.abs(seconds) >= size);
    const words = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
    return seconds > 0 ? `${words} ago` : `in ${words}`;
  };
  const written = (date, only) => {
    const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
    const clock = date.toLocaleTimeString("en-GB", parts);
    if (only) return clock;
    const short = date.toLocaleDateString("en-GB", { timeZone: zone, timeZoneName: "short" }).split(", ")[1] ?? zone;
    return `${date.toLocaleDateString("sv-SE", { timeZone: zone })} ${clock} ${short}`;
  };

  // Live parts are drawn once for everybody, in UTC; their ages are the server's to write.
  const localise = (part) => {
    if (zone === "UTC") return;
    for (const time of part.querySelectorAll("time")) time.title = written(new Date(time.dateTime), false);
    for (const figure of part.querySelectorAll("[data-chart]")) {
      const { start, width } = figure.dataset;
      figure.querySelectorAll("tbody th").forEach((cell, place) => {
        cell.textContent = written(new Date(Date.parse(start) + place * width * 1_000), true);
      });
    }
  };
  document.addEventListener("htmx:oobAfterSwap", (event) => localise(event.detail.target));
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-age]")) {
      if (!time.closest("[data-v]")) {
        const words = age(new Date(time.dateTime));
        time.textContent = time.dataset.age === "bare" ? words.replace(" ago", "") : words;
      }
    }
  }, 10_000);

  const local = document.querySelector("[data-zone-local]");
  if (local) local.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      const name = button.value;
      root.dataset.theme = name;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `theme=${name}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
      for (const other of document.querySelectorAll("[data-theme-choice]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
    });
  }
})();
