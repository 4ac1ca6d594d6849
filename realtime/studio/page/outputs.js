// Where the picture goes: each output with its state on air.

import { fill, make } from "./element.js";
import { on } from "./store.js";
import { show as showTab } from "./tabs.js";

const KINDS = {
  "virtual-camera": "Virtual camera", stream: "Stream", hls: "HLS", recording: "Recording", face: "Face only", none: "Measuring", window: "Window",
};
const WORDS = { "on air": "on air", waiting: "waiting", off: "off", failed: "failed" };

/** Show the outputs, and keep their states. */
export function begin() {
  const list = document.getElementById("outputs");
  on(["outputs", "connected", "loop", "settings"], ({ outputs, loop, connected, settings }) => {
    const going = connected && loop.state === "running";
    if (!settings) return;
    const cards = (outputs ?? []).map((output) => card(output, going));
    fill(list, ...(cards.length ? cards : [nothing()]));
  });
}

function card({ name, kind, state, problem }, going) {
  const seen = going || state === "failed" ? state : "off";
  const text = problem || WORDS[seen] || seen;
  const title = KINDS[kind] ?? kind;
  return make("li", { class: "output", "data-state": seen, title: `${title}: ${text}` },
    make("i", { class: "dot", "aria-hidden": "true" }),
    make("span", { class: "what" }, make("b", {}, title), name && name !== kind ? make("small", {}, name) : null),
    make("span", { class: "how" }, text));
}

function nothing() {
  return make("li", { class: "output nothing" }, make("span", { class: "what" }, "Nothing leaves this machine yet."),
    make("button", { type: "button", class: "link", onclick: () => showTab("ends") }, "Add a virtual camera or a stream"));
}
