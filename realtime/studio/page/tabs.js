// The panel's pages: faces, camera and outputs, settings.

import { icon, make } from "./element.js";
import { keep, kept } from "./kept.js";

const tabs = new Map();

/** Build the tabs.  pages: [id, title, icon, element]. */
export function begin(pages) {
  const list = document.getElementById("tabs");
  for (const [id, title, picture, page] of pages) {
    const tab = make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `page-${id}`, onclick: () => show(id) }, icon(picture), make("span", {}, title));
    Object.assign(page, { id: `page-${id}`, tabIndex: -1 });
    page.setAttribute("role", "tabpanel");
    page.setAttribute("aria-labelledby", `tab-${id}`);
    tabs.set(id, { tab, page });
    list.append(tab);
    document.getElementById("pages").append(page);
  }
  list.addEventListener("keydown", walk);
  show(kept("tab", "faces"), false);
}

/** Show a page, and give its tab the focus. */
export function show(id, focus = true) {
  const chosen = tabs.has(id) ? id : tabs.keys().next().value;
  for (const [name, { tab, page }] of tabs) {
    tab.setAttribute("aria-selected", name === chosen);
    tab.tabIndex = name === chosen ? 0 : -1;
    page.hidden = name !== chosen;
  }
  keep("tab", chosen);
  if (focus) tabs.get(chosen).tab.focus();
}

function walk(event) {
  const names = [...tabs.keys()];
  const now = names.findIndex((name) => tabs.get(name).tab === document.activeElement);
  const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: names.length - 1 }[event.key];
  if (next === undefined || now < 0) return;
  event.preventDefault();
  show(names[(next + names.length) % names.length]);
}
