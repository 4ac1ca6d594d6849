// What went wrong or well, said once: a card that goes by itself, read aloud by a screen reader.

import { button, make } from "./element.js";

const SHOWN = 4;

/** Something that the user can do something about; stays until it is closed or pushed away by others. */
export function wrong(sentence) {
  card("wrong", sentence, 14000);
}

/** Something that went well or may be of interest. */
export function inform(sentence) {
  card("well", sentence, 5000);
}

/** Run a request and show its problem; gives what it gave, or undefined where it failed. */
export async function attempt(work) {
  try {
    return await work();
  } catch (problem) {
    wrong(problem.message);
    return undefined;
  }
}

function card(kind, sentence, time) {
  const list = document.getElementById("toasts");
  const same = [...list.children].find((other) => other.dataset.sentence === sentence);
  same?.remove();
  const made = make("div", { class: `toast ${kind}`, "data-sentence": sentence }, make("p", {}, sentence));
  made.append(button("close", "Close message", () => made.remove(), { kind: "bare" }));
  list.append(made);
  while (list.children.length > SHOWN) list.firstElementChild.remove();
  // Whoever points at a message is reading it.
  const leave = () => (made.matches(":hover, :focus-within") ? setTimeout(leave, 1500) : made.remove());
  setTimeout(leave, time);
}
