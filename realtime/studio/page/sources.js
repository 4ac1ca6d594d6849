// The faces that can be worn: one press wears one; the last tile enrols another.

import { ask, at } from "./api.js";
import { button, fill, icon, make } from "./element.js";
import { agree } from "./dialog.js";
import { enrol } from "./enrol.js";
import { awaiting, bare } from "./faces.js";
import { attempt, inform } from "./messages.js";
import { open as openMenu } from "./menu.js";
import { on, state } from "./store.js";
import { toggleSwap } from "./run.js";

/** The page of faces: the swap's switch, the gallery, and `more` below it. */
export function page(more) {
  const gallery = make("ul", { class: "gallery", "aria-label": "Faces" });
  const note = make("p", { class: "note" });
  let built = "";
  on(["sources", "settings"], ({ sources, settings }) => {
    if (!settings) return;
    const shown = tiles(sources, settings);
    const print = JSON.stringify(shown.map(({ worn, ...rest }) => rest));
    // The tiles stay while only another one is worn, and with them the focus of whoever pressed one.
    if (print !== built) fill(gallery, ...shown.map(tile), adding(shown.length));
    built = print;
    shown.forEach(({ worn }, index) => gallery.children[index].firstChild.setAttribute("aria-pressed", worn));
    note.textContent = shown.length ? "Press a face to wear it. Press a face in the preview to give it to one person only." : "";
  });
  dropped();
  return make("section", {}, swapSwitch(), gallery, note, more);
}

/** Wear the face with that number, 0 the first; a larger one than there are does nothing. */
export function wearNumber(number) {
  const chosen = tiles(state.sources, state.settings)[number];
  if (chosen) wear(chosen.name);
}

/** Wear the face after the one that is worn. */
export function wearNext() {
  const all = tiles(state.sources, state.settings);
  if (all.length) wear(all[(all.findIndex((one) => one.worn) + 1) % all.length].name);
}

// Photos that were given to the command line are worn without being enrolled; they have a tile, but nothing to delete.
function tiles(sources, settings) {
  return sources.map((one) => ({ ...one, photo: one.enrolled === false, worn: settings?.swap.sources[0] === one.name }));
}

function tile(source, number) {
  const { name, worn, photo } = source;
  const title = bare(name);
  const faceless = make("span", { class: "faceless" }, icon("face"));
  const picture = photo ? faceless : make("img", { src: at`/api/sources/${name}/thumbnail`, alt: "", width: 96, height: 96, onerror: () => picture.replaceWith(faceless) });
  const wearIt = make("button", { type: "button", class: "wear", "aria-pressed": worn, title: `Wear ${title}${number < 9 ? ` (${number + 1})` : ""}`, onclick: () => wear(name) },
    make("span", { class: "thumb" }, picture),
    make("span", { class: "name" }, title));
  const more = photo ? null : button("more", `More about ${title}`, (event) => menu(event.currentTarget, source), { kind: "bare more", "aria-haspopup": "menu" });
  return make("li", { class: "tile" }, wearIt, more);
}

function adding(count) {
  const title = count ? "Add a face" : "Add the first face";
  return make("li", { class: count ? "tile" : "tile first" }, make("button", { type: "button", class: "add", onclick: () => enrol() },
    icon("plus"), make("span", {}, title), count ? null : make("small", {}, "Photos of one person who agreed: drop them anywhere here, choose files, or use the webcam.")));
}

function menu(anchor, { name, photos, agreed }) {
  const count = Array.isArray(photos) ? photos.length : photos;
  const since = typeof agreed === "string" && agreed ? `, agreed ${agreed.slice(0, 10)}` : "";
  openMenu(anchor, `${name}: ${count ?? "no"} photo${count === 1 ? "" : "s"}${since}`, [
    { text: "Wear this face", press: () => wear(name) },
    { text: "Delete…", danger: true, press: () => remove(name) },
  ]);
}

async function wear(name) {
  await attempt(() => ask("POST", "/api/wear", { source: name }));
}

async function remove(name) {
  if (!(await agree(`Delete ${name}?`, "The face and what was stated about it are deleted from this computer. This cannot be undone.", "Delete"))) return;
  await attempt(async () => {
    await ask("DELETE", at`/api/sources/${name}`);
    inform(`${name} is deleted.`);
  });
}

function swapSwitch() {
  const box = make("input", { type: "checkbox", role: "switch", id: "swap-switch", onchange: toggleSwap });
  const text = make("small", {});
  const made = make("label", { class: "swap", for: "swap-switch" }, make("span", {}, make("b", {}, "Swap faces"), text), box);
  on(["settings", "faces"], ({ settings, faces }) => {
    box.disabled = !settings;
    if (!settings) return;
    const { enabled } = settings.swap;
    const dressed = settings.swap.sources.length > 0;
    box.checked = enabled;
    made.dataset.warn = !enabled || !dressed;
    const undressed = `No face is chosen: ${awaiting(settings.swap, faces) ? "yours is covered until you choose one" : "your own face is shown"}.`;
    const words = !dressed ? undressed : enabled ? "Others see the face below." : "Off: others see your own face.";
    if (text.textContent !== words) text.textContent = words;
  });
  return made;
}

// Photos may be dropped anywhere on the page.
function dropped() {
  const cover = document.getElementById("drop");
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => { if (files(event) && !document.querySelector("dialog[open]")) cover.hidden = false; });
  cover.addEventListener("dragleave", () => { cover.hidden = true; });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    cover.hidden = true;
    if (!document.querySelector("dialog[open]")) enrol([...event.dataTransfer.files]);
  });
}
