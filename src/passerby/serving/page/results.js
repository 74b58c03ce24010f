// Found entries as cards, the threshold between them.

import { card } from "./card.js";
import { counted, element, entries } from "./words.js";

export function summary(answer) {
  const itself = answer.itself.length ? ` The picture itself is in the gallery (${entries(answer.itself.length)}) and left out.` : "";
  return found(answer) + itself;
}

function found(answer) {
  const count = answer.hits.length;
  const results = (n) => counted(n, "result", "results");
  if (count === 0 && answer.nearest === null) return "No entry meets the filters.";
  if (answer.threshold === null) {
    return `The ${count === 1 ? "nearest result" : `${count} nearest results`}. Without a calibrated threshold, nothing tells whether the person is there at all.`;
  }
  const matches = answer.hits.filter((hit) => hit.match).length;
  const limit = `the threshold ${answer.threshold.toFixed(3)}`;
  if (matches === 0) return `No match: the nearest is at ${answer.nearest.toFixed(3)}, beyond ${limit}.`;
  const rate = +(100 * answer.false_match_rate).toPrecision(3);
  return `${results(matches)} below ${limit}. About ${rate}\u00a0% of different-person pairs also fall below it.`;
}

// `marks`: what was said of an entry on this page, by key.
export function showHits(list, answer, options) {
  const furthest = Math.max(...answer.hits.map((hit) => hit.distance), (answer.threshold ?? 0) * 1.25);
  let divided = answer.threshold === null;
  const cards = [];
  answer.hits.forEach((hit, place) => {
    if (!divided && !hit.match) {
      divided = true;
      cards.push(element("li", { className: "divider" }, "beyond the threshold: no match"));
    }
    cards.push(card(hit, place + 1, { ...options, threshold: answer.threshold, furthest: furthest || 1 }));
  });
  list.replaceChildren(...cards);
  const first = list.querySelector(".hit");
  if (first) first.tabIndex = 0;
}

// One card can be reached by Tab; arrows move between cards.
export function moveFocus(list, from, step) {
  const cards = [...list.querySelectorAll(".hit")];
  const to = cards[Math.min(Math.max(cards.indexOf(from) + step, 0), cards.length - 1)];
  if (!to) return;
  for (const one of cards) one.tabIndex = one === to ? 0 : -1;
  to.focus();
}
