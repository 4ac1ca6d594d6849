// The figures of the running loop: frame rate, latency, drops, and what each stage takes.

import { Chart } from "./chart.js";
import { fill, make } from "./element.js";
import { on } from "./store.js";

const charts = {
  fps: new Chart("Frame rate", "fps", ["main"], { least: 30 }),
  latency: new Chart("Latency", "ms", ["main", "second"], { least: 50 }),
  drops: new Chart("Dropped", "a second", ["main"], { least: 5, bars: true }),
};
const stages = make("ul", { class: "stages" });
const quality = make("small", {});
let before = null;
let at = 0;

/** Show the charts, and keep them going. */
export function begin() {
  const times = make("div", { class: "chart times" }, make("div", { class: "head" }, make("h3", {}, "Time of stages"), quality), stages);
  fill(document.getElementById("figures"), ...Object.values(charts).map((chart) => chart.element), times);
  on(["figures", "loop"], ({ figures, loop }) => {
    document.getElementById("figures").dataset.idle = loop.state !== "running";
    if (figures && figures.at !== at && loop.state === "running") take(figures);
  });
}

function take(figures) {
  const { p50, p95 } = figures.latency ?? {};
  const lost = Object.values(figures.dropped ?? {}).reduce((sum, count) => sum + count, 0);
  const seconds = at ? Math.max(0.1, (figures.at - at) / 1000) : 0.5;
  // A new run counts from nought again.
  const rate = before === null || lost < before ? 0 : (lost - before) / seconds;
  [before, at] = [lost, figures.at];
  charts.fps.add([number(figures.fps)], shown(figures.fps, 1));
  charts.latency.add([number(p50), number(p95)], shown(p50, 0), p95 === undefined || p95 === null ? "" : `95 % under ${shown(p95, 0)}`);
  charts.drops.add([rate], shown(rate, 0), `${lost} in all`);
  quality.textContent = figures.quality ? `quality ${figures.quality.now}` : "";
  // What takes no time is no news.
  times((figures.stages ?? []).filter(({ ms }) => ms >= 0.05));
}

function times(list) {
  const longest = Math.max(10, ...list.map(({ ms }) => ms ?? 0));
  while (stages.children.length > list.length) stages.lastChild.remove();
  list.forEach(({ name, ms, thread }, index) => {
    const row = stages.children[index] ?? stages.appendChild(make("li", {}, make("span"), make("i", {}, make("b")), make("em")));
    const [label, bar, time] = row.children;
    label.textContent = name;
    row.title = `${name}${thread ? `, in the thread ${thread}` : ""}`;
    bar.firstChild.style.width = `${(100 * (ms ?? 0)) / longest}%`;
    time.textContent = `${shown(ms, 1)} ms`;
  });
}

function number(value) {
  return Number.isFinite(value) ? value : null;
}

function shown(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}
