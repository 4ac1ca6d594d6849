// Where pictures come from and go to: cameras, outputs, sound, and the doctor's hints in place.

import { ask } from "./api.js";
import { button, fill, icon, make } from "./element.js";
import { attempt, inform, wrong } from "./messages.js";
import { change, sections } from "./settings.js";
import { on, setting, state } from "./store.js";
import { virtualCameras } from "./virtual.js";

export const SECTIONS = ["input", "outputs", "audio", "call"];
const PLACES = { camera: "camera", "virtual camera": "air" };

/** The page of camera and outputs. */
export function page() {
  const cameras = make("div", { class: "cameras" });
  const hints = { camera: make("ul", { class: "hints" }), air: make("ul", { class: "hints" }), machine: make("ul", { class: "hints" }) };
  const virtual = virtualCameras();
  const again = button("reset", "Look again", () => look(cameras, virtual, hints), { text: "Look again", kind: "link" });
  const machine = make("details", { class: "section" }, make("summary", {}, icon("down"), make("span", {}, make("b", {}, "This machine"), make("small", {}, "what the doctor found"))), hints.machine);
  const made = make("section", {},
    make("div", { class: "title" }, make("h2", {}, "Camera"), again), cameras, hints.camera,
    make("div", { class: "title" }, make("h2", {}, "Virtual camera")), virtual.element, hints.air,
    make("div", { class: "title" }, make("h2", {}, "Everything else")), sections((name) => SECTIONS.includes(name)), machine, log(), elsewhere());
  // Looking opens devices, so it is done for those only who look at this page.
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || !state.connected) return;
    seen.disconnect();
    look(cameras, virtual, hints);
  });
  seen.observe(made);
  on(["settings"], () => mark(cameras));
  return made;
}

async function look(cameras, virtual, hints) {
  fill(cameras, make("p", { class: "note" }, "Looking for cameras…"));
  const [found, checks] = await Promise.all([attempt(() => ask("GET", "/api/cameras")), attempt(() => ask("GET", "/api/doctor"))]);
  const list = found?.cameras ?? [];
  virtual.show(found?.virtual ?? []);
  fill(cameras, ...(list.length ? list.map(choice) : [make("p", { class: "note" }, "No camera was found on this machine.")]));
  mark(cameras);
  const lines = checks?.checks ?? [];
  for (const place of ["camera", "air"]) {
    fill(hints[place], ...lines.filter((one) => PLACES[one.name] === place && one.state !== "ok").map(hint));
  }
  fill(hints.machine, ...lines.map(hint));
}

function choice(camera) {
  const device = camera.path || camera.index;
  const modes = camera.summary ?? camera.problem ?? "";
  return make("button", { type: "button", class: "camera", "data-device": JSON.stringify([camera.index, camera.path]), "aria-pressed": "false", onclick: () => use(device) },
    icon("camera"), make("span", {}, make("b", {}, camera.name || `Camera ${camera.index}`), make("small", {}, modes || `camera:${camera.index}`)));
}

function mark(cameras) {
  const input = setting(["input"]);
  for (const made of cameras.querySelectorAll(".camera")) {
    const names = JSON.parse(made.dataset.device).map(String);
    made.setAttribute("aria-pressed", input?.kind === "camera" && names.includes(String(input.device)));
  }
}

async function use(device) {
  const input = state.settings?.input;
  await attempt(() => (input?.kind === "camera" ? change(["input", "device"], device) : change(["input"], { kind: "camera", device })));
}

function hint({ name, state: how, text, fix }) {
  return make("li", { class: "hint", "data-state": how }, icon(how === "ok" ? "check" : "warn"), make("div", {}, make("p", {}, make("b", {}, name), ` ${text}`), fix ? cure(fix) : null));
}

function cure(fix) {
  const copy = make("button", { type: "button", class: "link", onclick: async () => {
    try {
      await navigator.clipboard.writeText(fix);
      inform("Copied.");
    } catch {
      wrong("The browser does not let this page copy; mark the text instead.");
    }
  } }, "Copy");
  return make("p", { class: "cure" }, make("code", {}, fix), copy);
}

// What the loop said since this page was opened, the newest first.
function log() {
  const lines = make("ol", { class: "log" });
  on(["log"], (known) => fill(lines, ...known.log.toReversed().map(({ level, text, time }) => make("li", { "data-level": level }, make("time", {}, time.toLocaleTimeString()), ` ${text}`))));
  return make("details", { class: "section" }, make("summary", {}, icon("down"), make("span", {}, make("b", {}, "Log"), make("small", {}, "what the loop said"))), lines);
}

// The other pages of the studio, for visitors and for streaming programs.
function elsewhere() {
  const visitors = make("small", {});
  on(["call", "figures"], ({ call, figures }) => {
    const now = figures?.call ?? call;
    visitors.textContent = `Somebody else's browser as the camera; ${now.visitors} of ${now.limit} visitors now`;
  });
  const place = (path, title, text) => make("li", {}, make("a", { href: path, target: "_blank", rel: "noopener" }, title), typeof text === "string" ? make("small", {}, text) : text, cure(location.origin + path));
  const here = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  const token = here ? null : make("p", { class: "note" }, "Give others the links that swapcam printed when it started: those carry a token.");
  return make("div", {}, make("div", { class: "title" }, make("h2", {}, "Other pages")), token, make("ul", { class: "places" },
    place("/call", "Call", visitors),
    place("/source", "Browser source", "The picture that leaves this machine, for OBS and other streaming programs"),
    place("/source?face=1", "Browser source of the face alone", "Transparent, to be put over the raw camera")));
}
