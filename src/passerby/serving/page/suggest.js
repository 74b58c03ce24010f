// Suggestions: are these two one person? Yes, no or later, by a button or a key.

import { call, pictureAddress } from "./api.js";
import { called, counted, element, entries, picture, timeOf } from "./words.js";

const byId = (id) => document.getElementById(id);
const AT_ONCE = 50;

let asked = [];
let place = 0;
let total = 0;
let answered = [];
let busy = false;
let changed = false;

// `closed` is told whether the gallery changed.
export async function suggest(closed) {
  answered = [];
  changed = false;
  byId("suggest").addEventListener("close", () => closed(changed), { once: true });
  byId("suggest").showModal();
  await load();
}

async function load() {
  await during("Comparing tracks …", async () => {
    const found = await call("GET", "suggestions", { query: { limit: AT_ONCE } });
    [asked, place, total] = [found.suggestions, 0, found.total];
    byId("suggest-notes").textContent = found.notes.join(" ");
  });
  show();
}

// Says what goes on; what went wrong stays to be read.
async function during(text, work) {
  busy = true;
  byId("suggest-note").textContent = text;
  try {
    await work();
    byId("suggest-note").textContent = "";
  } catch (error) {
    byId("suggest-note").textContent = error.message;
  } finally {
    busy = false;
  }
}

function show() {
  const one = asked[place];
  byId("suggest-shown").replaceChildren(...(one ? [track(one.one, one.tracks[0]), track(one.other, one.tracks[1])] : []));
  for (const button of document.querySelectorAll("[data-decision]")) button.disabled = !one;
  byId("suggest-undo").disabled = answered.length === 0;
  byId("suggest-said").textContent = one ? said(one) : "";
  if (!one && !byId("suggest-note").textContent) byId("suggest-note").textContent = "No suggestions left.";
}

function said({ distance, precision, later }) {
  const parts = [counted(total - place, "suggestion", "suggestions"), `distance ${distance.toFixed(3)}`];
  if (precision >= 0.01) parts.push(`precision at least ${Math.floor(100 * precision)}\u00a0%`);
  if (later) parts.push("put off before");
  return parts.join(" · ");
}

function track(found, tracks) {
  const entry = { ...found, timestamp: found.first };
  const lines = [
    found.camera === null ? "" : called("camera", found.camera),
    timeOf(entry),
    found.entries > 1 ? entries(found.entries) : "",
    tracks > 1 ? `one of ${tracks} tracks` : "",
  ].filter(Boolean);
  const name = found.person === null ? "unknown person" : called("person", found.person);
  const caption = element("figcaption", {}, element("strong", { textContent: name }));
  for (const line of lines.length ? lines : [found.key]) caption.append(element("div", { className: "small", textContent: line }));
  return element("figure", {}, picture(entry, pictureAddress(found.key)), caption);
}

async function decide(decision) {
  const one = asked[place];
  if (!one || busy) return;
  await during("Saving …", async () => {
    const json = { one: one.one.key, other: one.other.key, decision };
    const made = await call("POST", "suggestions/decide", { json });
    answered.push(made.change);
    changed ||= made.changed > 0;
    place += 1;
  });
  if (place === asked.length && place < total) await load();
  else show();
}

async function undo() {
  if (busy || answered.length === 0) return;
  await during("Undoing …", async () => {
    const change = answered.pop();
    if (change !== null) await call("POST", "persons/undo", { json: { change } });
    changed = true;
  });
  if (place > 0) {
    place -= 1;
    show();
  } else await load();
}

for (const button of document.querySelectorAll("[data-decision]")) {
  button.addEventListener("click", () => decide(button.dataset.decision));
}
byId("suggest-undo").addEventListener("click", undo);
byId("suggest-close").addEventListener("click", () => byId("suggest").close());
// Of the document: a button that was pressed and is disabled now has lost the focus to it.
document.addEventListener("keydown", (event) => {
  if (!byId("suggest").open || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = { y: () => decide("yes"), n: () => decide("no"), l: () => decide("later"), u: undo }[event.key.toLowerCase()];
  if (!does) return;
  event.preventDefault();
  does();
});
