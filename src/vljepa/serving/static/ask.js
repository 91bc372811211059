// The box in which one asks about a medium, or about the part of it that is on.

import { post } from "./api.js";
import { bars, clock, make, tell } from "./make.js";

/** `part` gives the seconds that are on, or null for all of it. */
export function askBox(key, part) {
  const question = make("input", { id: "ask", type: "text", required: true, placeholder: "what colour is the ball?", autocomplete: "off" });
  const answers = make("input", { id: "answers", type: "text", placeholder: "red, green, blue", autocomplete: "off", "aria-describedby": "answers-help" });
  const only = make("input", { id: "only", type: "checkbox" });
  const button = make("button", { class: "button", type: "submit" }, "Ask");
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  const form = make("form", { class: "ask", submit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    const seconds = only.checked ? part() : null;
    const candidates = [...new Set(answers.value.split(",").map((text) => text.trim()).filter(Boolean))];
    const medium = { type: "media", media: key, ...(seconds && { start: seconds.start, end: seconds.end }) };
    try {
      const found = await post("/v1/answer", { medium, question: question.value, candidates: candidates.length ? candidates : null });
      answer.replaceChildren(...shown(found, question.value, seconds));
    } catch (error) {
      tell(error);
    } finally {
      button.disabled = false;
    }
  } },
    make("label", { for: "ask" }, "Question"),
    question,
    make("label", { for: "answers" }, "Answers to choose among"),
    answers,
    make("p", { class: "soft small", id: "answers-help" }, "Separated by commas. Without any the answer is decoded."),
    make("div", { class: "ask-line" }, part() && make("label", { class: "check" }, only, "only the segment that is on"), button),
  );
  return make("section", { class: "panel", "aria-labelledby": "ask-title" }, make("h2", { id: "ask-title" }, "Ask"), form, answer);
}

function shown(found, question, seconds) {
  const about = seconds ? `${question} (${clock(seconds.start, true)}–${clock(seconds.end, true)})` : question;
  if (!found.ranked) {
    return [make("p", { class: "q" }, about), make("p", { class: found.unsure ? "said unsure" : "said" }, found.answer), make("p", { class: "soft small" }, `${found.unsure ? "unsure: " : ""}fidelity ${found.fidelity.toFixed(2)}`)];
  }
  const scores = [...found.scores, { label: "none of these", probability: found.none_of_these, rest: true }];
  return [make("p", { class: "q" }, about), bars(scores, `Answers to ${about}`)];
}
