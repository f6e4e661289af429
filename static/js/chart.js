"use strict";

// A crosshair over each chart, by pointer and by arrow keys: it reads the chart's own table. Dragging
// chooses a span: the page is opened with ?from= and ?to=.
(() => {
  const WIDTH = 600;
  const DRAG = 8;

  const rowsOf = (figure) => [...figure.querySelectorAll("tbody tr")];
  const placeAt = (figure, x) => {
    const box = figure.querySelector(".plot svg").getBoundingClientRect();
    const last = rowsOf(figure).length - 1;
    return Math.max(0, Math.min(last, Math.round(((x - box.left) / box.width) * last)));
  };
  // Kept here, not on the figure: a frame takes foreign attributes away.
  const pointed = new Map();

  const clear = (figure) => {
    pointed.delete(figure.id);
    figure.querySelector("[data-cross]").setAttribute("d", "");
    figure.querySelector("[data-readout]").textContent = "";
  };
  const point = (figure, place, from = place) => {
    const rows = rowsOf(figure);
    const x = (at) => (at * WIDTH) / (rows.length - 1);
    const names = [...figure.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent);
    const [time, ...values] = [...rows[place].children].map((cell) => cell.textContent);
    pointed.set(figure.id, place);
    figure.querySelector("[data-cross]").setAttribute(
      "d", from === place ? `M${x(place)} 0V120` : `M${x(from)} 0V120M${x(place)} 0V120M${x(from)} 60H${x(place)}`);
    figure.querySelector("[data-readout]").textContent =
      `${time}: ${values.map((value, i) => `${names[i]} ${value}`).join(", ")}`;
  };

  let drag = null;
  const plotOf = (event) => event.target.closest?.(".plot");
  document.addEventListener("pointerdown", (event) => {
    const figure = plotOf(event)?.closest("[data-chart]");
    if (figure && event.button === 0) drag = { figure, x: event.clientX, place: placeAt(figure, event.clientX) };
  });
  document.addEventListener("pointermove", (event) => {
    const figure = drag?.figure ?? plotOf(event)?.closest("[data-chart]");
    for (const id of pointed.keys()) {
      const other = document.getElementById(id);
      if (other !== figure && !other.contains(document.activeElement)) clear(other);
    }
    if (!figure) return;
    point(figure, placeAt(figure, event.clientX), drag?.place);
  });
  document.addEventListener("pointerup", (event) => {
    const from = drag;
    drag = null;
    if (!from || Math.abs(event.clientX - from.x) < DRAG) return;
    const ends = [from.place, placeAt(from.figure, event.clientX)].sort((a, b) => a - b);
    const { start, width } = from.figure.dataset;
    const times = ends.map((place) => new Date(Date.parse(start) + place * width * 1_000).toISOString());
    const query = new URLSearchParams({ from: times[0], to: times[1] });
    location.assign(`${location.pathname}?${query}`);
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    if (drag) return;
    for (const [id, place] of pointed) {
      const figure = document.getElementById(id);
      figure.querySelector("[data-readout]").setAttribute("aria-live", "off");
      point(figure, Math.min(place, rowsOf(figure).length - 1));
    }
  });
  document.addEventListener("keydown", (event) => {
    const figure = event.target.closest?.(".plot")?.closest("[data-chart]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!figure || !step) return;
    event.preventDefault();
    const last = rowsOf(figure).length - 1;
    // Read out when the reader asks, not when a frame brings other values.
    figure.querySelector("[data-readout]").setAttribute("aria-live", "polite");
    point(figure, Math.max(0, Math.min(last, (pointed.get(figure.id) ?? last) + step)));
  });
})();
