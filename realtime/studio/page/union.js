// Controls for a setting of one of several kinds, and for a row of such.  Each is {element, field, show(value)}.
// set(value, inside): `inside` is the way from the setting to the part that changes, [] for the whole; gives whether it was taken.

import { button, fill, make } from "./element.js";
import { row } from "./row.js";

const several = (control) => control.variants.length > 1;

/** One of several kinds.  adding: a draft from the start, which is set by a button; without, a kind is set as soon as it can be. */
export function union(control, set, adding = "") {
  const { label, variants } = control;
  const choose = make("select", { "aria-label": `Kind of ${label}`, onchange: () => pick(variants[choose.selectedIndex]) }, ...variants.map((one) => make("option", {}, one.title)));
  const help = make("p", { class: "help" });
  const inner = make("div", { class: "inner" });
  let shown = null;

  function pick(variant) {
    const start = several(control) ? { kind: variant.kind } : {};
    choose.selectedIndex = variants.indexOf(variant);
    if (adding || variant.required?.length) draft(variant, start);
    else set(start, []);
  }

  function draft(variant, value) {
    const ready = () => (variant.required ?? []).every((name) => ![null, undefined, ""].includes(value[name]));
    const use = make("button", { type: "button", class: "primary", onclick: () => set(value, []) }, adding || `Use this ${label.toLowerCase()}`);
    use.disabled = !ready();
    build(variant, (next, [name]) => {
      value[name] = next;
      use.disabled = !ready();
    }, true);
    for (const [one, made] of shown.rows) made.show(one.default ?? null);
    inner.append(use);
  }

  function build(variant, change, drafted) {
    help.textContent = several(control) ? variant.help ?? "" : "";
    const rows = variant.controls.filter((one) => key(one) !== "kind")
      .map((one) => [one, row(one, (next, inside = []) => change(next, [key(one), ...inside]))]);
    fill(inner, ...rows.map(([, made]) => made.element));
    shown = { kind: variant.kind, rows, drafted };
  }

  function show(value) {
    const variant = variants.find((one) => one.kind === value?.kind) ?? variants[0];
    // A draft stays while its author types, whatever else changes meanwhile.
    if (shown?.drafted && inner.contains(document.activeElement)) return;
    choose.selectedIndex = variants.indexOf(variant);
    if (shown?.kind !== variant.kind || shown.drafted) build(variant, set, false);
    for (const [one, made] of shown.rows) made.show(value?.[key(one)]);
  }

  const element = make("div", { class: "union" }, several(control) ? choose : null, help, inner);
  return { element, field: choose, show, begin: () => pick(variants[0]) };
}

/** A row of entries, a card each, and a button that begins another. */
export function entries(control, set) {
  const { label, path } = control;
  // Entries of one kind are a union of that one.
  const shape = { variants: control.variants ?? [{ kind: "", title: label, controls: control.entry, required: control.required }], path };
  const one = (label.endsWith("s") ? label.slice(0, -1) : label).toLowerCase();
  const rows = make("ul", { class: "entries" });
  const field = make("button", { type: "button", class: "outlined", onclick: () => begin() }, `Add ${/^[aeiou]/.test(one) ? "an" : "a"} ${one}`);
  let values = [];
  let cards = [];

  function card(index) {
    const made = union({ ...shape, label: `${one} ${index + 1}` }, (next, inside) => set(next, [index, ...inside]));
    const remove = button("trash", `Remove ${one} ${index + 1}`, () => set(values.toSpliced(index, 1), []), { kind: "bare" });
    return { ...made, element: make("li", { class: "card" }, made.element, remove) };
  }

  function begin() {
    const leave = () => { element.remove(); field.hidden = false; };
    const done = async (next) => {
      if (await set([...values, next], [])) leave();
    };
    const made = union({ ...shape, label: one }, done, `Add this ${one}`);
    const element = make("li", { class: "card draft" }, made.element, button("close", "Do not add it", () => { leave(); field.focus(); }, { kind: "bare" }));
    made.begin();
    rows.append(element);
    field.hidden = true;
    element.querySelector("select, input")?.focus();
  }

  function show(now) {
    values = now ?? [];
    if (cards.length !== values.length) {
      for (const made of cards) made.element.remove();
      cards = values.map((_, index) => card(index));
      rows.prepend(...cards.map((made) => made.element));
    }
    values.forEach((value, index) => cards[index].show(value));
  }

  return { element: make("div", { class: "many" }, rows, field), field, show };
}

function key(control) {
  return control.path.at(-1);
}
