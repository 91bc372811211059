// Small helpers to make elements and to write what people read.

/** An element: attributes by name, functions as listeners, `style` as properties, children as text or elements. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** 1:07.5 with `fine`, else 1:07. */
export function clock(seconds, fine = false) {
  const whole = fine ? Math.round(seconds * 10) / 10 : Math.floor(seconds + 0.001);
  const rest = fine ? (whole % 60).toFixed(1).padStart(4, "0") : String(Math.floor(whole % 60)).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

export const percent = (share) => `${Math.round(share * 100)} %`;

export const fileName = (path) => path.split(/[\\/]/).pop();

/** Colours of neighbours lie far apart. */
export const hue = (number) => String(Math.round((175 + number * 137.5) % 360));

/** Bars with names and percentages, the first one the best; a table for those who listen. */
export function bars(scores, label) {
  return make("div", { class: "bars", role: "list", "aria-label": label }, scores.map((score, place) =>
    make("div", { class: `bar-row${place === 0 && !score.rest ? " best" : ""}${score.rest ? " rest" : ""}`, role: "listitem" },
      make("span", { class: "name", title: score.label }, score.label),
      make("span", { class: "bar", "aria-hidden": "true" }, make("i", { style: { width: `${Math.max(100 * score.probability, 0.5)}%` } })),
      make("span", { class: "num" }, percent(score.probability)),
    )));
}

let hiding = 0;

/** A sentence about what went wrong, said aloud and shown for a while. */
export function tell(error) {
  const notice = document.getElementById("notice");
  notice.textContent = error?.message ?? String(error);
  notice.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (notice.hidden = true), 9000);
}
