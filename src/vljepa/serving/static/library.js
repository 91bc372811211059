// The library: what there is, and the moments that fit a text, an example, or both.

import { get, post, upload } from "./api.js";
import { clock, fileName, make, percent, tell } from "./make.js";

const play = (media, second) => `#/play/${media}${second === undefined ? "" : `?t=${second.toFixed(2)}`}`;

export async function library({ query }) {
  const [{ media }, service] = await Promise.all([get("/v1/media"), get("/v1/service")]);
  if (!service.library) return { element: withoutLibrary(), title: "Library" };
  const results = make("div", { class: "results", "aria-live": "polite" });
  const page = make("div", { class: "page" },
    make("h1", {}, "Find the moment."),
    searchForm(query, results, () => results.replaceChildren(grid(media))),
    results,
  );
  results.replaceChildren(grid(media));
  const shown = () => query.get("q") && page.querySelector("form").requestSubmit();
  return { element: page, title: "Library", shown };
}

function withoutLibrary() {
  return make("div", { class: "page narrow" },
    make("h1", {}, "There is no library here yet."),
    make("p", { class: "lead" }, "Index a folder of videos and pictures, then start the service with it:"),
    make("pre", {}, "vljepa index VIDEOS --into library\nvljepa serve --library library"),
    make("p", { class: "lead" }, "Without one you can still ask about any file."),
    make("p", {}, make("a", { class: "button", href: "#/open" }, "Open a file")),
  );
}

function searchForm(query, results, clear) {
  const text = make("input", { type: "search", id: "text", name: "text", placeholder: "a red ball bounces", autocomplete: "off", value: query.get("q") ?? "" });
  const question = make("input", { type: "text", id: "question", placeholder: "what colour is the ball?", autocomplete: "off" });
  const where = make("input", { type: "text", id: "where", placeholder: "part of the path", autocomplete: "off" });
  const example = make("input", { type: "file", id: "like", accept: "image/*,video/*" });
  const button = make("button", { class: "button", type: "submit" }, "Search");
  const form = make("form", { class: "search", role: "search", submit: async (event) => {
    event.preventDefault();
    const file = example.files[0];
    if (!text.value.trim() && !file) return clear();
    history.replaceState(null, "", text.value.trim() ? `#/?q=${encodeURIComponent(text.value.trim())}` : "#/");
    button.disabled = true;
    results.setAttribute("aria-busy", "true");
    try {
      const like = file ? { type: "media", media: (await upload(file, () => {})).id } : null;
      const asked = { text: text.value.trim() || null, like, question: question.value.trim() || null, path: where.value.trim() || null, top: 24 };
      results.replaceChildren(...found(await post("/v1/search", asked), asked));
    } catch (error) {
      tell(error);
    } finally {
      button.disabled = false;
      results.removeAttribute("aria-busy");
    }
  } },
    make("div", { class: "search-line" }, make("label", { class: "hide", for: "text" }, "What are you looking for?"), text, button),
    make("details", {},
      make("summary", {}, "By example, by question, in a folder"),
      make("div", { class: "fields" },
        make("label", {}, "Looks like this picture or clip", example),
        make("label", {}, "Rank the best hits by their answer to", question),
        make("label", {}, "Only files whose path holds", where),
      ),
    ),
  );
  text.addEventListener("input", () => !text.value && !example.files[0] && (history.replaceState(null, "", "#/"), clear()));
  return form;
}

function grid(media) {
  if (!media.length) return make("p", { class: "empty" }, "The library is empty: index a folder into it.");
  const cards = media.map((medium) => {
    const name = fileName(medium.path);
    const image = make("img", { alt: "", loading: "lazy" });
    const link = make("a", { class: "card", href: play(medium.id) },
      make("span", { class: "still" }, image, medium.kind === "video" && make("span", { class: "length" }, clock(medium.seconds))),
      make("span", { class: "what" }, name),
      make("span", { class: "when" }, medium.kind === "video" ? `${medium.num_segments} ${medium.num_segments === 1 ? "moment" : "moments"}` : "picture"),
    );
    whenSeen(link, async () => {
      const { segments } = await get(`/v1/media/${medium.id}/segments`);
      const first = segments.find((segment) => segment.has_thumbnail);
      if (first) image.src = `/v1/segments/${first.id}/thumbnail`;
    });
    return make("li", {}, link);
  });
  return make("ul", { class: "grid", "aria-label": `${media.length} media` }, cards);
}

/** Thumbnails of thousands of media are only asked for when they come into view. */
function whenSeen(element, then) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    then().catch(() => {});
  }, { rootMargin: "300px" });
  observer.observe(element);
}

function found({ hits, no_match }, asked) {
  const sure = hits.length && hits[0].score >= no_match;
  const best = asked.text ? `“${asked.text}”` : "the example";
  const sentence = sure
    ? `${hits.length} moments for ${best}, best first. Probability that nothing here shows it: ${percent(no_match)}.`
    : `Probably nothing here shows ${best} (${percent(no_match)}). What comes nearest:`;
  const cards = hits.map((hit) => make("li", {},
    make("a", { class: "card", href: play(hit.media, hit.start) },
      make("span", { class: "still" },
        make("img", { src: `/v1/segments/${hit.id}/thumbnail`, alt: "", loading: "lazy" }),
        hit.end > hit.start && make("span", { class: "length" }, `${clock(hit.start)}–${clock(hit.end)}`),
        make("span", { class: "play", "aria-hidden": "true" }),
      ),
      make("span", { class: "what" }, hit.caption ?? fileName(hit.path)),
      make("span", { class: "when" }, `${fileName(hit.path)} · ${percent(hit.score)}`),
      make("span", { class: "meter", "aria-hidden": "true" }, make("i", { style: { width: `${100 * hit.score}%` } })),
    )));
  return [
    make("p", { class: sure ? "verdict" : "verdict unsure", role: "status" }, sentence),
    make("ul", { class: "grid hits", "aria-label": "Moments found" }, cards),
  ];
}
