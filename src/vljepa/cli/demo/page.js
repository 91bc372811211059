// A segment and its place on the timeline light up together.
for (const one of document.querySelectorAll("[data-pair]")) {
  const both = document.querySelectorAll(`[data-pair="${one.dataset.pair}"]`);
  const light = (on) => () => both.forEach((each) => each.classList.toggle("lit", on));
  for (const event of ["pointerenter", "focusin"]) one.addEventListener(event, light(true));
  for (const event of ["pointerleave", "focusout"]) one.addEventListener(event, light(false));
}
