// Controls for lists and maps of plain values.  Each is {element, field, show(value)}.

import { button, fill, make } from "./element.js";
import { offered, settled } from "./offered.js";

// Chips, each with a button that takes it away, and a field for another.
export function list(control, set) {
  const { label, item, names } = control;
  const choices = item?.choices;
  let values = [];
  const chips = make("ul", { class: "chips" });
  const add = (value) => (value && !values.includes(value) ? set([...values, value]) : true);
  const picked = names ? offered(control, add, { add: "add…", without: () => values }) : null;
  const field = picked?.field ?? (choices?.length
    ? make("select", { "aria-label": `Add to ${label}` }, make("option", { value: "" }, "add…"), ...choices.map((one) => make("option", { value: one }, one)))
    : make("input", { type: "text", "aria-label": `Add to ${label}`, placeholder: "add…", spellcheck: "false", autocomplete: "off" }));
  const typed = () => {
    const value = field.value.trim();
    field.value = "";
    add(value);
  };
  if (!picked && choices?.length) settled(field, typed, false);
  else if (!picked) field.addEventListener("change", typed);
  const show = (value) => {
    values = value ?? [];
    fill(chips, ...values.map((one, index) => make("li", {}, make("span", {}, String(one)),
      button("close", `Take ${one} out of ${label}`, () => set(values.toSpliced(index, 1)), { kind: "bare" }))));
    picked?.show("");
  };
  return { element: make("div", { class: "many" }, chips, picked?.element ?? field), field, show };
}

// Rows of key and value.
export function map(control, set) {
  const { label, key: keyed, names } = control;
  let values = {};
  const rows = make("ul", { class: "pairs" });
  const key = make("input", { type: keyed?.kind === "number" ? "number" : "text", "aria-label": `New key of ${label}`, placeholder: "number", min: keyed?.minimum });
  // What is chosen waits for the button, as the key does.
  const picked = names ? offered({ ...control, label: `New value of ${label}` }, null, { add: "name…" }) : null;
  const value = picked?.element ?? make("input", { type: "text", "aria-label": `New value of ${label}`, placeholder: "name" });
  picked?.field.setAttribute("aria-label", `New value of ${label}`);
  const add = async () => {
    const chosen = picked ? picked.value() : value.value;
    if (!key.value || !chosen || !(await set({ ...values, [key.value]: chosen }))) return;
    key.value = "";
    if (picked) picked.show("", true);
    else value.value = "";
  };
  const show = (now) => {
    values = now ?? {};
    fill(rows, ...Object.entries(values).map(([name, one]) => make("li", {}, make("b", {}, name), make("span", {}, String(one)),
      button("close", `Take ${name} out of ${label}`, () => set(Object.fromEntries(Object.entries(values).filter(([other]) => other !== name))), { kind: "bare" }))));
  };
  return { element: make("div", { class: "many" }, rows, make("div", { class: "adding" }, key, value, button("plus", `Add to ${label}`, add, { kind: "quiet" }))), field: key, show };
}
