// Streams as they run: the picture, the curve of the last minute, what is said and what fires, and what that costs.

import { get, post, remove } from "./api.js";
import { clock, draw, hue, make, tell } from "./make.js";

const SHOWN_SECONDS = 60;
const KEPT_LINES = 100;

export async function live() {
  const { streams, sources } = await get("/v1/streams");
  const stage = make("div", { class: "stage" });
  const state = { following: null };
  const follow = (stream) => {
    state.following?.leave();
    state.following = new Following(stream, () => {
      state.following = null;
      stage.replaceChildren(...start(sources, follow));
    });
    stage.replaceChildren(state.following.element);
  };
  const running = streams.find((stream) => stream.state === "running");
  if (running) follow(running);
  else stage.replaceChildren(...start(sources, follow));
  return { element: make("div", { class: "page" }, make("h1", {}, "Watch as it happens."), stage), title: "Live", leave: () => state.following?.leave() };
}

function start(sources, follow) {
  const source = make("input", { id: "source", type: "text", required: true, list: "sources", placeholder: sources[0] ?? "path/of/a/video.mp4", autocomplete: "off", value: sources[0] ?? "" });
  const triggers = make("input", { id: "triggers", type: "text", placeholder: "a person falls, a red ball", autocomplete: "off" });
  const rate = make("select", { id: "often" }, make("option", { value: "0.1" }, "at most 6 times a minute"), make("option", { value: "0.2", selected: true }, "at most 12 times a minute"), make("option", { value: "0.5" }, "at most 30 times a minute"));
  const button = make("button", { class: "button", type: "submit" }, "Watch");
  const form = make("form", { class: "panel start", submit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const asked = { source: source.value.trim(), rate: Number(rate.value), triggers: triggers.value.split(",").map((text) => text.trim()).filter(Boolean) };
      follow(await post("/v1/streams", asked));
    } catch (error) {
      tell(error);
    } finally {
      button.disabled = false;
    }
  } },
    make("label", { for: "source" }, "Camera, stream or file"), source,
    make("datalist", { id: "sources" }, sources.map((name) => make("option", { value: name }))),
    make("label", { for: "triggers" }, "Tell me when you see"), triggers,
    make("label", { for: "often" }, "It may speak"), rate, button);
  const help = sources.length ? null : make("p", { class: "soft" }, "Cameras and streams are named when the service is started: ", make("code", {}, "vljepa serve --source door=rtsp://camera.local/stream"));
  return [form, help].filter(Boolean);
}

class Following {
  constructor(stream, over) {
    Object.assign(this, { stream, over, points: [], told: 0, left: false });
    this.image = make("img", { class: "shown", alt: `Picture of ${stream.source}` });
    this.now = make("p", { class: "now", "aria-live": "polite" });
    this.curve = make("div", { class: "curve" });
    this.lines = make("ol", { class: "lines", "aria-live": "polite", "aria-label": "Events" });
    this.state = make("span", { class: "state", role: "status" }, "running");
    this.spent = make("b", {}, "0");
    this.even = make("b", {}, "0");
    this.all = make("b", {}, "0");
    this.stop = make("button", { class: "button quiet", type: "button", click: () => this.end() }, "Stop");
    const tile = (number, words) => make("div", {}, number, make("span", {}, words));
    this.element = make("div", { class: "watch" },
      make("div", { class: "stage" },
        make("div", { class: "frame" }, this.image, this.now),
        make("div", { class: "panel under" },
          make("p", { class: "row" }, "How fast the meaning changes, the last minute"), this.curve,
          make("div", { class: "tiles", role: "group", "aria-label": "Decodes" }, tile(this.spent, "decoded"), tile(this.even, "by now, at one a second"), tile(this.all, "to decode every window")))),
      make("div", { class: "side" }, make("section", { class: "panel", "aria-labelledby": "live-title" },
        make("div", { class: "live-head" }, make("h2", { id: "live-title" }, stream.source), this.state, this.stop), this.lines)));
    this.events = new EventSource(`/v1/streams/${stream.id}/events`);
    const heard = { window: this.window, segment: this.segment, trigger: this.trigger, summary: this.summary, state: this.finished };
    for (const [kind, listener] of Object.entries(heard)) this.events.addEventListener(kind, (event) => listener.call(this, JSON.parse(event.data)));
    this.events.onerror = () => this.events.readyState === EventSource.CLOSED && (this.state.textContent = "the connection broke off");
    this.picture();
  }

  leave() {
    this.left = true;
    this.events.close();
  }

  async end() {
    this.stop.disabled = true;
    try {
      await remove(`/v1/streams/${this.stream.id}`);
    } catch (error) {
      tell(error);
    }
    this.leave();
    this.over();
  }

  /** The next picture is asked for when the last one is there. */
  picture() {
    if (this.left) return;
    const again = (milliseconds) => setTimeout(() => this.picture(), milliseconds);
    this.image.onload = () => !this.ended && again(250);
    this.image.onerror = () => !this.ended && again(1000);
    this.image.src = `/v1/streams/${this.stream.id}/picture?${Date.now()}`;
  }

  window({ end, change, windows, decodes }) {
    this.points.push([end, change]);
    while (this.points[0][0] < end - SHOWN_SECONDS) this.points.shift();
    this.spent.textContent = String(decodes);
    this.even.textContent = String(Math.floor(end));
    this.all.textContent = String(windows);
    const top = Math.max(...this.points.map(([, value]) => value), 0.05);
    const line = this.points.map(([second, value]) => `${(100 - (100 * (end - second)) / SHOWN_SECONDS).toFixed(2)},${(100 - (90 * value) / top).toFixed(2)}`).join(" ");
    const first = line.split(",")[0];
    this.curve.replaceChildren(draw("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": "Change of meaning over the last minute" },
      draw("polygon", { class: "area", points: `${first},100 ${line} 100,100` }), draw("polyline", { class: "edge", points: line })));
  }

  segment({ start, end, caption, unsure }) {
    this.now.textContent = caption ?? "";
    this.now.classList.toggle("unsure", unsure);
    this.line("segment", `${clock(start, true)}–${clock(end, true)}`, caption ?? "no words", unsure);
  }

  trigger({ text, end }) {
    this.line("fired", clock(end, true), `seen: ${text}`);
  }

  summary({ decodes, windows }) {
    this.spent.textContent = String(decodes);
    this.all.textContent = String(windows);
  }

  /** The stream is over; the browser would open it again. */
  finished({ state, error }) {
    this.ended = true;
    this.events.close();
    this.state.textContent = state;
    this.stop.textContent = "Close";
    if (error) tell(error);
  }

  line(kind, when, words, unsure = false) {
    this.lines.prepend(make("li", { class: `${kind}${unsure ? " unsure" : ""}`, style: { "--hue": hue(this.told++) } }, make("span", { class: "when" }, when), make("span", { class: "words" }, words)));
    while (this.lines.children.length > KEPT_LINES) this.lines.lastChild.remove();
  }
}
