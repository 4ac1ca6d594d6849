// Starting and stopping the loop, recordings and snapshots.

import { ask } from "./api.js";
import { button, fill, make, icon } from "./element.js";
import { attempt, inform } from "./messages.js";
import { merge, on, state } from "./store.js";
import { refresh } from "./connection.js";

const GOING = ["running", "starting"];

/** Start a loop that stands, stop one that runs. */
export async function toggle() {
  const going = GOING.includes(state.loop.state);
  if (!going) merge({ loop: { state: "starting", problem: "" } });
  await attempt(() => ask("POST", going ? "/api/stop" : "/api/start"));
  await refresh().catch(() => {});
}

/** A large button for the empty stage. */
export function control() {
  return make("button", { type: "button", class: "primary large", onclick: toggle }, icon("play"), make("span", {}, state.loop.state === "ended" ? "Play again" : "Start"));
}

/** The button of the head: Start or Stop. */
export function headControl() {
  const made = make("button", { type: "button", class: "primary", onclick: toggle });
  on(["loop", "connected"], ({ loop, connected }) => {
    const going = GOING.includes(loop.state);
    fill(made, icon(going ? "stop" : "play"), make("span", {}, going ? "Stop" : "Start"));
    made.className = going ? "outlined" : "primary";
    made.disabled = !connected;
  });
  return made;
}

/** Begin or end a recording. */
export async function record() {
  const before = state.recording;
  await attempt(async () => {
    await ask("POST", "/api/record", { on: !before });
    await refresh();
    if (before) inform(`Recorded: ${before}`);
  });
}

/** The record button, which shows how long it has been on. */
export function recordButton() {
  const time = make("span", { class: "time" });
  const made = button("record", "Record", record, { kind: "quiet record", "aria-pressed": "false" });
  made.append(time);
  let since = 0;
  setInterval(() => { time.textContent = since ? clock(performance.now() - since) : ""; }, 500);
  on(["recording", "loop"], ({ recording, loop }) => {
    since = recording ? since || performance.now() : 0;
    made.setAttribute("aria-pressed", Boolean(recording));
    made.title = recording ? `End the recording ${recording}` : "Record (R)";
    made.setAttribute("aria-label", recording ? "End the recording" : "Record");
    made.disabled = loop.state !== "running" && !recording;
  });
  return made;
}

/** Save the picture that leaves the machine now as a PNG. */
export async function snapshot() {
  const picture = await attempt(() => ask("POST", "/api/snapshot"));
  if (!picture) return;
  const address = URL.createObjectURL(picture);
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  make("a", { href: address, download: `swapcam-${stamp}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  inform("The snapshot is in your downloads.");
}

/** Switch the swap on or off; off shows the person's own face to everybody. */
export async function toggleSwap() {
  await attempt(() => ask("POST", "/api/settings", { path: ["swap", "enabled"], value: !state.settings?.swap.enabled }));
}

function clock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
