// The browser source: what leaves the machine, or with ?face=1 only the face on nothing, for a streaming program.
//
// In the address: face=1; height=360 (pictures are sent no higher); mjpeg=1 (no WebRTC); cover=0 (with face=1: show nothing
// instead of a cover while no faces come).

import { Arrival } from "./arrival.js";
import { Transparent } from "./transparent.js";
import { arrange } from "./webpages.js";

const HIGHEST = 1080;
// The machine sends its last picture again every second, so that silence means that it is gone.
const SILENCE = 2500;
const OLD = 2000;

const wanted = new URLSearchParams(location.search);
const face = on("face");
const picture = document.getElementById("picture");
const film = document.getElementById("film");
const canvas = document.getElementById("canvas");
const cover = document.getElementById("cover");
const machine = { running: false, age: 0, problem: "" };
const composed = face ? new Transparent(canvas) : null;
const plain = face ? null : canvas.getContext("2d");
let shown = -Infinity;

const arrival = new Arrival({
  view: face ? "face" : "after",
  height: Math.min(Number(wanted.get("height")) || HIGHEST, HIGHEST),
  webrtc: !on("mjpeg"),
  film,
  picture: take,
});

/** One picture has come: a video in the page, or a bitmap; with a face's, twice as high as what is seen. */
function take(source, width, height) {
  const rows = face ? height / 2 : height;
  picture.style.setProperty("--aspect", String(width / rows));
  if (face) composed.draw(source, width, rows);
  else if (source !== film) paint(source, width, rows);
  film.classList.toggle("away", face || source !== film);
  canvas.hidden = !face && source === film;
  shown = performance.now();
  look();
}

function paint(source, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  plain.drawImage(source, 0, 0);
}

// Below only a face lies the raw camera: where no new faces come, everything is covered rather than somebody shown.
function look() {
  const silent = performance.now() - shown > SILENCE;
  const bare = !machine.running || machine.age > OLD || silent;
  cover.hidden = !(face && bare && wanted.get("cover") !== "0");
  if (face && bare) canvas.hidden = true;
  if (cover.hidden) return;
  const reason = silent ? "swapcam sends no pictures" : machine.problem || "swapcam is not running";
  cover.textContent = `${reason.replace(/\.$/, "")}. Until it does, the camera below stays covered.`;
}

function hear() {
  const events = new EventSource("/api/events");
  events.addEventListener("state", (event) => state(JSON.parse(event.data)));
  events.addEventListener("settings", (event) => arrange(JSON.parse(event.data).settings?.overlay));
  events.addEventListener("figures", (event) => {
    machine.age = JSON.parse(event.data).age ?? 0;
    look();
  });
  // What was missed while the line was down is in the whole state.
  events.onopen = () => ask();
  // A browser gives a line up for good when it was refused once, for example while the studio starts.
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(hear, 2000); };
}

async function ask() {
  try {
    const answer = await (await fetch("/api/state")).json();
    arrange(answer.settings?.overlay);
    state(answer.loop);
  } catch {
    // The line comes up again, and asks again.
  }
}

function state(loop) {
  if (!loop?.state) return;
  machine.running = loop.state === "running";
  machine.problem = loop.problem ?? "";
  look();
}

function on(name) {
  return wanted.has(name) && !["0", "false", "no"].includes(wanted.get(name));
}

hear();
look();
setInterval(look, 250);
arrival.start();
