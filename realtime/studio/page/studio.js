// The Studio: puts the parts of the page together.

import { connect } from "./connection.js";
import { button, fill, make } from "./element.js";
import { page as endsPage, SECTIONS } from "./ends.js";
import { outlines } from "./faces.js";
import { begin as beginFigures } from "./figures.js";
import { begin as beginHead, redo, save, undo } from "./head.js";
import { attempt } from "./messages.js";
import { begin as beginOutputs } from "./outputs.js";
import { record, recordButton, snapshot, toggle, toggleSwap } from "./run.js";
import { begin as beginShortcuts, help } from "./shortcuts.js";
import { bound, change, chosen, page as settingsPage } from "./settings.js";
import { page as sourcesPage, wearNext, wearNumber } from "./sources.js";
import { begin as beginStage, look, mirror, turn, views } from "./stage.js";
import { on, setting } from "./store.js";
import { begin as beginTabs, show as showTab } from "./tabs.js";
import { kept } from "./kept.js";

const OFTEN = ["swap.faces", "swap.shape", "swap.eyes", "swap.light", "blend.opacity", "quality"];
const GUIDES = ["none", "action", "title", "thirds"];

function often() {
  const rows = make("div", { class: "rows" });
  const made = make("div", { class: "often" }, make("div", { class: "title" }, make("h2", {}, "Look"),
    make("button", { type: "button", class: "link", onclick: () => showTab("settings") }, "All settings")), rows);
  on(["controls"], () => fill(rows, ...chosen(OFTEN).map(bound)));
  return made;
}

function pressed(made, keys, read) {
  on(keys, () => made.setAttribute("aria-pressed", read()));
  return made;
}

function guides() {
  const now = GUIDES.indexOf(setting(["overlay", "guides"]) ?? "none");
  return attempt(() => change(["overlay", "guides"], GUIDES[(now + 1) % GUIDES.length]));
}

function full() {
  if (document.fullscreenElement) return document.exitFullscreen();
  return document.getElementById("stage").requestFullscreen?.();
}

function tools() {
  const stage = document.getElementById("stage");
  const turned = (name, made, act) => {
    const mark = () => made.setAttribute("aria-pressed", stage.dataset[name] === "true");
    new MutationObserver(mark).observe(stage, { attributes: true });
    made.addEventListener("click", act);
    mark();
    return made;
  };
  const none = () => {};
  fill(document.getElementById("tools"), views(),
    make("div", { class: "group" },
      turned("outlines", button("outline", "Outline the faces (O)", none), outlines),
      pressed(button("guides", "Guides: safe areas and thirds (G)", guides), ["settings"], () => (setting(["overlay", "guides"]) ?? "none") !== "none"),
      turned("mirror", button("mirror", "Mirror the preview (M)", none), () => mirror()),
      button("full", "Full screen (F)", full)),
    make("div", { class: "group end" }, button("snapshot", "Snapshot (P)", snapshot, { text: "Snapshot" }), recordButton()));
}

const KEYS = [
  ["S", "Swap on and off", toggleSwap],
  ["N", "Wear the next face", wearNext],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => [String(number), number === 1 ? "Wear that face, 1 to 9" : "", () => wearNumber(number - 1)]),
  ["V", "Next view: side by side, before and after, result", turn],
  ["B", "Untouched picture shown or hidden", () => look(document.getElementById("stage").dataset.view === "pair" ? "single" : "pair")],
  ["O", "Outline the faces", outlines],
  ["G", "Next guides", guides],
  ["M", "Mirror the preview", () => mirror()],
  ["F", "Full screen", full],
  ["P", "Snapshot", snapshot],
  ["R", "Record, and end the recording", record],
  ["Ctrl+Enter", "Start and stop", toggle],
  ["Ctrl+Z", "Undo", undo],
  ["Ctrl+Shift+Z", "Redo", redo],
  ["Ctrl+Y", "", redo],
  ["Ctrl+S", "Save the settings", save],
  ["/", "Find a setting", () => { showTab("settings"); document.getElementById("settings-search").focus(); }],
  ["?", "This list", help],
];

beginStage();
mirror(kept("mirror", false));
tools();
beginHead();
beginOutputs();
beginFigures();
beginTabs([
  ["faces", "Faces", "face", sourcesPage(often())],
  ["ends", "In and out", "out", endsPage()],
  ["settings", "Settings", "settings", settingsPage((name) => !SECTIONS.includes(name))],
]);
beginShortcuts(KEYS);
connect();
