// The line to the machine: its state once, then its events; taken up again by itself when the machine was away.

import { ask } from "./api.js";
import { merge, state } from "./store.js";
import { wrong } from "./messages.js";

const KINDS = ["state", "settings", "outputs", "sources", "presets", "faces"];
const PATIENCE = 8000;
const LINES = 100;
let events = null;
let heard = 0;
let wait = 500;

/** Connect, and stay so. */
export async function connect() {
  try {
    const answer = await ask("GET", "/api/state");
    // A page of an older version would speak to a newer machine in words that it no longer knows.
    if (state.version && answer.version !== state.version) return location.reload();
    merge({ ...stamped(answer), connected: true });
    wait = 500;
    listen();
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) wrong(problem.message);
    again();
  }
}

/** Take over what a request changed, before the event that says so. */
export async function refresh() {
  merge(stamped(await ask("GET", "/api/state")));
}

// Figures are worth as much as they are new.
function stamped(answer) {
  return { ...answer, figures: { ...answer.figures, at: performance.now() } };
}

function again() {
  events?.close();
  events = null;
  merge({ connected: false });
  setTimeout(connect, wait);
  wait = Math.min(4000, wait * 1.6);
}

function listen() {
  events?.close();
  heard = performance.now();
  const mine = new EventSource("/api/events");
  events = mine;
  mine.onerror = () => { if (events === mine) again(); };
  mine.addEventListener("figures", (event) => {
    heard = performance.now();
    const figures = JSON.parse(event.data);
    merge({ figures: { ...figures, at: heard }, ...picked(figures, ["outputs", "faces"]) });
  });
  for (const kind of KINDS) {
    mine.addEventListener(kind, (event) => {
      heard = performance.now();
      take(kind, JSON.parse(event.data));
    });
  }
  mine.addEventListener("log", (event) => {
    const { level, text } = JSON.parse(event.data);
    if (["warning", "error", "critical"].includes(level)) wrong(text);
    merge({ log: [...state.log, { level, text, time: new Date() }].slice(-LINES) });
  });
}

// An event brings either the values themselves or only the news that they changed.
function take(kind, data) {
  if (kind === "settings" && data?.settings) return merge(picked(data, ["settings", "history"]));
  if (kind === "state" && data?.state) return merge({ loop: data });
  if (Array.isArray(data)) return merge({ [kind]: data });
  if (data && typeof data === "object" && Object.keys(data).some((key) => key in state)) return merge(picked(data, Object.keys(state)));
  return refresh().catch(() => {});
}

function picked(from, keys) {
  return Object.fromEntries(keys.filter((key) => key in from).map((key) => [key, from[key]]));
}

// A machine that was put to sleep closes no line; silence is noticed instead.
setInterval(() => {
  if (events && performance.now() - heard > PATIENCE) again();
}, 1000);
