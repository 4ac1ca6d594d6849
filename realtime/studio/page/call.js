// The visitor's page: choose a face, let the camera in, see how others see you.

import { ask } from "./api.js";
import { button, fill, make } from "./element.js";
import { Visit } from "./visit.js";

const PLAIN = "\u0000plain";
const WORDS = { starting: "Getting ready", idle: "Ready", camera: "Waiting for the camera", connecting: "Connecting", live: "On air", waiting: "Connecting again", wrong: "Not connected" };
const SENTENCES = {
  NotAllowedError: "The browser does not let this page use the camera; allow it beside the page's address, then press Start again.",
  NotFoundError: "This browser finds no camera; plug one in, then press Start again.",
  NotReadableError: "The camera is used by another program; end that one, then press Start again.",
  OverconstrainedError: "This camera has no picture of a size that can be used here.",
  SecurityError: "Browsers give cameras to pages with https or on this computer only; open this page by its https link.",
};
const find = (id) => document.getElementById(id);
const [mirror, swapped, own, problem] = ["mirror", "swapped", "own", "problem"].map(find);
const wishes = new URLSearchParams(location.search);
const visit = new Visit(find("camera"), find("back"), told);
let about = { sources: [], height: 720, fps: 30, limit: 0 };
let stream = null;

const start = button("camera", "Start", begin, { text: "Start", kind: "primary" });
const stop = button("stop", "Stop", end, { text: "Stop", kind: "outlined" });
const view = button("single", "Own picture", () => view.setAttribute("aria-pressed", String(!mirror.toggleAttribute("data-hidden"))), { text: "Own picture", "aria-pressed": "true" });
fill(find("actions"), view, start, stop);
// Read by whoever measures from outside.
window.visit = visit;

function show(state, sentence = "") {
  find("state").dataset.state = { live: "live", wrong: "wrong", idle: "idle" }[state] ?? "starting";
  find("state").querySelector("span").textContent = WORDS[state];
  problem.hidden = !sentence;
  problem.textContent = sentence;
}

function told(state, sentence) {
  if (state === "ended") return;
  show(state, sentence);
  if (state === "live") {
    mirror.dataset.shown = "both";
    find("figures").hidden = false;
    lay();
  }
  if (state === "wrong") release();
}

function wish() {
  const chosen = find("choices").querySelector("input:checked")?.value;
  return chosen === PLAIN ? { source: null, plain: true } : { source: chosen ?? null, plain: false };
}

function chosen() {
  return find("choices").querySelector("input:checked") !== null;
}

function buttons() {
  start.hidden = stream !== null;
  stop.hidden = view.hidden = stream === null;
  start.disabled = !chosen();
  find("hint").textContent = stream ? "Connecting…" : chosen() ? "Press Start and let your camera in." : "Choose a face, then let your camera in.";
}

async function begin() {
  if (stream || !chosen()) return;
  show("camera");
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    const height = Math.min(about.height, Number(wishes.get("height")) || about.height);
    const size = { height: { ideal: height, max: 1080 }, width: { ideal: Math.round((height * 16) / 9) } };
    stream = await navigator.mediaDevices.getUserMedia({ video: { ...size, frameRate: { ideal: Math.min(about.fps, 30) } }, audio: false });
  } catch (error) {
    return show("wrong", SENTENCES[error.name] ?? `The camera cannot be used: ${error.name}.`);
  }
  const camera = find("camera");
  const [track] = stream.getVideoTracks();
  track.onended = () => { end(); show("wrong", "The camera was taken away; plug it in again, then press Start."); };
  mirror.toggleAttribute("data-mirrored", track.getSettings().facingMode !== "environment");
  camera.srcObject = stream;
  await camera.play();
  mirror.dataset.shown = "own";
  visit.most = about.fps;
  visit.open(wish());
  buttons();
  return undefined;
}

function end() {
  visit.close();
  release();
  show("idle");
}

function release() {
  stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
  stream = null;
  mirror.dataset.shown = "none";
  find("figures").hidden = true;
  buttons();
}

// The pane has the picture's own shape, and the strip of the time code lies above its edge.
function lay() {
  const back = find("back");
  const { videoWidth: width, videoHeight: height } = back;
  if (!width || !visit.share) return;
  // A little more than the strip is cut away: scaled, its lowest row mixes with the picture's first.
  const share = visit.share + 1.5 / height;
  const shape = width / (height * (1 - share));
  const room = mirror.getBoundingClientRect();
  const wide = Math.min(room.width, room.height * shape);
  Object.assign(swapped.style, { width: `${wide}px`, height: `${wide / shape}px` });
  back.style.marginTop = `${-((wide * height) / width) * share}px`;
}

function figures() {
  const { p50, p95, fps, width, height } = visit.figures();
  const time = (value) => (value === null ? "–" : `${Math.round(value)} ms`);
  find("trip").textContent = time(p50);
  find("most").textContent = time(p95);
  find("fps").textContent = fps ? fps.toFixed(1) : "–";
  find("size").textContent = width ? `${width} × ${Math.round(height * (1 - (visit.share ?? 0)))}` : "–";
}

async function change() {
  buttons();
  if (!stream) return;
  try {
    await visit.wear(wish());
    problem.hidden = true;
  } catch (error) {
    problem.hidden = false;
    problem.textContent = error.message;
  }
}

function choice(value, name, letter) {
  const input = make("input", { type: "radio", name: "face", value, checked: wishes.get("source") === value, onchange: change });
  return make("label", {}, input, make("b", { "aria-hidden": "true" }, letter), make("span", {}, name));
}

async function ready() {
  show("starting");
  buttons();
  try {
    about = await ask("GET", "/api/call");
  } catch (error) {
    show("waiting", error.message);
    setTimeout(ready, 2000);
    return;
  }
  const faces = about.sources.map((name) => choice(name, name, name.slice(0, 1)));
  if (!faces.length) faces.push(make("p", { class: "note" }, "Nobody is enrolled on this machine yet; its owner does that in the Studio."));
  fill(find("choices"), ...faces, choice(PLAIN, "None: show me as I am", "–"));
  buttons();
  show("idle", about.limit ? "" : "Visitors are not let in here at present.");
}

find("faces").addEventListener("submit", (event) => event.preventDefault());
find("back").addEventListener("resize", lay);
new ResizeObserver(lay).observe(mirror);
window.addEventListener("pagehide", () => visit.leave());
setInterval(figures, 500);
ready();
