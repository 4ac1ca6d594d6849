// The virtual cameras of this machine: a press sends the picture to one, another press ends that.

import { fill, icon, make } from "./element.js";
import { attempt } from "./messages.js";
import { change } from "./settings.js";
import { on, setting } from "./store.js";

const KIND = "virtual-camera";

/** The list of virtual cameras: {element, show(entries)}, entries as /api/cameras gives them. */
export function virtualCameras() {
  const element = make("div", { class: "cameras" });
  const mark = () => {
    const worn = new Set(sent().map(([output]) => output.device));
    for (const made of element.querySelectorAll(".camera")) made.setAttribute("aria-pressed", worn.has(JSON.parse(made.dataset.device)));
  };
  on(["settings"], mark);
  const show = (entries) => {
    const any = entries.length > 1 ? [{ path: null, label: "The first that is free", state: "free", problem: "" }] : [];
    fill(element, ...[...any, ...entries].map(choice));
    mark();
  };
  return { element, show };
}

function sent() {
  return (setting(["outputs"]) ?? []).map((output, index) => [output, index]).filter(([output]) => output.kind === KIND);
}

function choice({ path, label, state, problem }) {
  // One that is in use may be so by this loop.
  const text = problem && !sent().length ? problem : path ?? "";
  return make("button", { type: "button", class: "camera", "data-device": JSON.stringify(path), "data-state": state, "aria-pressed": "false", onclick: () => toggle(path) },
    icon("out"), make("span", {}, make("b", {}, label || path), text ? make("small", {}, text) : null));
}

async function toggle(device) {
  const outputs = setting(["outputs"]) ?? [];
  const there = sent().find(([output]) => output.device === device);
  const other = sent().find(([output]) => output.device !== device);
  await attempt(() => {
    if (there) return change(["outputs"], outputs.toSpliced(there[1], 1));
    if (other) return change(["outputs", other[1], "device"], device);
    return change(["outputs"], [...outputs, { kind: KIND, device }]);
  });
}
