// Dialogs: the browser's own, which keep the focus inside and close with Escape.

import { button, make } from "./element.js";

/** Open a dialog with a title and these children; it is gone when it closes.  Gives the dialog. */
export function show(title, kind, ...children) {
  const named = `title-${Math.random().toString(36).slice(2)}`;
  const made = make("dialog", { class: kind, "aria-labelledby": named });
  const head = make("header", {}, make("h2", { id: named }, title), button("close", "Close", () => made.close(), { kind: "bare" }));
  made.append(head, ...children.filter(Boolean));
  document.body.append(made);
  made.addEventListener("close", () => made.remove());
  made.showModal();
  return made;
}

/** Ask whether something that cannot be undone is meant; a promise of true or false. */
export function agree(title, text, yes) {
  return new Promise((resolve) => {
    let said = false;
    const sure = make("button", { type: "button", class: "danger", onclick: () => { said = true; made.close(); } }, yes);
    const not = make("button", { type: "button", class: "outlined", onclick: () => made.close() }, "Cancel");
    const made = show(title, "small", make("p", {}, text), make("footer", {}, not, sure));
    made.addEventListener("close", () => resolve(said));
    not.focus();
  });
}

/** Ask for a name; a promise of the name, or null. */
export function named(title, label, yes, value = "") {
  return new Promise((resolve) => {
    let said = null;
    const field = make("input", { type: "text", id: "dialog-name", required: true, maxlength: 60, autocomplete: "off", value });
    const form = make("form", {
      onsubmit: (event) => {
        event.preventDefault();
        said = field.value.trim();
        if (said) made.close();
      },
    }, make("label", { for: "dialog-name" }, label), field,
    make("footer", {}, make("button", { type: "button", class: "outlined", onclick: () => made.close() }, "Cancel"), make("button", { class: "primary" }, yes)));
    const made = show(title, "small", form);
    made.addEventListener("close", () => resolve(said || null));
    field.focus();
  });
}
