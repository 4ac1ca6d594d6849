// Every setting, made from the controls that the machine lists; sections fold, and a search finds.

import { ask } from "./api.js";
import { fill, icon, make } from "./element.js";
import { keep, kept } from "./kept.js";
import { row } from "./row.js";
import { merge, on, setting, state } from "./store.js";

/** Set what is at a path; raises Problem. */
export async function change(path, value) {
  const answer = await ask("POST", "/api/settings", { path, value });
  if (answer?.settings) merge({ settings: answer.settings, ...(answer.history ? { history: answer.history } : {}) });
}

/** The row of one control, kept in step with the machine. */
export function bound(control) {
  const made = row(control, (value, inside) => change([...control.path, ...inside], value));
  on(["settings"], () => { if (state.settings) made.show(setting(control.path)); });
  return made.element;
}

/** The controls with these paths ("swap.shape"), in that order, where the machine has them. */
export function chosen(paths) {
  const all = state.controls.flatMap((section) => section.controls);
  return paths.map((path) => all.find((control) => control.path.join(".") === path)).filter(Boolean);
}

/** A page of sections; keep them by `wanted(section name)`. */
export function sections(wanted) {
  const holder = make("div", { class: "sections" });
  let built = "";
  on(["controls"], ({ controls }) => {
    const print = JSON.stringify(controls);
    if (print === built) return;
    built = print;
    fill(holder, ...controls.filter((section) => wanted(section.name)).map(folded));
  });
  return holder;
}

/** The page of all settings. */
export function page(wanted) {
  const holder = sections(wanted);
  const field = make("input", { type: "search", id: "settings-search", placeholder: "Find a setting", "aria-label": "Find a setting", oninput: () => sought(holder, field.value, none) });
  const none = make("p", { class: "note", hidden: true }, "No setting has that in its name or explanation.");
  return make("section", {}, make("div", { class: "search" }, icon("search"), field), holder, none);
}

function folded({ name, title, help, controls }) {
  const count = make("em", {});
  const body = make("div", { class: "rows" }, ...controls.map(bound));
  // A section of one control has its name already.
  if (controls.length === 1 && controls[0].path.length === 1) body.firstChild.dataset.only = true;
  const made = make("details", { class: "section", "data-name": name },
    make("summary", {}, icon("down"), make("span", {}, make("b", {}, title), help ? make("small", {}, help) : null), count), body);
  made.open = kept(`section.${name}`, name === "outputs");
  made.addEventListener("toggle", () => { if (!made.dataset.sought) keep(`section.${name}`, made.open); });
  on(["settings"], () => {
    const changed = body.querySelectorAll(":scope > .row[data-changed=true]").length;
    count.textContent = changed ? `${changed} changed` : "";
  });
  return made;
}

function sought(holder, text, none) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let any = false;
  for (const section of holder.children) {
    const title = section.querySelector("summary").textContent.toLowerCase();
    let found = 0;
    for (const one of section.querySelectorAll(":scope > .rows > .row")) {
      const said = `${title} ${one.textContent.toLowerCase()}`;
      const fits = words.every((word) => said.includes(word));
      one.hidden = !fits;
      found += fits;
    }
    section.hidden = !found;
    any ||= found > 0;
    if (words.length) section.dataset.sought = true;
    section.open = words.length ? found > 0 : kept(`section.${section.dataset.name}`, false);
    if (!words.length) setTimeout(() => delete section.dataset.sought, 100);
  }
  none.hidden = any;
}
