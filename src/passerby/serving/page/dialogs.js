// Questions before entries are removed or merged, and the sheet of keys.

import { element, picture } from "./words.js";

const byId = (id) => document.getElementById(id);

// `shown`: who it is about, each { entry, source, text }: a picture with a name and a count.
export function ask({ title, text, yes, danger = false, shown = [] }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").classList.toggle("danger", danger);
  byId("confirm-shown").replaceChildren(...shown.map((one) =>
    element("figure", {}, picture(one.entry, one.source), element("figcaption", { textContent: one.text }))));
  dialog.returnValue = "no";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function help() {
  byId("help").showModal();
}
