// A small chart of the last minute: lines as SVG, coloured by the page's style.

import { draw, make } from "./element.js";

const WIDE = 240;
const TALL = 48;

export class Chart {
  /** lines: names of the lines, the first is the main one; least: the scale's end is never lower. */
  constructor(title, unit, lines, { least = 1, count = 120, bars = false } = {}) {
    Object.assign(this, { title, unit, least, count, bars });
    this.rows = lines.map(() => []);
    this.value = make("b", {});
    this.note = make("small", {});
    this.paths = lines.map((name) => draw("path", { class: `line ${name}` }));
    this.picture = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...this.paths.toReversed());
    this.element = make("div", { class: "chart" }, make("div", { class: "head" }, make("h3", {}, title), this.note), make("p", { class: "value" }, this.value, ` ${unit}`), this.picture);
  }

  /** Add one value of each line (null: none); text: what is shown large; note: what is shown small. */
  add(values, text, note = "") {
    values.forEach((value, number) => {
      this.rows[number].push(value);
      if (this.rows[number].length > this.count) this.rows[number].shift();
    });
    const top = Math.max(this.least, ...this.rows.flat().filter((value) => value !== null)) * 1.08;
    this.rows.forEach((row, number) => this.paths[number].setAttribute("d", this.bars ? this.barred(row, top) : this.lined(row, top)));
    if (this.value.textContent !== text) this.value.textContent = text;
    if (this.note.textContent !== note) this.note.textContent = note;
  }

  at(index, length) {
    return (WIDE * (this.count - length + index)) / (this.count - 1);
  }

  lined(row, top) {
    let path = "";
    let gap = true;
    row.forEach((value, index) => {
      if (value === null) {
        gap = true;
        return;
      }
      path += `${gap ? "M" : "L"}${this.at(index, row.length).toFixed(1)} ${(TALL - (TALL * value) / top).toFixed(1)}`;
      gap = false;
    });
    return path;
  }

  barred(row, top) {
    return row.map((value, index) => (value ? `M${this.at(index, row.length).toFixed(1)} ${TALL}v${(-(TALL * value) / top).toFixed(1)}` : "")).join("");
  }
}
