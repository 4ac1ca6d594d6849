// Controls for lists and maps of plain values.  Each is {element, field, show(value)}.

import { button, fill, make } from "./element.js";

// Chips, each with a button that takes it away, and a field for another.
export function list({ label, item }, set) {
  const choices = item?.choices;
  let values = [];
  const chips = make("ul", { class: "chips" });
  const field = choices?.length
    ? make("select", { "aria-label": `Add to ${label}` }, make("option", { value: "" }, "add…"), ...choices.map((one) => make("option", { value: one }, one)))
    : make("input", { type: "text", "aria-label": `Add to ${label}`, placeholder: "add…", spellcheck: "false", autocomplete: "off" });
  field.addEventListener("change", () => {
    const value = field.value.trim();
    field.value = "";
    if (value && !values.includes(value)) set([...values, value]);
  });
  const show = (value) => {
    values = value ?? [];
    fill(chips, ...values.map((one, index) => make("li", {}, make("span", {}, String(one)),
      button("close", `Take ${one} out of ${label}`, () => set(values.toSpliced(index, 1)), { kind: "bare" }))));
  };
  return { element: make("div", { class: "many" }, chips, field), field, show };
}

// Rows of key and value.
export function map({ label, key: keyed }, set) {
  let values = {};
  const rows = make("ul", { class: "pairs" });
  const key = make("input", { type: keyed?.kind === "number" ? "number" : "text", "aria-label": `New key of ${label}`, placeholder: "number", min: keyed?.minimum });
  const value = make("input", { type: "text", "aria-label": `New value of ${label}`, placeholder: "name" });
  const add = () => {
    if (!key.value || !value.value) return;
    set({ ...values, [key.value]: value.value });
    key.value = value.value = "";
  };
  const show = (now) => {
    values = now ?? {};
    fill(rows, ...Object.entries(values).map(([name, one]) => make("li", {}, make("b", {}, name), make("span", {}, String(one)),
      button("close", `Take ${name} out of ${label}`, () => set(Object.fromEntries(Object.entries(values).filter(([other]) => other !== name))), { kind: "bare" }))));
  };
  return { element: make("div", { class: "many" }, rows, make("div", { class: "adding" }, key, value, button("plus", `Add to ${label}`, add, { kind: "quiet" }))), field: key, show };
}
