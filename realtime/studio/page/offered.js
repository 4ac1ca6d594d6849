// A choice among names that are there, people or models, and a field for any other name.

import { ask } from "./api.js";
import { fill, make } from "./element.js";
import { on, merge, state } from "./store.js";

const PAUSE = 700;
const SOON = 3000;
let asked = -SOON;
let licence = null;

/**
 * {element, field, show(value), value()} for a control of the machine's with names ("people", or a role of models) and built_in.
 * take(value) gives whether it was taken; null: what is chosen waits.  add: what stands there until something is chosen to be
 * added; `without` is there already.
 */
export function offered({ names, built_in: words = [], label }, take, { add = "", without = () => [] } = {}) {
  let now = "";
  let print = "";
  let turn = 0;
  const field = make("select", { class: "offered", ...(add ? { "aria-label": `Add to ${label}` } : {}), onfocus: () => look() });
  const other = make("input", { type: "text", "aria-label": `${label}: another name or file`, placeholder: "name or file", spellcheck: "false", autocomplete: "off", hidden: true });
  const note = make("small", { class: "note", hidden: true });

  async function took(value) {
    const back = document.activeElement === other;
    const mine = (turn += 1);
    // Whoever went on meanwhile is not called back.
    if (!(await take(value)) || mine !== turn) return;
    other.hidden = true;
    show(add ? "" : value);
    if (back) field.focus();
  }

  function pick() {
    turn += 1;
    other.hidden = !field.selectedOptions[0]?.dataset.other;
    if (other.hidden && !take) now = field.value;
    if (other.hidden) return take ? took(field.value) : null;
    other.value = known().some((one) => one.name === now) ? "" : now;
    return other.focus();
  }

  function leave() {
    other.hidden = true;
    show(now);
  }

  function known() {
    return [...words.map((name) => ({ name, said: "", word: true })), ...offers(names)];
  }

  function build() {
    const all = known();
    const free = all.filter(({ name }) => !without().includes(name));
    const strange = now && !all.some(({ name }) => name === now) ? [{ name: now, said: "" }] : [];
    const next = JSON.stringify([free, strange]);
    if (next !== print) {
      print = next;
      const here = free.filter((one) => !one.word).map(option);
      const group = names === "people" ? here : make("optgroup", { label: "On this machine" }, here.length ? here : make("option", { disabled: true }, "no model yet: swapcam models list"));
      fill(field, add ? make("option", { value: "" }, add) : null, free.filter((one) => one.word).map(option), group, strange.map(option), make("option", { value: "", "data-other": true }, "Other…"));
    }
    if (now || add) field.value = now;
    else field.selectedIndex = -1;
    note.textContent = add ? "" : all.find(({ name }) => name === now)?.said ?? "";
    note.hidden = !note.textContent;
  }

  function show(value, anew = false) {
    now = value ?? "";
    if (anew) other.hidden = true;
    // Whoever types, or walks through the names with the arrow keys, is not disturbed.
    if (!other.hidden || field.dataset.walked) return;
    build();
  }

  settled(field, pick, !add);
  other.addEventListener("change", () => { if (take && other.value.trim()) took(other.value.trim()); });
  other.addEventListener("blur", () => { if (["", now].includes(other.value.trim())) leave(); });
  other.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
    field.focus();
  });
  on(["models", "sources"], () => { if (other.hidden && !field.dataset.walked) build(); });
  const value = () => (other.hidden ? field.value : other.value.trim());
  return { element: make("span", { class: "names" }, field, other, note), field, show, value };
}

/** Call `take` when a choice is made: with the arrow keys each step would be one, so they wait for Enter, the next field or a pause. */
export function settled(field, take, pause = true) {
  let waiting = 0;
  const done = () => {
    clearTimeout(waiting);
    delete field.dataset.walked;
    take();
  };
  const keyed = { now: false };
  field.addEventListener("pointerdown", () => { keyed.now = false; });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && field.dataset.walked) {
      event.preventDefault();
      return done();
    }
    keyed.now = !["Enter", " ", "Tab", "Escape", "F4"].includes(event.key) && !event.altKey;
    return undefined;
  });
  field.addEventListener("blur", () => { if (field.dataset.walked) done(); });
  field.addEventListener("change", () => {
    if (!keyed.now) return done();
    field.dataset.walked = true;
    clearTimeout(waiting);
    if (pause) waiting = setTimeout(done, PAUSE);
    return undefined;
  });
}

// Others may pull models while the page is open; whoever opens a list of them wants to see those.
async function look() {
  if (!state.connected || performance.now() - asked < SOON) return;
  asked = performance.now();
  try {
    merge({ models: await ask("GET", "/api/models") });
  } catch (problem) {
    merge({ log: [...state.log, { level: "warning", text: problem.message, time: new Date() }] });
  }
}

on(["connected", "settings"], ({ connected, settings }) => {
  if (!connected || !settings || licence === settings.models.licence) return;
  licence = settings.models.licence;
  asked = -SOON;
  look();
});

function offers(names) {
  if (names === "people") return state.sources.filter((one) => one.enrolled).map(({ name }) => ({ name, said: "" }));
  return (state.models[names] ?? []).map((model) => ({ name: model.name, said: said(model), refused: model.refused }));
}

function said({ name, family, licence: terms, commercial, checked, refused }) {
  const unknown = terms === "unknown" ? "licence unknown" : terms;
  const use = commercial === "no" && !/non-?commercial/i.test(terms) ? "not for commercial use" : "";
  return [family === name ? "" : family, unknown, use, refused ? "refused: permissive licences only" : "", checked ? "" : "not checked yet"].filter(Boolean).join(", ");
}

function option({ name, said: more, refused }) {
  return make("option", { value: name, disabled: Boolean(refused) }, more ? `${name} (${more})` : name);
}
