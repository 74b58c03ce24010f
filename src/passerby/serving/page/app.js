// Ties the parts of the page together: query, results, corrections.

import { call, pictureAddress } from "./api.js";
import { help } from "./dialogs.js";
import { takePictures } from "./intake.js";
import { wireKeys } from "./keys.js";
import { showSession, wireLogin } from "./login.js";
import { tell } from "./messages.js";
import { canUndo, confirmMatch, rejectMatch, removeForGood, renamePerson, undoLast } from "./people.js";
import { fillPickCameras, pick } from "./pick.js";
import { chooseEntry, choosePicture, current, fillFilters, forget, nameEntry, search, showQuery } from "./query.js";
import { suggest } from "./suggest.js";
import { moveFocus, showHits, summary } from "./results.js";
import { counted, element, entries, people, personOf } from "./words.js";

const byId = (id) => document.getElementById(id);
const list = byId("hits");
const narrow = matchMedia("(max-width: 46rem)");

let access = null;
let answer = null;
let grouping = "";
let reference = { person: null, entry: null };
let running = null;
// What was said of entries on this page, by key.
const marks = new Map();

async function start() {
  const session = await call("GET", "session").catch((error) => fail(error, start));
  if (!session) {
    byId("desk").hidden = false;
    return;
  }
  access = session.access;
  showSession(session);
  byId("keys-write").hidden = byId("keys-suggest").hidden = access !== "write";
  if (!session.login) await refresh();
}

async function refresh() {
  try {
    const found = await call("GET", "statistics");
    const cameras = Object.keys(found.cameras).filter(Boolean).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    byId("gallery-line").textContent = counts(found, cameras);
    fillFilters(found, cameras);
    fillPickCameras(cameras);
    byId("suggest-open").hidden = access !== "write" || found.entries === 0;
    byId("overlay-line").hidden = found.overlays.length === 0;
    const kept = byId("overlay").value;
    byId("overlay").replaceChildren(
      element("option", { value: "", textContent: "picture" }),
      ...found.overlays.map((kind) => element("option", { value: kind, textContent: kind })),
    );
    byId("overlay").value = kept;
    if (!answer) {
      byId("empty").textContent = found.entries === 0
        ? "The gallery is empty. Fill it with passerby gallery add, or POST pictures to /v1/entries."
        : "Choose a picture of a person, or pick one from the gallery: entries that look alike appear here.";
    }
  } catch (error) {
    fail(error, refresh);
  }
}

// What nobody told the gallery is not counted as none.
function counts(found, cameras) {
  const parts = [entries(found.entries)];
  if (found.persons) parts.push(people(found.persons));
  else if (found.entries) parts.push("nobody named yet");
  if (cameras.length) parts.push(counted(cameras.length, "camera", "cameras"));
  return parts.join(", ");
}

async function run({ still = false } = {}) {
  if (!current()) return;
  running?.abort();
  running = new AbortController();
  const mine = running;
  byId("error").hidden = true;
  byId("empty").textContent = "";
  byId("loading").hidden = false;
  byId("results").setAttribute("aria-busy", "true");
  try {
    const asked = byId("group").value;
    const found = await search(mine.signal);
    if (mine !== running) return;
    answer = found;
    grouping = asked;
    // The entry as it stands now: a correction may have changed its person since it was chosen.
    if (found.query) {
      reference = { person: found.query.person, entry: found.query };
      nameEntry(found.query);
    }
    if (!still) marks.clear();
    show();
    if (narrow.matches && !still) byId("results").scrollIntoView();
  } catch (error) {
    if (error.name === "AbortError" || mine !== running) return;
    answer = null;
    list.hidden = true;
    byId("keys").hidden = true;
    byId("summary").textContent = "";
    fail(error, run);
  } finally {
    if (mine === running) {
      byId("loading").hidden = true;
      byId("results").setAttribute("aria-busy", "false");
    }
  }
}

function show() {
  byId("summary").textContent = summary(answer);
  list.hidden = byId("keys").hidden = answer.hits.length === 0;
  byId("empty").textContent = answer.hits.length ? "" : "Nothing to show.";
  showHits(list, answer, { overlay: byId("overlay").value, write: access === "write", act, marks, grouping });
  byId("undo").hidden = !canUndo();
}

function fail(error, again) {
  if (error.status === 401) return;
  byId("loading").hidden = true;
  byId("error-text").textContent = error.message;
  byId("error").hidden = false;
  byId("again").hidden = !again;
  byId("again").onclick = () => {
    byId("error").hidden = true;
    again();
  };
}

async function act(name, hit, item) {
  byId("error").hidden = true;
  const { entry } = hit;
  const folded = grouping === "track";
  try {
    if (name === "search") {
      choose(entry);
      await run();
      byId("results").focus({ preventScroll: true });
    } else if (name === "person") {
      await pick(`All pictures of ${personOf(entry)}`, { person: entry.person }, use);
    } else if (name === "track") {
      await pick("All pictures of this track", { track: entry.track_id, camera: entry.camera }, use);
    } else if (name === "remove") {
      await removed(await removeForGood(hit, folded), hit, item);
    } else if (name === "rename") {
      const made = await renamePerson(reference, hit);
      if (made) await renamed(made);
      focusOn(entry.key);
    } else {
      const made = await (name === "confirm" ? confirmMatch : rejectMatch)(reference, hit, folded);
      if (made) await corrected(made, hit, name);
      focusOn(entry.key);
    }
  } catch (error) {
    fail(error, null);
    item.focus();
  }
}

// What a correction changed, on the cards and in the reference.
async function corrected(made, hit, name) {
  for (const { entry } of answer.hits) {
    if (made.keys?.includes(entry.key) || (made.from !== undefined && entry.person === made.from)) entry.person = made.to;
  }
  if (name === "confirm" && made.to !== undefined) reference.person = made.to;
  if (made.keys?.includes(reference.entry?.key)) reference.person = made.to;
  marks.set(hit.entry.key, name === "confirm" ? "same" : "different");
  tell(made.note, made.change ? undo : null);
  show();
  await refresh();
}

async function renamed(made) {
  tell(made.note, undo);
  await refresh();
  await run({ still: true });
}

async function undo() {
  if (!canUndo()) return;
  byId("error").hidden = true;
  const focused = document.activeElement?.dataset?.key;
  try {
    tell(await undoLast(reference));
    await refresh();
    marks.clear();
    await run({ still: true });
    if (focused) focusOn(focused);
  } catch (error) {
    show();
    fail(error, null);
  }
}

async function removed(made, hit, item) {
  if (!made) {
    item.focus();
    return;
  }
  const gone = (entry) => made.keys.includes(entry.key) || (made.person !== null && entry.person === made.person);
  answer.hits = answer.hits.filter(({ entry }) => !gone(entry));
  if (current()?.entry && gone(current().entry)) forget();
  show();
  tell(made.note);
  byId("results").focus();
  await refresh();
}

const cardOf = (key) => [...list.querySelectorAll(".hit")].find((one) => one.dataset.key === key);

function focusOn(key) {
  const card = cardOf(key);
  if (card) moveFocus(list, card, 0);
}

function choose(entry) {
  chooseEntry(entry);
  reference = { person: entry.person, entry };
}

function use(entry) {
  choose(entry);
  run();
}

function take(file) {
  byId("error").hidden = true;
  try {
    choosePicture(file);
    reference = { person: null, entry: null };
    run();
  } catch (error) {
    fail(error, null);
  }
}

const suggestions = () => {
  if (byId("suggest-open").hidden) return;
  suggest(async (changed) => {
    if (!changed) return;
    await refresh();
    await run({ still: true });
  });
};
const pickAny = () => pick("Pick from the gallery", {}, use);

byId("query").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
byId("pick-open").addEventListener("click", pickAny);
byId("help-open").addEventListener("click", help);
byId("suggest-open").addEventListener("click", suggestions);
byId("undo").addEventListener("click", undo);
byId("close-error").addEventListener("click", () => {
  byId("error").hidden = true;
});
byId("overlay").addEventListener("change", (event) => {
  for (const card of list.querySelectorAll(".hit")) {
    const image = card.querySelector("img");
    if (image) image.src = pictureAddress(card.dataset.key, event.target.value);
  }
  showQuery(event.target.value).catch((error) => fail(error, null));
});
byId("filters").open = !narrow.matches;

wireLogin(start);
takePictures(take);
wireKeys(list, {
  "?": help,
  "/": () => byId("file").focus(),
  p: pickAny,
  g: () => (list.querySelector(".hit[tabindex='0']") ?? byId("results")).focus(),
  u: undo,
  s: suggestions,
});
start();
