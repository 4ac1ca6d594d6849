// Enrolling a face: photos by drop, file or webcam, a verdict on each, a name, and that the person agreed.

import { ask, at } from "./api.js";
import { button, fill, icon, make } from "./element.js";
import { agree, show } from "./dialog.js";
import { inform, wrong } from "./messages.js";
import { state } from "./store.js";
import { refresh } from "./connection.js";
import { Webcam } from "./webcam.js";

const TYPES = ["image/jpeg", "image/png", "image/webp"];
const LARGEST = 20e6;

/** Open the dialog; files: photos to begin with. */
export async function enrol(files = []) {
  let begun;
  try {
    begun = await ask("POST", "/api/enrolments");
  } catch (problem) {
    wrong(problem.message);
    return;
  }
  new Enrolment(begun.id, begun.statement).open(files);
}

class Enrolment {
  constructor(id, statement) {
    Object.assign(this, { id, statement, good: 0, busy: 0, done: false, queue: Promise.resolve() });
  }

  open(files) {
    this.list = make("ul", { class: "photos", "aria-label": "Photos", "aria-live": "polite" });
    this.name = make("input", { type: "text", id: "enrol-name", maxlength: 60, autocomplete: "off", spellcheck: "false", placeholder: "for example anna", oninput: () => this.ready() });
    this.consent = make("input", { type: "checkbox", id: "enrol-consent", onchange: () => this.ready() });
    this.finish = make("button", { class: "primary", disabled: true }, "Enrol this face");
    this.hint = make("p", { class: "note", id: "enrol-hint", role: "status" });
    this.finish.setAttribute("aria-describedby", "enrol-hint");
    this.webcam = new Webcam((photo) => this.add([photo]));
    const form = make("form", { class: "enrolment", onsubmit: (event) => { event.preventDefault(); this.send(); } },
      this.dropZone(), this.webcam.element, this.list,
      make("div", { class: "field" }, make("label", { for: "enrol-name" }, "Name"), this.name),
      make("label", { class: "consent", for: "enrol-consent" }, this.consent, make("span", {}, this.statement)),
      make("footer", {}, this.hint, this.finish));
    this.dialog = show("Add a face", "wide", form);
    this.dialog.addEventListener("close", () => this.closed());
    this.ready();
    this.add(files);
  }

  dropZone() {
    const chooser = make("input", { type: "file", accept: TYPES.join(","), multiple: true, hidden: true, onchange: () => { this.add([...chooser.files]); chooser.value = ""; } });
    const zone = make("div", { class: "zone" }, icon("upload"),
      make("p", {}, make("b", {}, "Drop 1 to 6 photos of one person here"), make("small", {}, "From the front and a little from each side, in even light, without sunglasses. They stay on this computer.")),
      make("div", { class: "choices" }, button("upload", "Choose photos", () => chooser.click(), { text: "Choose photos", kind: "outlined" }),
        button("camera", "Use the webcam", () => this.webcam.open(), { text: "Use the webcam", kind: "outlined" })), chooser);
    const over = (inside) => (event) => { event.preventDefault(); zone.classList.toggle("over", inside); };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => { over(false)(event); event.stopPropagation(); this.add([...event.dataTransfer.files]); });
    return zone;
  }

  add(files) {
    for (const file of files) {
      const item = make("li", { class: "photo", "data-verdict": "wait" }, make("span", { class: "thumb" }), make("p", {}, "Looking at it…"));
      this.list.append(item);
      // One after another: the machine looks for faces with the loop's processor.
      this.busy += 1;
      this.queue = this.queue.then(() => this.upload(file, item)).finally(() => { this.busy -= 1; this.ready(); });
    }
    this.ready();
  }

  async upload(file, item) {
    if (this.done) return;
    try {
      if (!TYPES.includes(file.type)) throw new Error(`${file.name || "This"} is no JPEG, PNG or WebP photo.`);
      if (file.size > LARGEST) throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; expected up to 20.`);
      const { number, good, sentence, thumbnail } = await ask("POST", at`/api/enrolments/${this.id}/photos`, file);
      if (good) this.good += 1;
      item.dataset.verdict = good ? "good" : "bad";
      fill(item, make("img", { class: "thumb", src: thumbnail, alt: "" }), make("p", {}, icon(good ? "check" : "warn"), sentence),
        button("close", "Take this photo away", () => this.take(item, number, good), { kind: "bare" }));
    } catch (problem) {
      item.dataset.verdict = "bad";
      fill(item, make("span", { class: "thumb" }, icon("warn")), make("p", {}, problem.message), button("close", "Take this photo away", () => item.remove(), { kind: "bare" }));
    }
  }

  async take(item, number, good) {
    item.remove();
    if (good) this.good -= 1;
    this.ready();
    await ask("DELETE", at`/api/enrolments/${this.id}/photos/${number}`).catch((problem) => wrong(problem.message));
  }

  ready() {
    const wanting = this.busy ? "Photos are being looked at."
      : !this.good ? "At least one good photo is needed."
        : !this.name.value.trim() ? "The face needs a name."
          : !this.consent.checked ? "The person has to have agreed."
            : "";
    this.hint.textContent = wanting;
    this.finish.disabled = Boolean(wanting) || this.sending;
  }

  async send() {
    const name = this.name.value.trim();
    const overwrite = state.sources.some((one) => one.enrolled && one.name === name);
    if (overwrite && !(await agree(`Replace ${name}?`, "A face of that name is enrolled already; these photos would take its place.", "Replace"))) return;
    this.sending = true;
    this.ready();
    this.hint.textContent = "The face is being made from the photos…";
    try {
      await ask("POST", at`/api/enrolments/${this.id}`, { name, consent: this.consent.checked, overwrite });
      this.done = true;
      this.dialog.close();
      inform(`${name} can be worn now.`);
      await refresh().catch(() => {});
    } catch (problem) {
      this.sending = false;
      this.ready();
      this.hint.textContent = problem.message;
    }
  }

  closed() {
    this.webcam.close();
    if (!this.done) ask("DELETE", at`/api/enrolments/${this.id}`).catch(() => {});
    this.done = true;
  }
}
