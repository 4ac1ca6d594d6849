// One setting as a row: its name, its control, what it does, what was wrong, and the way back to its default.

import { button, make } from "./element.js";
import { plain } from "./control.js";
import { list, map } from "./several.js";
import { entries, union } from "./union.js";

const WHOLE = ["list", "map", "union", "entries"];

/** The row of a setting.  set(value, inside) may refuse with a Problem, which is shown in the row.  Gives {element, show(value), control}. */
export function row(control, set) {
  const fault = make("p", { class: "fault", role: "alert", hidden: true });
  let value;
  const change = async (next, inside = []) => {
    fault.hidden = true;
    try {
      await set(next, inside);
    } catch (problem) {
      Object.assign(fault, { textContent: problem.message, hidden: false });
      made.show(value);
    }
  };
  const compound = { list, map, union, entries }[control.kind];
  const made = compound ? compound(control, change) : plain(control, change) ?? plain({ ...control, kind: "text" }, change);
  made.field.id ||= `setting-${control.path.join("-")}-${(serial += 1)}`;
  const reset = button("reset", `${control.label}: back to ${spoken(control.default)}`, () => change(control.default), { kind: "bare reset", hidden: true });
  const help = control.help ? make("p", { class: "help", id: `${made.field.id}-help` }, control.help) : null;
  if (help) made.field.setAttribute("aria-describedby", help.id);
  const name = make("span", { class: "label" }, make("label", { for: made.field.id }, control.label), control.restart ? make("em", { title: "Counts from the next start; the loop is started again for it" }, "restarts") : null, reset);
  const element = make("div", { class: "row", "data-kind": control.kind, "data-wide": WHOLE.includes(control.kind) }, name, made.element, help, fault);
  const show = (now) => {
    value = now;
    const changed = "default" in control && JSON.stringify(now) !== JSON.stringify(control.default);
    element.dataset.changed = changed;
    reset.hidden = !changed;
    made.show(now);
  };
  return { element, show, control };
}

let serial = 0;

function spoken(value) {
  if (value === null || value === undefined) return "automatic";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "object" ? "the default" : String(value);
}
