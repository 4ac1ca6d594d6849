// A control for one plain setting, made from what the schema says of it.  Each is {element, show(value), focus()}.

import { make } from "./element.js";
import { offered } from "./offered.js";

const LIVE = 140;
let serial = 0;

/** The control for a setting; set(value) is called with what the user wants.  null for a kind that is none of the plain ones. */
export function plain(control, set) {
  const kinds = { toggle, range: control.optional ? number : range, number: control.words ? text : number, choice, text, colour };
  const made = control.kind === "text" && control.names ? offered(control, set) : kinds[control.kind]?.(control, set);
  if (!made) return null;
  made.field.id ||= `control-${(serial += 1)}`;
  return made;
}

function toggle(_, set) {
  const field = make("input", { type: "checkbox", role: "switch", onchange: () => set(field.checked) });
  return { element: field, field, show: (value) => { field.checked = Boolean(value); } };
}

function range({ minimum, maximum, step, label }, set) {
  const steps = step ?? (maximum - minimum) / 100;
  const send = seldom(set);
  const field = make("input", { type: "range", min: minimum, max: maximum, step: steps });
  const exact = make("input", { type: "number", min: minimum, max: maximum, step: "any", "aria-label": `${label}, as a number` });
  const digits = steps >= 1 ? 0 : steps >= 0.1 ? 1 : 2;
  const exactly = (value) => (Number(value) === Number(Number(value).toFixed(digits)) ? Number(value).toFixed(digits) : tidy(value));
  const paint = () => field.style.setProperty("--part", `${(100 * (field.value - minimum)) / (maximum - minimum)}%`);
  field.addEventListener("input", () => { exact.value = exactly(field.value); paint(); send(Number(field.value)); });
  exact.addEventListener("change", () => set(read(exact, false)));
  const show = (value) => {
    if (document.activeElement !== exact) exact.value = exactly(value);
    if (!field.matches(":active")) field.value = value;
    paint();
  };
  return { element: make("span", { class: "range" }, field, exact), field, show };
}

function number({ minimum, maximum, optional, integer }, set) {
  const field = make("input", { type: "number", min: minimum, max: maximum, step: integer ? 1 : "any", placeholder: optional ? "auto" : null, onchange: () => set(read(field, optional)) });
  return { element: field, field, show: (value) => { if (document.activeElement !== field) field.value = value === null || value === undefined ? "" : tidy(value); } };
}

function choice({ choices, optional }, set) {
  const all = optional && !choices.includes(null) ? [null, ...choices] : choices;
  const field = make("select", { onchange: () => set(all[field.selectedIndex]) }, ...all.map((one) => make("option", {}, one === null ? "automatic" : String(one))));
  const show = (value) => {
    const known = all.findIndex((one) => one === (value ?? null));
    field.selectedIndex = known;
  };
  return { element: field, field, show };
}

// A text; also a number that may be a word instead, or a name that may be a number.
function text({ optional, words: choices, pattern, integer }, set) {
  const numeric = choices || integer;
  const field = make("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: optional ? "automatic" : null, title: pattern ? `Expected: ${pattern}` : null });
  field.addEventListener("change", () => {
    const value = field.value.trim();
    set(optional && value === "" ? null : numeric && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);
  });
  const list = choices?.length ? make("datalist", { id: `choices-${(serial += 1)}` }, ...choices.map((one) => make("option", { value: one }))) : null;
  if (list) field.setAttribute("list", list.id);
  const element = list ? make("span", { class: "text" }, field, list) : field;
  return { element, field, show: (value) => { if (document.activeElement !== field) field.value = value ?? ""; } };
}

function colour(_, set) {
  const send = seldom(set);
  const field = make("input", { type: "color", oninput: () => send(field.value) });
  return { element: field, field, show: (value) => { if (!field.matches(":active")) field.value = value ?? "#ffffff"; } };
}

function read(field, optional) {
  if (field.value === "") return optional ? null : Number.NaN;
  return Number(field.value);
}

/** A number as people write it. */
export function tidy(value) {
  return String(Math.round(Number(value) * 1000) / 1000);
}

// While a slider moves its setting follows, but not with every pixel.
function seldom(set) {
  let waiting = 0;
  let newest;
  let last = 0;
  const send = () => {
    waiting = 0;
    last = performance.now();
    set(newest);
  };
  return (value) => {
    newest = value;
    if (!waiting) waiting = setTimeout(send, Math.max(0, LIVE - (performance.now() - last)));
  };
}
