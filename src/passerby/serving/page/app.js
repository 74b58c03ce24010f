// Ties the parts of the page together: login, query, results, corrections.

import { call, pictureAddress } from "./api.js";
import { pick } from "./dialogs.js";
import { confirmMatch, rejectMatch, removeForGood } from "./people.js";
import { chooseEntry, choosePicture, current, fillCameras, forget, search, showQuery } from "./query.js";
import { element, moveFocus, personOf, showHits, summary } from "./results.js";

const byId = (id) => document.getElementById(id);
const list = byId("hits");

let access = null;
let answer = null;
let reference = { person: null, key: null };
let running = null;
const rejected = new Set();

async function start() {
  const session = await call("GET", "session").catch((error) => fail(error, start));
  if (!session) {
    byId("desk").hidden = false;
    return;
  }
  access = session.access;
  byId("login").hidden = !session.login;
  byId("desk").hidden = session.login;
  byId("who").hidden = session.login || session.name === "local";
  byId("who-name").textContent = session.name ?? "";
  byId("keys-write").hidden = access !== "write";
  if (session.login) {
    byId("gallery-line").textContent = "";
    byId("token").focus();
    return;
  }
  await refresh();
}

async function refresh() {
  try {
    const found = await call("GET", "statistics");
    byId("gallery-line").textContent =
      `${found.entries.toLocaleString("en")} entries, ${found.persons.toLocaleString("en")} persons, ` +
      `${Object.keys(found.cameras).filter(Boolean).length} cameras`;
    fillCameras(found.cameras);
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
        : "Drop, paste or choose a picture of a person, or pick one from the gallery.";
    }
  } catch (error) {
    fail(error, refresh);
  }
}

async function run() {
  if (!current()) return;
  running?.abort();
  running = new AbortController();
  const mine = running;
  reference = { person: current().entry?.person ?? null, key: current().entry?.key ?? null };
  byId("error").hidden = true;
  byId("empty").textContent = "";
  byId("loading").hidden = false;
  byId("results").setAttribute("aria-busy", "true");
  try {
    const found = await search(mine.signal);
    if (mine !== running) return;
    answer = found;
    rejected.clear();
    // The entry as it stands now: a correction may have changed its person since it was chosen.
    if (found.query) reference.person = found.query.person;
    show();
    if (matchMedia("(max-width: 46rem)").matches) byId("results").scrollIntoView();
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

function show(note = "") {
  const text = summary(answer, byId("group").checked);
  byId("summary").textContent = note ? `${note} ${text}` : text;
  list.hidden = byId("keys").hidden = answer.hits.length === 0;
  byId("empty").textContent = answer.hits.length ? "" : "Nothing to show.";
  showHits(list, answer, { overlay: byId("overlay").value, write: access === "write", act });
  for (const key of rejected) cardOf(key)?.classList.add("rejected");
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
  try {
    if (name === "search") {
      chooseEntry(hit.entry);
      await run();
      byId("results").focus();
    } else if (name === "person") {
      await pick(`All pictures of ${personOf(hit.entry)}`, { person: hit.entry.person }, use);
    } else if (name === "remove") {
      await removed(await removeForGood(hit.entry));
    } else {
      const made = await (name === "confirm" ? confirmMatch : rejectMatch)(reference, hit.entry);
      if (made) await corrected(made, hit, name);
      focusOn(hit.entry.key);
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
  if (made.keys?.includes(reference.key)) reference.person = made.to;
  if (name === "reject") rejected.add(hit.entry.key);
  else rejected.delete(hit.entry.key);
  show(made.note);
  await refresh();
}

async function removed(made) {
  if (!made) return;
  const gone = (entry) => entry.key === made.key || (made.person !== null && entry.person === made.person);
  answer.hits = answer.hits.filter(({ entry }) => !gone(entry));
  if (current()?.entry && gone(current().entry)) forget();
  show(made.note);
  byId("results").focus();
  await refresh();
}

const cardOf = (key) => [...list.querySelectorAll(".hit")].find((one) => one.dataset.key === key);

function focusOn(key) {
  const card = cardOf(key);
  if (card) moveFocus(list, card, 0);
}

function use(entry) {
  chooseEntry(entry);
  run();
}

function take(file) {
  byId("error").hidden = true;
  try {
    choosePicture(file);
    run();
  } catch (error) {
    fail(error, null);
  }
}

list.addEventListener("keydown", (event) => {
  const card = event.target;
  if (!card.classList.contains("hit") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns(), Home: -1e6, End: 1e6 }[event.key];
  const does = { Enter: "search", c: "confirm", r: "reject", Delete: "remove" }[event.key];
  if (step !== undefined) moveFocus(list, card, step);
  else if (does) card.querySelector(`[data-act=${does}]`)?.click();
  else return;
  event.preventDefault();
});

const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;

byId("query").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
byId("file").addEventListener("change", (event) => event.target.files[0] && take(event.target.files[0]));
byId("pick-open").addEventListener("click", () => pick("Pick from the gallery", {}, use));
byId("overlay").addEventListener("change", (event) => {
  for (const card of list.querySelectorAll(".hit")) {
    const image = card.querySelector("img");
    if (image) image.src = pictureAddress(card.dataset.key, event.target.value);
  }
  showQuery(event.target.value).catch((error) => fail(error, null));
});

document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (!file || byId("desk").hidden) return;
  event.preventDefault();
  take(file);
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, () => byId("drop").classList.remove("over"));
}
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  if (file && !byId("desk").hidden) take(file);
});

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("login-error").hidden = true;
  try {
    await call("POST", "session", { json: { token: byId("token").value } });
    byId("token").value = "";
    await start();
  } catch (error) {
    byId("login-error").textContent = error.message;
    byId("login-error").hidden = false;
  }
});
byId("logout").addEventListener("click", async () => {
  await call("DELETE", "session").catch(() => {});
  location.reload();
});
document.addEventListener("logged-out", () => {
  byId("desk").hidden = true;
  byId("who").hidden = true;
  byId("login").hidden = false;
});

start();
