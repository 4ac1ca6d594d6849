// A menu that opens at a button: arrow keys, Escape and a press beside it do what people expect.

import { icon, make } from "./element.js";
import { at } from "./api.js";

let shown = null;

/** Open a menu at `anchor`.  entries: {text, note, chosen, picture (name of a source), danger, press}; a string is a heading. */
export function open(anchor, title, entries) {
  const again = shown?.anchor === anchor;
  close();
  if (again) return;
  const list = make("div", { class: "menu", role: "menu", "aria-label": title }, make("p", { class: "title" }, title));
  for (const entry of entries) list.append(typeof entry === "string" ? make("p", { class: "title" }, entry) : item(entry));
  (anchor.closest("dialog") ?? document.fullscreenElement ?? document.body).append(list);
  shown = { anchor, list };
  anchor.setAttribute("aria-expanded", "true");
  put(anchor, list);
  list.addEventListener("keydown", walk);
  (list.querySelector("[aria-checked=true]") ?? list.querySelector("button"))?.focus();
}

/** Close the menu that is open, if any. */
export function close(back = false) {
  if (!shown) return;
  const { anchor, list } = shown;
  shown = null;
  list.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (back && anchor.isConnected) anchor.focus();
}

function item({ text, note, chosen, picture, danger, press }) {
  const role = chosen === undefined ? "menuitem" : "menuitemradio";
  const made = make("button", {
    type: "button", role, class: danger ? "danger" : null, tabindex: -1,
    onclick: () => { close(true); press(); },
  });
  if (chosen !== undefined) made.setAttribute("aria-checked", chosen);
  if (picture) made.append(make("img", { src: at`/api/sources/${picture}/thumbnail`, alt: "", width: 28, height: 28 }));
  made.append(make("span", {}, text, note ? make("small", {}, note) : null));
  if (chosen) made.append(icon("check"));
  return made;
}

function put(anchor, list) {
  const place = anchor.getBoundingClientRect();
  const { width, height } = list.getBoundingClientRect();
  const [wide, tall] = [document.documentElement.clientWidth, window.innerHeight];
  const below = place.bottom + 6 + height < tall;
  const top = below ? place.bottom + 6 : Math.max(8, place.top - height - 6);
  list.style.left = `${Math.max(8, Math.min(place.left, wide - width - 8))}px`;
  list.style.top = `${Math.min(top, Math.max(8, tall - height - 8))}px`;
}

function walk(event) {
  const items = [...shown.list.querySelectorAll("button")];
  const now = items.indexOf(document.activeElement);
  const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next !== undefined) items[(next + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") close(true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

document.addEventListener("pointerdown", (event) => {
  if (shown && !shown.list.contains(event.target) && !shown.anchor.contains(event.target)) close();
});
window.addEventListener("resize", () => close());
