// A file of one's own, without any library: drop it, then look at it in the player.

import { upload } from "./api.js";
import { make, percent, tell } from "./make.js";

export async function open() {
  const chooser = make("input", { type: "file", id: "file", class: "hide", accept: "image/*,video/*", change: () => chooser.files[0] && send(chooser.files[0]) });
  const progress = make("p", { class: "sending", role: "status" });
  const zone = make("div", { class: "drop" },
    make("img", { src: "/static/mark.svg", alt: "", width: 64, height: 64 }),
    make("p", { class: "big" }, "Drop a video or a picture here"),
    make("p", {}, "or"),
    chooser,
    make("label", { class: "button", for: "file" }, "Choose a file"),
    progress,
    make("p", { class: "soft" }, "It goes to this service only, and is kept until the service stops or needs the room."),
  );
  const send = async (file) => {
    zone.classList.add("busy");
    try {
      const kept = await upload(file, (share) => (progress.textContent = share < 1 ? `Sending ${file.name}: ${percent(share)}` : "Looking at it …"));
      location.hash = `#/play/${kept.id}?kind=${kept.kind}&name=${encodeURIComponent(kept.name)}`;
    } catch (error) {
      progress.textContent = error.message;
      tell(error);
    } finally {
      zone.classList.remove("busy");
      chooser.value = "";
    }
  };
  const over = (event) => (event.preventDefault(), zone.classList.add("over"));
  const out = () => zone.classList.remove("over");
  const dropped = (event) => {
    event.preventDefault();
    out();
    if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  };
  const listeners = { dragover: over, dragleave: out, drop: dropped };
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
  const leave = () => Object.entries(listeners).forEach(([name, listener]) => removeEventListener(name, listener));
  return { element: make("div", { class: "page narrow" }, make("h1", {}, "Ask about any file."), zone), title: "Open a file", leave };
}
