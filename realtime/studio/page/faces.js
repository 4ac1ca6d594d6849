// The faces in the picture: an outline each, and a menu of who they wear.

import { ask } from "./api.js";
import { fill, make } from "./element.js";
import { attempt } from "./messages.js";
import { open as openMenu } from "./menu.js";
import { on, state } from "./store.js";
import { keep, kept } from "./kept.js";

const places = new Map();

/** The layer with a button for each face; the stage says with data-outlines whether they are seen before one points at them. */
export function marks(stage) {
  const layer = make("div", { class: "marks" });
  stage.dataset.outlines = kept("outlines", true);
  on(["faces", "sources", "loop"], ({ faces, loop }) => place(layer, loop.state === "running" ? faces ?? [] : []));
  return layer;
}

/** Outlines seen or not. */
export function outlines() {
  const stage = document.getElementById("stage");
  const seen = stage.dataset.outlines !== "true";
  stage.dataset.outlines = seen;
  keep("outlines", seen);
}

function place(layer, faces) {
  const gone = new Set(places.keys());
  faces.forEach((face, number) => {
    const key = face.track ?? `place ${number}`;
    gone.delete(key);
    if (!places.has(key)) {
      places.set(key, make("button", { type: "button", class: "mark", "aria-haspopup": "menu" }, make("span", { class: "name" })));
      layer.append(places.get(key));
    }
    const mark = places.get(key);
    const [left, top, right, bottom] = face.box;
    // Looser than the face: news of faces comes twice a second, and a head moves in between.
    const [wide, tall] = [(right - left) * 0.14, (bottom - top) * 0.14];
    Object.assign(mark.style, {
      left: percent(left - wide), top: percent(top - tall), width: percent(right - left + 2 * wide), height: percent(bottom - top + 2 * tall),
    });
    const wears = face.covered ? "covered" : face.source ? bare(face.source) : "own face";
    mark.dataset.worn = face.covered || Boolean(face.source);
    fill(mark.firstChild, wears);
    mark.setAttribute("aria-label", `Face ${number + 1}, ${face.covered ? "" : "wears "}${wears}: choose another`);
    mark.onclick = () => choose(mark, (left + right) / 2, (top + bottom) / 2, face.source);
  });
  for (const key of gone) {
    places.get(key).remove();
    places.delete(key);
  }
}

function choose(mark, x, y, source) {
  const entries = [
    { text: "Like everybody", note: "the face worn now", chosen: false, press: () => assign(x, y, null) },
    ...state.sources.map(({ name, enrolled }) => ({ text: bare(name), picture: enrolled ? name : null, chosen: name === source, press: () => assign(x, y, name) })),
  ];
  openMenu(mark, "Who does this face wear?", entries);
}

async function assign(x, y, source) {
  await attempt(() => ask("POST", "/api/assign", { x, y, source }));
}

/**
 * Whether who wore a face that was taken away is covered until there is another, and nobody's own face is seen: who was given
 * a face may be covered beside somebody who was not.
 */
export function awaiting({ enabled, sources }, faces) {
  return enabled && !sources.length && faces.length > 0 && faces.every((face) => face.covered);
}

/** A photo's name without its folders; an enrolled name as it is. */
export function bare(source) {
  return source.split(/[\\/]/).pop();
}

function percent(fraction) {
  return `${(fraction * 100).toFixed(2)}%`;
}
