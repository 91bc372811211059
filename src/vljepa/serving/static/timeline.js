// The timeline under a player: the curve of change, the segments of the present cut, and where the video is.

import { clock, draw, hue, make } from "./make.js";

export class Timeline {
  /** `seek` is told the second that somebody chose. */
  constructor(tree, seek) {
    this.tree = tree;
    this.seek = seek;
    this.segments = [];
    this.told = new Map();
    this.curve = make("div", { class: "curve" });
    this.band = make("div", { class: "band", role: "group", "aria-label": "Segments" });
    this.head = make("div", { class: "head", role: "slider", tabindex: 0, "aria-label": "Position in the video", "aria-valuemin": 0, "aria-valuemax": Math.round(tree.end), keydown: (event) => this.moved(event) });
    this.lane = make("div", { class: "lane", pointerdown: (event) => this.grabbed(event) }, this.curve, this.band, this.head);
    this.element = make("div", { class: "timeline" },
      make("p", { class: "row" }, "How fast the meaning changes, and what it is cut into"), this.lane, this.ticks());
  }

  place(second) {
    return (100 * (second - this.tree.start)) / this.tree.seconds;
  }

  ticks() {
    const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => this.tree.start + share * this.tree.seconds);
    return make("div", { class: "ticks", "aria-hidden": "true" }, marks.map((second) => make("span", { style: { left: `${this.place(second)}%` } }, clock(second))));
  }

  /** Show another cut. */
  show(segments) {
    this.segments = segments;
    this.drawCurve();
    this.band.replaceChildren(...segments.map((segment, number) => make("button", {
      type: "button",
      class: "segment",
      "data-key": segment.key,
      style: { left: `${this.place(segment.start)}%`, width: `${this.place(segment.end) - this.place(segment.start)}%`, "--hue": hue(segment.first) },
      click: () => this.seek(segment.start),
    }, make("span", { class: "hide" }, `${clock(segment.start, true)} to ${clock(segment.end, true)}: `), make("span", { class: "words" }))));
    for (const [key, words] of this.told) this.write(key, words);
  }

  drawCurve() {
    const { change, edges } = this.tree;
    const top = Math.max(...change, 1e-6);
    const points = change.map((value, window) => `${this.place((edges[window] + edges[window + 1]) / 2).toFixed(2)},${(100 - (90 * value) / top).toFixed(2)}`);
    const line = [`0,${points[0].split(",")[1]}`, ...points, `100,${points.at(-1).split(",")[1]}`].join(" ");
    const cuts = this.segments.slice(1).map((segment) => draw("line", { class: "cut", x1: this.place(segment.start), x2: this.place(segment.start), y1: 0, y2: 100 }));
    const picture = draw("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `Change of meaning over time, cut into ${this.segments.length} segments` },
      draw("polygon", { class: "area", points: `0,100 ${line} 100,100` }), ...cuts, draw("polyline", { class: "edge", points: line }));
    this.curve.replaceChildren(picture);
  }

  /** The words of a segment are known. */
  write(key, { caption, unsure }) {
    this.told.set(key, { caption, unsure });
    const segment = this.band.querySelector(`[data-key="${key}"]`);
    if (!segment) return;
    segment.classList.toggle("unsure", unsure);
    segment.classList.add("told");
    segment.title = caption;
    segment.querySelector(".words").textContent = caption;
  }

  /** The video is at a second, which lies in the segment of that number. */
  at(second, number) {
    this.head.style.left = `${Math.min(Math.max(this.place(second), 0), 100)}%`;
    this.head.setAttribute("aria-valuenow", Math.round(second));
    this.head.setAttribute("aria-valuetext", clock(second));
    [...this.band.children].forEach((segment, place) => segment.classList.toggle("on", place === number));
  }

  moved(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };
    const now = Number(this.head.getAttribute("aria-valuenow") ?? 0);
    const to = event.key === "Home" ? this.tree.start : event.key === "End" ? this.tree.end : now + (steps[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.seek(Math.min(Math.max(to, this.tree.start), this.tree.end));
  }

  grabbed(event) {
    if (event.target.closest(".segment") && event.pointerType !== "mouse") return;
    const to = (move) => {
      const box = this.lane.getBoundingClientRect();
      const share = Math.min(Math.max((move.clientX - box.left) / box.width, 0), 1);
      this.seek(this.tree.start + share * this.tree.seconds);
    };
    if (event.target.closest(".segment")) return;
    event.preventDefault();
    to(event);
    this.lane.setPointerCapture(event.pointerId);
    this.lane.onpointermove = to;
    this.lane.onpointerup = this.lane.onpointercancel = () => (this.lane.onpointermove = null);
  }
}
