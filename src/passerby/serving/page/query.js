// Who to find: a picture from outside, or an entry; and the filters.

import { call, pictureAddress } from "./api.js";
import { called, describe, element, zone } from "./words.js";

const byId = (id) => document.getElementById(id);
const TYPES = ["image/jpeg", "image/png", "image/webp"];

// { picture: File } or { entry }; null: nothing chosen yet.
let chosen = null;
let shown = "";

export const current = () => chosen;

export function choosePicture(file) {
  if (!TYPES.includes(file.type)) throw new Error("Unsupported file: choose JPEG, PNG or WebP.");
  chosen = { picture: file };
  byId("query-name").textContent = file.name || "pasted picture";
  changed();
}

export function chooseEntry(entry) {
  nameEntry(entry);
  changed();
}

// The entry as it stands now: a correction may have changed its name.
export function nameEntry(entry) {
  chosen = { entry };
  byId("query-name").textContent = describe(entry);
}

export function forget() {
  chosen = null;
  byId("query-name").textContent = "";
  changed();
}

function changed() {
  byId("search").disabled = chosen === null;
  byId("asked").classList.toggle("chosen", chosen !== null);
  byId("drop-text").hidden = chosen !== null;
  byId("own-camera-line").hidden = !chosen?.entry || chosen.entry.camera === null;
  byId("query-camera-line").hidden = Boolean(chosen?.entry) || byId("query-camera").options.length < 2;
  if (!chosen?.picture) byId("file").value = "";
  showQuery("");
}

// The query's picture, or its overlay.
export async function showQuery(overlay) {
  const image = byId("query-picture");
  const mine = chosen;
  if (shown) URL.revokeObjectURL(shown);
  shown = "";
  image.hidden = chosen === null || Boolean(chosen.entry && !chosen.entry.picture);
  if (image.hidden) {
    image.removeAttribute("src");
    return;
  }
  if (chosen.entry) {
    image.src = pictureAddress(chosen.entry.key, overlay);
    return;
  }
  let blob = chosen.picture;
  if (overlay) blob = await call("POST", "overlay", { query: { kind: overlay }, picture: blob, as: "blob" });
  if (chosen !== mine) return;
  shown = URL.createObjectURL(blob);
  image.src = shown;
}

// Offers what the gallery knows: filters by something that no entry has are not shown.
export function fillFilters(found, cameras) {
  const before = new Set(checkedCameras());
  byId("cameras-set").hidden = cameras.length === 0;
  byId("cameras").replaceChildren(...cameras.map((camera) => {
    const box = element("input", { type: "checkbox", value: camera, name: "camera", checked: before.has(camera) });
    const label = element("label", {}, box, ` ${camera}`);
    if (found.raw_cameras.includes(camera)) label.append(" ", element("span", { className: "raw", textContent: "raw" }));
    return label;
  }));
  byId("profiles").textContent = profiles(found);
  fillSelect("query-camera", [["", "not known"], ...cameras.map((camera) => [camera, called("camera", camera)])]);
  byId("query-camera-line").hidden = cameras.length === 0 || Boolean(chosen?.entry);
  byId("time-set").hidden = found.first === null;
  byId("beyond-line").hidden = found.threshold === null;
  byId("time-legend").textContent = `Time (${zone})`;
  const groups = [["", "one card per picture"]];
  if (found.tracks) groups.push(["track", "one card per track"]);
  if (found.persons) groups.push(["person", "one card per person"]);
  const fresh = byId("group").options.length === 0;
  fillSelect("group", groups);
  if (fresh && found.tracks) byId("group").value = "track";
  byId("group-line").hidden = groups.length === 1;
}

// For which cameras a profile is in use, and which came later.
function profiles({ profiles: reason, profiled_cameras: profiled, raw_cameras: raw }) {
  if (reason === null) return "";
  if (profiled.length === 0) return `Camera profiles: ${reason}.`;
  const used = `Camera profiles in use: ${profiled.join(", ")}.`;
  return raw.length ? `${used} New and raw: ${raw.join(", ")}. Renew the profiles with passerby gallery profile.` : used;
}

function fillSelect(id, options) {
  const select = byId(id);
  const kept = select.value;
  select.replaceChildren(...options.map(([value, textContent]) => element("option", { value, textContent })));
  select.value = options.some(([value]) => value === kept) ? kept : options[0][0];
}

const checkedCameras = () => [...document.querySelectorAll("input[name=camera]:checked")].map((box) => box.value);
const seconds = (id) => (byId(id).value ? new Date(byId(id).value).getTime() / 1000 : null);

export async function search(signal) {
  const query = {
    k: byId("k").value,
    camera: checkedCameras(),
    since: seconds("since"),
    until: seconds("until"),
    group_by: byId("group").value,
    everything: byId("beyond").checked,
  };
  if (chosen.entry) {
    query.key = chosen.entry.key;
    query.own_camera = byId("own-camera").checked;
    return call("GET", "search/entry", { query, signal });
  }
  query.query_camera = byId("query-camera").value;
  return call("POST", "search/picture", { query, picture: chosen.picture, signal });
}
