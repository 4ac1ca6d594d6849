// Keys: what each does, and the dialog that lists them.

import { make } from "./element.js";
import { show } from "./dialog.js";
import { keep, kept } from "./kept.js";

let table = [];

/** Listen for keys.  keys: [key, what it does in words, the function]; "Ctrl+" before a key asks for Ctrl, or for Command. */
export function begin(keys) {
  table = keys;
  addEventListener("keydown", (event) => {
    const entry = table.find(([key]) => fits(key, event));
    if (!entry || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    entry[2](event);
  });
}

/** The dialog with all of them. */
export function help() {
  if (document.querySelector("dialog[open]")) return;
  const rows = table.filter(([, words]) => words).map(([key, words]) => make("tr", {}, make("th", { scope: "row" }, ...key.split("+").map((part) => make("kbd", {}, part === "Ctrl" && apple() ? "⌘" : part))), make("td", {}, words)));
  const box = make("input", { type: "checkbox", role: "switch", id: "single-keys", checked: kept("keys", true), onchange: () => keep("keys", box.checked) });
  show("Shortcuts", "small", make("div", {}, make("table", { class: "keys" }, make("tbody", {}, ...rows))),
    make("label", { class: "switch", for: "single-keys" }, make("span", {}, "Single letters without Ctrl do something"), box));
}

function fits(key, event) {
  const [last, ...held] = key.split("+").reverse();
  const control = event.ctrlKey || event.metaKey;
  if (held.includes("Ctrl") !== control || event.altKey) return false;
  if (held.includes("Shift") && !event.shiftKey) return false;
  if (control && !held.includes("Shift") && event.shiftKey) return false;
  if (event.key.toLowerCase() !== last.toLowerCase()) return false;
  // A field's own undo and letters are the field's.
  return !writing(event.target) && (control || kept("keys", true) || last === "?");
}

function writing(target) {
  if (target.closest?.("[role=menu]")) return true;
  if (target.matches?.("textarea, select")) return true;
  return Boolean(target.matches?.("input")) && !["range", "checkbox", "color", "button"].includes(target.type);
}

function apple() {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}
