// Whom to find: a picture from outside, or an entry; and the conditions.

import { call, pictureAddress } from "./api.js";
import { called, describe, element } from "./results.js";

const byId = (id) => document.getElementById(id);
const TYPES = ["image/jpeg", "image/png", "image/webp"];

// { picture: File } or { entry }; null: nothing chosen yet.
let chosen = null;
let shown = "";

export const current = () => chosen;

export function choosePicture(file) {
  if (!TYPES.includes(file.type)) throw new Error("Only JPEG, PNG and WebP pictures can be searched by.");
  chosen = { picture: file };
  byId("query-name").textContent = file.name || "pasted picture";
  changed();
}

export function chooseEntry(entry) {
  chosen = { entry };
  byId("query-name").textContent = `Entry of the gallery: ${describe(entry)}`;
  changed();
}

export function forget() {
  chosen = null;
  byId("query-name").textContent = "";
  changed();
}

function changed() {
  byId("search").disabled = chosen === null;
  byId("drop-text").hidden = chosen !== null;
  byId("own-camera-line").hidden = !chosen?.entry || chosen.entry.camera === null;
  byId("query-camera-line").hidden = Boolean(chosen?.entry);
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
  image.alt = "Who is looked for";
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

export function fillCameras(cameras) {
  const names = Object.keys(cameras).filter(Boolean).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const before = new Set(checkedCameras());
  byId("cameras-set").hidden = names.length === 0;
  byId("cameras").replaceChildren(...names.map((camera) => {
    const box = element("input", { type: "checkbox", value: camera, name: "camera", checked: before.has(camera) });
    return element("label", {}, box, ` ${camera}`);
  }));
  const select = byId("query-camera");
  const kept = select.value;
  select.replaceChildren(element("option", { value: "", textContent: "not known" }));
  for (const camera of names) select.append(element("option", { value: camera, textContent: called("camera", camera) }));
  select.value = kept;
}

const checkedCameras = () => [...document.querySelectorAll("input[name=camera]:checked")].map((box) => box.value);
const seconds = (id) => (byId(id).value ? Date.parse(`${byId(id).value}Z`) / 1000 : null);

export async function search(signal) {
  const query = {
    k: byId("k").value,
    camera: checkedCameras(),
    since: seconds("since"),
    until: seconds("until"),
    group_by: byId("group").checked ? "person" : null,
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
