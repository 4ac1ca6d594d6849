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
      return true;
    } catch (problem) {
      Object.assign(fault, { textContent: problem.message, hidden: false });
      made.show(value);
      return false;
    }
  };
  const compound = { list, map, union, entries }[control.kind];
  const made = compound ? compound(control, change) : plain(control, change) ?? plain({ ...control, kind: "text" }, change);
  made.field.id ||= `setting-${control.path.join("-")}-${(serial += 1)}`;
  const reset = button("reset", `${control.label}: back to ${spoken(control.default)}`, () => change(control.default), { kind: "bare reset", hidden: true });
  // What holds several fields has a name of its own; each field has another.
  const whole = WHOLE.includes(control.kind);
  const help = control.help ? make("p", { class: "help", id: `${made.field.id}-help` }, control.help) : null;
  if (help && !whole) made.field.setAttribute("aria-describedby", help.id);
  const named = whole ? make("span", { id: `${made.field.id}-name` }, control.label) : make("label", { for: made.field.id }, control.label);
  const name = make("span", { class: "label" }, named, control.restart ? make("em", { title: "Counts from the next start; the loop is started again for it" }, "restarts") : null, reset);
  const element = make("div", { class: "row", "data-kind": control.kind, "data-wide": whole, role: whole ? "group" : null, "aria-labelledby": whole ? named.id : null }, name, made.element, help, fault);
  const show = (now) => {
    value = now;
    // What has to be given has no default to go back to.
    const free = control.optional || (control.default !== null && control.default !== undefined);
    const changed = free && JSON.stringify(now) !== JSON.stringify(control.default);
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
