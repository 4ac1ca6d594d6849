// Elements of the page: made in one expression, without markup in strings.

/** make("button", {class: "x", onclick: f, disabled: true}, "text", child, null) -> element; null and false children are left out. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    const said = /^(aria|data)-/.test(key);
    if (value === null || value === undefined || (value === false && !said)) continue;
    if (said) element.setAttribute(key, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "srcObject") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of icons.svg, which says nothing to a screen reader: what it stands on has a name of its own. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon; `name` is what it is called, shown beside the icon where `text` is given. */
export function button(picture, name, press, { text = "", kind = "quiet", ...attributes } = {}) {
  const label = text ? make("span", {}, text) : null;
  const named = text === name ? {} : { "aria-label": name };
  return make("button", { type: "button", class: kind, title: name, onclick: press, ...named, ...attributes }, icon(picture), label);
}

/** Give an element these children and no others. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element with attributes. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Into the page itself once: from a file each drawing asks for it again, and there are none while the machine is away.
async function drawings() {
  const text = await (await fetch("/static/icons.svg")).text();
  const file = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  for (const symbol of file.querySelectorAll("symbol")) symbol.id = `icon-${symbol.id}`;
  file.setAttribute("class", "drawings");
  file.setAttribute("aria-hidden", "true");
  document.body.prepend(file);
}

drawings().catch(() => {});
