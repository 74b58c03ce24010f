// Cameras as rows, time as columns: counts where there is much, cards that play where there is little.

import { address, call, pictureAddress } from "./api.js";
import { called, counted, element, personOf, picture, zone } from "./words.js";

const byId = (id) => document.getElementById(id);
const CARDS = 100;
const AGAIN = 5000;
const NEXT_CROP = 400;
const CARD_COLUMNS = 12;

// What is shown: a span of time (null: all), a person's name, or the entry that is looked for.
const asked = { since: null, until: null, person: "", key: null };
let span = { begin: 0, end: 1 };
let running = null;
let timer = null;
let open = null;

async function show() {
  running?.abort();
  running = new AbortController();
  const mine = running;
  byId("grid").setAttribute("aria-busy", "true");
  try {
    const found = asked.key ? await whereElse(mine.signal) : await everybody(mine.signal);
    if (mine !== running) return;
    span = { begin: found.begin, end: found.end };
    byId("error").hidden = true;
    byId("said").textContent = found.said;
    byId("grid").replaceChildren(...(found.cameras.length ? [table(found)] : []));
  } catch (error) {
    if (error.name !== "AbortError" && mine === running) fail(error);
  } finally {
    if (mine === running) byId("grid").setAttribute("aria-busy", "false");
  }
}

async function everybody(signal) {
  const columns = Math.max(12, Math.min(60, Math.floor((byId("times").clientWidth - 120) / 16)));
  const query = { columns, cards: CARDS, since: asked.since, until: asked.until, person: asked.person };
  const found = await call("GET", "times", { query, signal });
  const untimed = found.untimed ? ` ${found.untimed.toLocaleString("en")} without a time are not shown.` : "";
  const how = found.entries === null ? " Choose a field to look closer." : "";
  const said = found.total === 0
    ? `Nobody was seen${asked.person || asked.since ? " then" : ""}.${untimed}`
    : `${counted(found.total, "track", "tracks")}, ${counted(found.cameras.length, "camera", "cameras")}, ${between(found.begin, found.end)} (${zone}).${how}${untimed}`;
  return { ...found, said };
}

// The matches of an entry; without a threshold the nearest few.
async function whereElse(signal) {
  const found = await call("GET", "search/entry", { query: { key: asked.key, k: CARDS, everything: true, since: asked.since, until: asked.until }, signal });
  const calibrated = found.threshold !== null;
  const hits = calibrated ? found.hits.filter((hit) => hit.match) : found.hits.slice(0, 12);
  const all = [found.query, ...hits.map((hit) => hit.entry)].filter((entry) => entry?.timestamp != null);
  const entries = all.sort((a, b) => a.timestamp - b.timestamp);
  const names = [...new Set(entries.map((entry) => entry.camera))].sort((a, b) => (a ?? "").localeCompare(b ?? "", "en", { numeric: true }));
  const begin = entries.length ? entries[0].timestamp : 0;
  const end = entries.length ? entries.at(-1).timestamp + 1 : 1;
  const said = calibrated
    ? `${counted(hits.length, "track is", "tracks are")} below the threshold.`
    : `The ${hits.length} most similar tracks; no threshold is calibrated, so that nothing says whether they are this person.`;
  return { begin, end, entries, said, cameras: names.map((camera) => ({ camera, counts: [] })) };
}

function table(found) {
  const cards = found.entries !== null;
  const columns = cards ? CARD_COLUMNS : found.cameras[0].counts.length;
  const width = (found.end - found.begin) / columns;
  const most = Math.max(1, ...found.cameras.flatMap((row) => row.counts));
  const marks = cards ? 1 : Math.max(1, Math.round(columns / 6));
  const head = element("tr", {}, element("td"));
  for (let column = 0; column < columns; column += marks) {
    const mark = element("th", { scope: "col", textContent: clock(found.begin + column * width, found.end - found.begin) });
    mark.colSpan = Math.min(marks, columns - column);
    head.append(mark);
  }
  const rows = found.cameras.map((row) => {
    const name = row.camera === null ? "unknown camera" : called("camera", row.camera);
    const mine = cards ? found.entries.filter((entry) => entry.camera === row.camera) : [];
    const total = cards ? mine.length : row.counts.reduce((sum, count) => sum + count, 0);
    const line = element("tr", {}, element("th", { scope: "row" }, name, element("span", { textContent: total.toLocaleString("en") })));
    for (let column = 0; column < columns; column += 1) {
      const begin = found.begin + column * width;
      line.append(cards ? cellOfCards(mine, begin, width, column === columns - 1) : cellOfCount(name, row.counts[column], most, begin, width));
    }
    return line;
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function cellOfCount(camera, count, most, begin, width) {
  const cell = element("td", { className: "count" });
  if (!count) return cell;
  const said = `${camera}, ${between(begin, begin + width)}: ${count.toLocaleString("en")}`;
  const button = element("button", { type: "button", title: said });
  button.setAttribute("aria-label", said);
  button.style.setProperty("--share", (0.15 + 0.85 * Math.sqrt(count / most)).toFixed(3));
  button.addEventListener("click", () => look(begin, begin + width));
  cell.append(button);
  return cell;
}

function cellOfCards(entries, begin, width, last) {
  const here = entries.filter((entry) => entry.timestamp >= begin && (last || entry.timestamp < begin + width));
  return element("td", { className: "cards" }, element("div", {}, ...here.map(card)));
}

function card(entry) {
  const button = element("button", { type: "button", className: "seen" });
  button.dataset.key = entry.key;
  button.classList.toggle("sought", entry.key === asked.key);
  const frame = picture(entry, pictureAddress(entry.key));
  const who = entry.person === null ? "" : personOf(entry);
  button.append(frame, clock(entry.timestamp, 0), ...(who ? [element("br"), who] : []));
  const player = playing(entry, frame);
  for (const kind of ["mouseenter", "focus"]) button.addEventListener(kind, player.start);
  for (const kind of ["mouseleave", "blur"]) button.addEventListener(kind, player.stop);
  button.addEventListener("click", () => {
    player.stop();
    openCard(entry);
  });
  return button;
}

// Plays the crops of a track in the place of its picture, until it is stopped.
function playing(entry, frame, told = () => {}) {
  let turn = null;
  let wanted = false;
  const image = frame.querySelector("img");
  const first = image?.src;
  const stop = () => {
    wanted = false;
    clearInterval(turn);
    turn = null;
    if (image && image.src !== first) image.src = first;
  };
  const start = async () => {
    if (!image || wanted) return;
    wanted = true;
    const found = await call("GET", "tracks", { query: { key: entry.key } }).catch(() => null);
    told(found);
    if (!wanted || !found || found.crops.length < 2) return;
    const ready = found.crops.map((_, number) => {
      const one = new Image();
      one.src = address("tracks/crop", { key: entry.key, number });
      return one;
    });
    let number = 0;
    turn = setInterval(() => {
      if (!image.isConnected) stop();
      else if (ready[number % ready.length].complete) image.src = ready[number++ % ready.length].src;
    }, NEXT_CROP);
  };
  return { start, stop, on: () => wanted };
}

function openCard(entry) {
  const frame = picture(entry, pictureAddress(entry.key));
  byId("card-title").textContent = `${personOf(entry)}, ${entry.camera === null ? "unknown camera" : called("camera", entry.camera)}`;
  byId("card-picture").replaceChildren(frame);
  byId("card-times").textContent = moment(entry.timestamp);
  byId("card-note").textContent = "";
  const player = playing(entry, frame, (track) => {
    if (open?.entry !== entry) return;
    byId("card-note").textContent = track ? counted(track.crops.length, "crop", "crops") : "No other crops are kept.";
    if (track) byId("card-times").textContent = `${moment(track.begin)} to ${moment(track.end).slice(11)}`;
  });
  open = { entry, player };
  byId("card").showModal();
  play();
}

function play() {
  if (open.player.on()) open.player.stop();
  else open.player.start();
  byId("card-play").textContent = open.player.on() ? "Stop" : "Play";
}

function look(since, until) {
  asked.since = Math.floor(since);
  asked.until = Math.ceil(Math.max(until, since + 1));
  fillForm();
  show();
}

function fillForm() {
  for (const id of ["since", "until"]) byId(id).value = asked[id] === null ? "" : moment(asked[id]).replace(" ", "T");
  byId("sought").hidden = asked.key === null;
}

function fail(error) {
  byId("error").textContent = error.status === 401 ? "Log in on the search page first." : error.message;
  byId("error").hidden = false;
  if (error.status === 401) byId("grid").replaceChildren();
}

// In the reader's own time zone, sortable: 2026-11-21 09:00:00.
const moment = (seconds) => new Date(seconds * 1000).toLocaleString("sv-SE").slice(0, 19);
const between = (begin, end) => {
  const [from, to] = [moment(begin), moment(end)];
  return from.slice(0, 10) === to.slice(0, 10) ? `${from} to ${to.slice(11)}` : `${from} to ${to}`;
};
// As much of the time as a span of so many seconds needs.
const clock = (seconds, whole) => (whole > 3 * 86400 ? moment(seconds).slice(5, 10) : whole > 3600 ? moment(seconds).slice(11, 16) : moment(seconds).slice(11));
const given = (id) => (byId(id).value ? new Date(byId(id).value).getTime() / 1000 : null);

byId("span").addEventListener("submit", (event) => {
  event.preventDefault();
  Object.assign(asked, { since: given("since"), until: given("until"), person: byId("person").value.trim() });
  show();
});
const step = (share) => look(span.begin + share * (span.end - span.begin), span.end + share * (span.end - span.begin));
byId("earlier").addEventListener("click", () => step(-0.5));
byId("later").addEventListener("click", () => step(0.5));
byId("wider").addEventListener("click", () => look(span.begin - (span.end - span.begin), span.end + (span.end - span.begin)));
byId("all").addEventListener("click", () => {
  Object.assign(asked, { since: null, until: null });
  fillForm();
  show();
});
byId("everybody").addEventListener("click", () => {
  asked.key = null;
  fillForm();
  show();
});
byId("live").addEventListener("change", (event) => {
  clearInterval(timer);
  timer = event.target.checked ? setInterval(() => document.querySelector("dialog[open]") || show(), AGAIN) : null;
});
byId("card-play").addEventListener("click", play);
byId("card-close").addEventListener("click", () => byId("card").close());
byId("card").addEventListener("close", () => {
  open?.player.stop();
  open = null;
});
byId("card-where").addEventListener("click", () => {
  const { entry } = open;
  byId("card").close();
  Object.assign(asked, { key: entry.key, since: null, until: null });
  byId("sought-text").textContent = `Where and when: who was seen by ${entry.camera === null ? "an unknown camera" : called("camera", entry.camera)} at ${moment(entry.timestamp)}`;
  fillForm();
  show();
});

const hash = new URLSearchParams(location.hash.slice(1));
asked.person = hash.get("person") ?? "";
byId("person").value = asked.person;
show();
