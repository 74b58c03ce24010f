// Found entries as cards, the threshold between them.

import { pictureAddress } from "./api.js";

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function picture(entry, source) {
  const frame = element("div", { className: "picture" });
  if (!entry.picture) {
    frame.append("picture not kept");
    return frame;
  }
  const image = element("img", { alt: describe(entry), loading: "lazy", src: source });
  image.addEventListener("error", () => frame.replaceChildren("picture not there"), { once: true });
  frame.append(image);
  return frame;
}

export function describe(entry) {
  return [personOf(entry), cameraOf(entry), timeOf(entry)].filter(Boolean).join(", ");
}

// A name that is a bare number says what it is of.
export function called(kind, name) {
  return /^\d+$/.test(name) ? `${kind} ${name}` : name;
}

export function personOf(entry) {
  return entry.person === null ? "unknown person" : called("person", entry.person);
}

function cameraOf(entry) {
  return entry.camera === null ? "unknown camera" : called("camera", entry.camera);
}

function timeOf(entry) {
  if (entry.timestamp === null) return "";
  const time = new Date(entry.timestamp * 1000);
  return Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

export function summary(answer, grouped) {
  const what = grouped ? "person" : "entry";
  const several = grouped ? "persons" : "entries";
  const count = (n) => `${n} ${n === 1 ? what : several}`;
  if (answer.hits.length === 0 && answer.nearest === null) return "No entry fulfils the conditions.";
  if (answer.threshold === null) {
    return `The ${count(answer.hits.length)} nearest. No threshold is calibrated (passerby gallery calibrate): nothing here says whether the person is there at all.`;
  }
  const matches = answer.hits.filter((hit) => hit.match).length;
  const limit = `the threshold ${answer.threshold.toFixed(3)}`;
  if (matches === 0) return `No match: the nearest is at ${answer.nearest.toFixed(3)}, beyond ${limit}.`;
  const rate = `${+(100 * answer.false_match_rate).toPrecision(3)} % of pairs of two different persons are too`;
  return `${count(matches)} below ${limit}; ${rate}.`;
}

export function showHits(list, answer, { overlay, write, act }) {
  const furthest = Math.max(...answer.hits.map((hit) => hit.distance), (answer.threshold ?? 0) * 1.25);
  let divided = answer.threshold === null;
  const cards = [];
  answer.hits.forEach((hit, place) => {
    if (!divided && !hit.match) {
      divided = true;
      cards.push(element("li", { className: "divider" }, "beyond the threshold: no match"));
    }
    cards.push(card(hit, place + 1, answer.threshold, furthest || 1, { overlay, write, act }));
  });
  list.replaceChildren(...cards);
  const first = list.querySelector(".hit");
  if (first) first.tabIndex = 0;
}

function card(hit, rank, threshold, furthest, { overlay, write, act }) {
  const item = element("li", { className: "hit", tabIndex: -1 });
  item.dataset.key = hit.entry.key;
  item.classList.toggle("match", hit.match === true);
  const frame = picture(hit.entry, pictureAddress(hit.entry.key, overlay));
  frame.append(element("span", { className: "rank", textContent: rank }));
  item.append(frame, said(hit, threshold, furthest), actions(hit, item, write, act));
  item.setAttribute("aria-label", `Rank ${rank}: ${describe(hit.entry)}, distance ${hit.distance.toFixed(3)}, ${verdict(hit)}`);
  return item;
}

function verdict(hit) {
  if (hit.match === null) return "no threshold";
  return hit.match ? "match" : "no match";
}

function said(hit, threshold, furthest) {
  const box = element("div", { className: "said" });
  const length = element("span", { className: "length" });
  length.style.width = `${100 * hit.distance / furthest}%`;
  const scale = element("div", { className: "distance" }, length);
  if (threshold !== null) {
    const limit = element("span", { className: "limit", title: `threshold ${threshold.toFixed(3)}` });
    limit.style.left = `${100 * threshold / furthest}%`;
    scale.append(limit);
  }
  const word = element("span", { className: `verdict ${hit.match ? "match" : ""}`, textContent: verdict(hit) });
  box.append(
    element("strong", { className: "person", textContent: personOf(hit.entry) }),
    element("div", {}, cameraOf(hit.entry)),
    element("div", {}, timeOf(hit.entry)),
    scale,
    element("div", {}, `distance ${hit.distance.toFixed(3)} · `, word),
  );
  return box;
}

function actions(hit, item, write, act) {
  const box = element("div", { className: "actions" });
  const add = (name, text, title) => {
    const button = element("button", { type: "button", textContent: text, title });
    button.dataset.act = name;
    button.addEventListener("click", () => act(name, hit, item));
    box.append(button);
  };
  add("search", "Search by it", "Find entries like this one");
  if (hit.entry.person !== null) add("person", "All pictures", "All entries of this person");
  if (write) {
    add("confirm", "Same person", "Confirm: this is who was looked for");
    add("reject", "Other person", "Reject: this is not who was looked for");
    add("remove", "Remove …", "Remove this person or entry for good");
  }
  return box;
}

// One card can be reached by Tab; arrows move between cards.
export function moveFocus(list, from, step) {
  const cards = [...list.querySelectorAll(".hit")];
  const to = cards[Math.min(Math.max(cards.indexOf(from) + step, 0), cards.length - 1)];
  if (!to) return;
  for (const one of cards) one.tabIndex = one === to ? 0 : -1;
  to.focus();
}
