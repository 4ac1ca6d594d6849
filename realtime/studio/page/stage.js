// Where the two pictures stand: beside each other, one over the other with a slider, or the finished one alone.

import { button, fill, make } from "./element.js";
import { state, on } from "./store.js";
import { Preview } from "./preview.js";
import { marks } from "./faces.js";
import { guideLines } from "./guides.js";
import { kept, keep } from "./kept.js";
import { control as startButton } from "./run.js";
import { show as showTab } from "./tabs.js";

const VIEWS = [
  ["pair", "Side by side", "pair"],
  ["slider", "Before and after", "slider"],
  ["single", "Result alone", "single"],
];

const stage = document.getElementById("stage");
const videos = { before: film("before"), after: film("after") };
const stills = { before: still(), after: still() };
const empty = make("div", { class: "empty", hidden: true });
const slider = make("input", {
  type: "range", min: 0, max: 100, step: 0.5, value: 50, class: "cut", "aria-label": "Before and after: how much of the untouched picture is shown",
});
const hide = button("close", "Hide the untouched picture", () => look("single"), { kind: "bare hide" });
const preview = new Preview(shown);
let live = false;

/** Build the stage, and show what the loop makes. */
export function begin() {
  const before = screen("before", "Your camera", videos.before, stills.before, hide);
  const after = screen("after", "What others see", videos.after, stills.after, guideLines(), marks(stage));
  fill(document.getElementById("screens"), before, after, slider, empty);
  slider.addEventListener("input", cut);
  videos.before.addEventListener("click", () => { if (stage.dataset.view === "pair") look("single"); });
  videos.after.addEventListener("loadedmetadata", sized);
  watchPictures();
  // On a phone two pictures above each other would leave no room for anything else.
  look(kept("view", innerWidth > 620 ? "pair" : "slider"));
  cut();
  on(["connected", "loop"], ({ connected, loop }) => {
    preview.expect(loop.state === "running");
    if (connected && ["running", "starting"].includes(loop.state)) preview.open(height());
    else if (loop.state !== "running" || !connected) preview.close();
    stage.dataset.connected = Boolean(connected);
    blank();
  });
}

/** Show the pictures in that way: pair, slider or single. */
export function look(view) {
  stage.dataset.view = VIEWS.some(([name]) => name === view) ? view : "pair";
  keep("view", stage.dataset.view);
  for (const choice of document.querySelectorAll("[data-look]")) choice.setAttribute("aria-pressed", choice.dataset.look === stage.dataset.view);
  slider.disabled = stage.dataset.view !== "slider";
  if (preview.wanted) preview.open(height());
}

/** The next way of showing them. */
export function turn() {
  const now = VIEWS.findIndex(([name]) => name === stage.dataset.view);
  look(VIEWS[(now + 1) % VIEWS.length][0]);
}

/** The buttons for the ways of showing them. */
export function views() {
  const group = make("div", { class: "segments", role: "group", "aria-label": "View" });
  for (const [name, title, picture] of VIEWS) {
    group.append(button(picture, title, () => look(name), { "data-look": name, "aria-pressed": name === stage.dataset.view }));
  }
  return group;
}

/** Mirror the pictures here, as people know themselves; nothing that leaves the machine is mirrored. */
export function mirror(turned = stage.dataset.mirror !== "true") {
  stage.dataset.mirror = turned;
  keep("mirror", turned);
}

/** The untouched picture as it is now, a canvas; null where none is shown. */
export function untouched() {
  const { videoWidth: width, videoHeight: tall } = videos.before;
  if (!live || !width) return null;
  const canvas = make("canvas", { width: width / 2, height: tall });
  canvas.getContext("2d").drawImage(videos.before, 0, 0, width / 2, tall, 0, 0, width / 2, tall);
  return canvas;
}

function film(side) {
  return make("video", { class: `film ${side}`, muted: true, playsinline: true, autoplay: true, disablepictureinpicture: true, tabindex: -1 });
}

function still() {
  return make("img", { alt: "", hidden: true, class: "still" });
}

function screen(side, title, ...children) {
  return make("figure", { class: `screen ${side}` }, make("div", { class: "picture" }, ...children), make("figcaption", {}, title));
}

function shown({ stream, jpegs, reason }) {
  live = Boolean(stream);
  for (const video of Object.values(videos)) {
    video.muted = true;
    if (video.srcObject !== stream) video.srcObject = stream;
    if (stream) video.play().catch(() => {});
    video.hidden = !stream;
  }
  for (const [side, image] of Object.entries(stills)) {
    image.hidden = !jpegs;
    if (jpegs) image.src = `/preview.mjpg?view=${side}&${jpegs}`;
    else image.removeAttribute("src");
  }
  stage.dataset.mode = stream ? "live" : jpegs ? "jpegs" : "none";
  stage.title = jpegs ? `Shown as a row of JPEGs: ${reason}.` : "";
  blank();
}

function watchPictures() {
  const video = videos.after;
  if (!video.requestVideoFrameCallback) return video.addEventListener("timeupdate", () => preview.tick());
  const next = () => {
    preview.tick();
    video.requestVideoFrameCallback(next);
  };
  return video.requestVideoFrameCallback(next);
}

function sized() {
  const { videoWidth: width, videoHeight: tall } = videos.after;
  if (!width || !tall) return;
  const { style } = document.getElementById("screens");
  style.setProperty("--ratio", `${width / 2} / ${tall}`);
  style.setProperty("--wide", width / 2 / tall);
}

function cut() {
  stage.style.setProperty("--cut", `${slider.value}%`);
  slider.setAttribute("aria-valuetext", `${Math.round(slider.value)} percent untouched`);
}

// As many lines as are shown; what is sent beyond them costs the loop's processor.
function height() {
  const large = stage.dataset.view !== "pair" || document.fullscreenElement;
  return large ? (document.fullscreenElement ? 720 : 540) : 360;
}

function blank() {
  const { connected, loop } = state;
  const texts = {
    stopped: ["Nothing is running", "Your camera is off and nothing leaves this machine."],
    ended: ["The clip has ended", "Start plays it from the beginning."],
    failed: ["The loop stopped", loop.problem],
    starting: ["Starting", "Models are opened before the camera light comes on."],
  };
  const idle = connected && loop.state in texts;
  empty.hidden = connected && !idle;
  const away = connected === null ? ["Connecting", ""] : ["The Studio does not answer", "This page takes up again by itself as soon as it is back."];
  const [title, text] = connected ? texts[loop.state] ?? ["", ""] : away;
  if (empty.dataset.title === title + text) return;
  empty.dataset.title = title + text;
  const another = () => make("button", { type: "button", class: "outlined", onclick: () => showTab("ends") }, "Camera and outputs");
  fill(empty, make("h2", {}, title), make("p", {}, text), connected && loop.state !== "starting" ? startButton() : null, connected && loop.state === "failed" ? another() : null);
}
