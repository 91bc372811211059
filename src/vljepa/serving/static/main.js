// Which view is shown: the part of the address after the #.

import { get } from "./api.js";
import { make, tell } from "./make.js";
import { library } from "./library.js";
import { open } from "./open.js";
import { player } from "./player.js";
import { live } from "./live.js";

const main = document.getElementById("main");
let leave = () => {};
let drawn = 0;

async function show() {
  const turn = ++drawn;
  leave();
  leave = () => {};
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  const [, name = "", key = ""] = path.split("/");
  const views = { "": library, open, live, play: player };
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name}` || (name === "play" && link.getAttribute("href") === "#/");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren(make("p", { class: "empty", role: "status" }, "One moment …"));
  try {
    const view = await (views[name] ?? library)({ key: decodeURIComponent(key), query: new URLSearchParams(query) });
    if (turn !== drawn) return view.leave?.();
    leave = view.leave ?? (() => {});
    main.replaceChildren(view.element);
    document.title = `${view.title} · vljepa`;
    main.dataset.ready = name || "library";
    if (turn > 1) main.focus({ preventScroll: true });
    view.shown?.();
  } catch (error) {
    main.replaceChildren(make("p", { class: "empty" }, error.message));
    tell(error);
  }
}

async function facts() {
  const service = await get("/v1/service");
  const library = service.library ? `${service.library.media} media, ${service.library.segments} moments` : "no library";
  document.getElementById("served").textContent = `${service.model} on ${service.device} · ${library}`;
}

addEventListener("hashchange", show);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  const box = document.querySelector("input[type=search]");
  if (box) {
    event.preventDefault();
    box.focus();
  }
});
show().then(facts).catch(tell);
