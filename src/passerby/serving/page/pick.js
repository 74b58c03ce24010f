// The gallery as a grid to pick from, with a filter.

import { call, pictureAddress } from "./api.js";
import { called, describe, element, picture } from "./words.js";

const byId = (id) => document.getElementById(id);
const WAIT = 250;

export function fillPickCameras(names) {
  byId("pick-camera-line").hidden = names.length === 0;
  byId("pick-camera").replaceChildren(
    element("option", { value: "", textContent: "all" }),
    ...names.map((camera) => element("option", { value: camera, textContent: called("camera", camera) })),
  );
}

// Shows the entries that a filter leaves; `chosen` is told the one that is clicked.
export async function pick(title, filter, chosen) {
  const dialog = byId("pick");
  const grid = byId("pick-grid");
  let after = "";
  let asked = 0;
  byId("pick-title").textContent = title;
  byId("pick-filter").hidden = Object.keys(filter).length > 0;
  byId("pick-text").value = byId("pick-camera").value = "";

  async function more(afresh = false) {
    const mine = ++asked;
    if (afresh) after = "";
    byId("pick-more").hidden = true;
    byId("pick-note").textContent = "Loading …";
    try {
      const given = { contains: byId("pick-text").value.trim(), camera: byId("pick-camera").value, ...filter };
      const page = await call("GET", "entries", { query: { ...given, limit: 60, after } });
      if (mine !== asked) return;
      const tiles = page.entries.map(tile);
      if (afresh) grid.replaceChildren(...tiles);
      else grid.append(...tiles);
      byId("pick-note").textContent = grid.childElementCount ? "" : "No entry meets the filter.";
      after = page.after;
      byId("pick-more").hidden = after === null;
    } catch (error) {
      if (mine !== asked) return;
      byId("pick-note").textContent = error.message;
      byId("pick-more").hidden = false;
    }
  }

  function tile(entry) {
    const button = element("button", { type: "button", className: "tile" });
    button.append(picture(entry, pictureAddress(entry.key), ""), element("span", { textContent: describe(entry) }));
    button.addEventListener("click", () => {
      dialog.close();
      chosen(entry);
    });
    return button;
  }

  let timer = null;
  byId("pick-text").oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => more(true), WAIT);
  };
  byId("pick-camera").onchange = () => more(true);
  byId("pick-more").onclick = () => more();
  byId("pick-close").onclick = () => dialog.close();
  dialog.showModal();
  await more(true);
  if (!dialog.contains(document.activeElement) || document.activeElement === byId("pick-close")) {
    grid.querySelector("button")?.focus();
  }
}

byId("pick-grid").addEventListener("keydown", (event) => {
  const tiles = [...byId("pick-grid").querySelectorAll(".tile")];
  const columns = getComputedStyle(byId("pick-grid")).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  tiles[tiles.indexOf(document.activeElement) + step]?.focus();
});
