// One medium: the video with its timeline, what is said of it while it plays, what that costs, and questions.

import { get, post } from "./api.js";
import { askBox } from "./ask.js";
import { clock, fileName, hue, make, tell } from "./make.js";
import { Timeline } from "./timeline.js";
import { Tree } from "./tree.js";

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function player({ key, query }) {
  const { kind, name } = await about(key, query);
  const source = `/v1/media/${encodeURIComponent(key)}/content`;
  if (kind === "image") return { element: picture(key, name, source), title: name };
  const view = new Player(key, name, source, Number(query.get("t") ?? 0));
  return { element: view.element, title: name, leave: () => view.leave(), shown: () => view.load().catch(tell) };
}

async function about(key, query) {
  if (key.startsWith("upload-")) return { kind: query.get("kind") ?? "video", name: query.get("name") ?? "Your file" };
  const { media } = await get("/v1/media");
  const medium = media.find((one) => String(one.id) === key);
  if (!medium) throw new Error("There is no such medium in the library (any more).");
  return { kind: medium.kind, name: fileName(medium.path) };
}

function picture(key, name, source) {
  const words = make("p", { class: "said", "aria-live": "polite" }, "…");
  post("/v1/caption", { medium: { type: "media", media: key } }).then(({ caption, unsure }) => {
    words.textContent = caption;
    words.classList.toggle("unsure", unsure);
  }).catch(tell);
  return make("div", { class: "page" }, make("h1", { class: "small" }, name), make("div", { class: "watch" },
    make("div", { class: "stage" }, make("img", { class: "shown", src: source, alt: `Picture: ${name}` }), make("div", { class: "panel" }, make("h2", {}, "What the model says"), words)),
    make("div", { class: "side" }, askBox(key, () => null))));
}

class Player {
  constructor(key, name, source, second) {
    Object.assign(this, { key, name, second, left: false, decoded: new Map(), wanted: new Set(), segments: [] });
    this.video = make("video", { src: source, controls: true, playsinline: true, preload: "metadata", "aria-label": name,
      timeupdate: () => this.moved(this.video.currentTime), seeking: () => this.moved(this.video.currentTime), error: () => this.cannotPlay() });
    this.video.muted = true;
    this.now = make("p", { class: "now", "aria-live": "polite" });
    this.under = make("div", { class: "panel under" }, make("p", { class: "soft", role: "status" }, "Looking at the video …"));
    this.list = make("ol", { class: "segments" });
    this.side = make("div", { class: "side" });
    this.element = make("div", { class: "page" },
      make("h1", { class: "small" }, name),
      make("div", { class: "watch" },
        make("div", { class: "stage" }, make("div", { class: "frame" }, this.video, this.now), this.under),
        this.side));
  }

  leave() {
    this.left = true;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }

  cannotPlay() {
    if (this.left) return;
    this.video.replaceWith(make("p", { class: "empty cannot" }, "This browser cannot play the format of this file. Its timeline, captions and answers are there all the same."));
  }

  async load() {
    const timeline = await this.looked();
    if (!timeline) return;
    this.tree = new Tree(timeline);
    this.timeline = new Timeline(this.tree, (second) => this.seek(second));
    this.under.replaceChildren(this.timeline.element, this.costs(), this.slider());
    this.side.replaceChildren(
      askBox(this.key, () => this.segments[this.number] ?? { start: this.tree.start, end: this.tree.end }),
      make("section", { class: "panel", "aria-labelledby": "told-title" }, make("h2", { id: "told-title" }, "What was said"), this.list));
    this.recut();
    if (this.second) this.seek(this.second);
  }

  async looked() {
    for (;;) {
      const timeline = await get(`/v1/media/${encodeURIComponent(this.key)}/timeline`);
      if (this.left) return null;
      if (timeline.edges) return timeline;
      const at = timeline.progress?.seconds;
      this.under.replaceChildren(make("p", { class: "soft", role: "status" }, at ? `Looking at the video: ${clock(at)}` : "Looking at the video …"));
      await wait(400);
    }
  }

  slider() {
    const most = Math.min(this.tree.windows / this.tree.seconds, 2);
    const least = Math.min(1 / this.tree.seconds, most);
    // Even steps of the slider are even factors of the rate.
    this.rateAt = (share) => least * (most / least) ** (share / 100);
    const usual = Math.min(Math.max(100 * (Math.log(0.3 / least) / Math.log(most / least || 2)), 0), 100) || 0;
    this.rate = make("input", { id: "rate", type: "range", min: 0, max: 100, step: 1, value: Math.round(usual), input: () => this.recut(), "aria-describedby": "rate-told" });
    this.rateTold = make("output", { id: "rate-told", for: "rate" });
    return make("div", { class: "rate" }, make("label", { for: "rate" }, "How much is said"), this.rate, this.rateTold);
  }

  costs() {
    this.spent = make("b", {}, "0");
    this.planned = make("span", {});
    this.even = make("b", {}, "0");
    this.all = make("b", {}, String(this.tree.windows));
    const tile = (number, ...words) => make("div", {}, number, make("span", {}, ...words));
    return make("div", { class: "tiles", role: "group", "aria-label": "Decodes" },
      tile(this.spent, "decoded, of ", this.planned),
      tile(this.even, "by now, at one a second"),
      tile(this.all, "to decode every window"));
  }

  recut() {
    const rate = this.rateAt(Number(this.rate.value));
    this.segments = this.tree.cut(this.tree.count(rate));
    this.timeline.show(this.segments);
    this.planned.textContent = String(this.segments.length);
    this.rateTold.textContent = `${this.segments.length} ${this.segments.length === 1 ? "segment" : "segments"}, one in ${(this.tree.seconds / this.segments.length).toFixed(1)} s`;
    this.listed();
    this.moved(this.video.currentTime || this.second || this.tree.start);
  }

  /** The present cut as a list; words stand where they were decoded. */
  listed() {
    this.list.replaceChildren(...this.segments.map((segment) => make("li", { "data-key": segment.key, style: { "--hue": hue(segment.first) } },
      make("button", { type: "button", click: () => this.seek(segment.start) },
        make("span", { class: "when" }, `${clock(segment.start, true)}–${clock(segment.end, true)}`),
        make("span", { class: "words" }, "not decoded yet")))));
    for (const [key, told] of this.decoded) this.write(key, told);
    this.counted();
  }

  seek(second) {
    this.video.currentTime = second;
    this.moved(second);
  }

  moved(second) {
    if (!this.tree) return;
    this.second = second;
    this.number = this.tree.at(this.segments, second);
    this.timeline.at(second, this.number);
    for (const item of this.list.children) item.classList.toggle("on", item.dataset.key === this.segments[this.number].key);
    this.even.textContent = String(Math.max(Math.ceil(second - this.tree.start), 0));
    this.say(this.segments[this.number]);
  }

  /** Decode what is on, and say it; one question at a time for each segment. */
  async say(segment) {
    const known = this.decoded.get(segment.key);
    if (known) return this.saying(known);
    if (this.wanted.has(segment.key)) return;
    this.wanted.add(segment.key);
    try {
      const { captions: [told] } = await post(`/v1/media/${encodeURIComponent(this.key)}/captions`, { spans: [[segment.first, segment.last]] });
      if (this.left) return;
      this.decoded.set(segment.key, told);
      this.write(segment.key, this.decoded.get(segment.key));
      this.counted();
      if (this.segments[this.number]?.key === segment.key) this.saying(this.decoded.get(segment.key));
    } catch (error) {
      tell(error);
    } finally {
      this.wanted.delete(segment.key);
    }
  }

  saying({ caption, unsure }) {
    if (this.now.textContent === caption) return;
    this.now.textContent = caption;
    this.now.classList.toggle("unsure", unsure);
  }

  write(key, told) {
    this.timeline.write(key, told);
    const item = this.list.querySelector(`[data-key="${key}"]`);
    if (!item) return;
    item.classList.add("told");
    item.classList.toggle("unsure", told.unsure);
    item.querySelector(".words").textContent = told.caption;
  }

  counted() {
    this.spent.textContent = String(this.segments.filter((segment) => this.decoded.has(segment.key)).length);
  }
}
