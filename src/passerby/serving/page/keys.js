// Keys: those of the whole page, and those of a result that has the focus.

import { moveFocus } from "./results.js";

const byId = (id) => document.getElementById(id);
const OF_A_CARD = { Enter: "search", y: "confirm", n: "reject", a: "person", t: "track", r: "rename", Delete: "remove" };

const typing = (target) => target.matches("input:not([type=checkbox], [type=file]), select, textarea");
// The same with Shift or without.
const named = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);
const plain = (event) => !event.ctrlKey && !event.metaKey && !event.altKey;

// `does`: what a key of the page does, by its name.
export function wireKeys(list, does) {
  document.addEventListener("keydown", (event) => {
    const busy = byId("desk").hidden || document.querySelector("dialog[open]");
    if (busy || !plain(event) || typing(event.target) || !(named(event) in does)) return;
    event.preventDefault();
    does[named(event)]();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".menu")) closeMenus();
  });
  list.addEventListener("keydown", (event) => {
    const card = event.target.closest(".hit");
    if (!card || !plain(event)) return;
    const key = named(event);
    // On a button of the card, Enter presses the button.
    if (event.target !== card && key === "Enter") return;
    const row = columns(list);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, Home: -1e6, End: 1e6 }[key];
    const action = OF_A_CARD[key];
    if (step !== undefined) moveFocus(list, card, step);
    else if (key === "m") openMenu(card);
    else if (action) card.querySelector(`[data-act=${action}]`)?.click();
    else return;
    event.preventDefault();
  });
}

const columns = (list) => getComputedStyle(list).gridTemplateColumns.split(" ").length;

function openMenu(card) {
  const menu = card.querySelector(".menu");
  if (!menu) return;
  menu.open = true;
  menu.querySelector("button").focus();
}

function closeMenus() {
  for (const menu of document.querySelectorAll(".menu[open]")) {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.querySelector("summary").focus();
  }
}
