// Questions before what cannot be undone, and the gallery as a grid to pick from.

import { call, pictureAddress } from "./api.js";
import { describe, element, picture } from "./results.js";

const byId = (id) => document.getElementById(id);

export function ask(title, text, yes, danger = false) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").classList.toggle("danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// Shows the entries that a filter leaves; `chosen` is told the one that is clicked.
export async function pick(title, filter, chosen) {
  const dialog = byId("pick");
  const grid = byId("pick-grid");
  let after = "";
  byId("pick-title").textContent = title;
  grid.replaceChildren();

  async function more() {
    byId("pick-more").hidden = true;
    byId("pick-note").textContent = "Loading …";
    try {
      const page = await call("GET", "entries", { query: { ...filter, limit: 60, after } });
      for (const entry of page.entries) grid.append(tile(entry));
      byId("pick-note").textContent = grid.childElementCount ? "" : "There are no entries.";
      after = page.after;
      byId("pick-more").hidden = after === null;
    } catch (error) {
      byId("pick-note").textContent = error.message;
      byId("pick-more").hidden = false;
    }
  }

  function tile(entry) {
    const button = element("button", { type: "button", className: "tile" });
    button.append(picture(entry, pictureAddress(entry.key)), describe(entry));
    button.addEventListener("click", () => {
      dialog.close();
      chosen(entry);
    });
    return button;
  }

  byId("pick-more").onclick = more;
  byId("pick-close").onclick = () => dialog.close();
  dialog.showModal();
  await more();
  grid.querySelector("button")?.focus();
}
