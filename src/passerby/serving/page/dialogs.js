// Questions before entries are removed, merged or renamed, and the sheet of keys.

import { element, picture } from "./words.js";

const byId = (id) => document.getElementById(id);

// `shown`: who it is about, each { entry, source, text }: a picture with a name and a count.
// With a `name`, another is asked for. The answer: false, or true, or that name.
export function ask({ title, text, yes, danger = false, shown = [], name = null }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  byId("confirm-yes").classList.toggle("danger", danger);
  byId("confirm-shown").replaceChildren(...shown.map((one) =>
    element("figure", {}, picture(one.entry, one.source), element("figcaption", { textContent: one.text }))));
  const field = byId("confirm-name");
  byId("confirm-field").hidden = field.disabled = name === null;
  field.value = name ?? "";
  dialog.returnValue = "no";
  dialog.showModal();
  if (name === null) byId("confirm-no").focus();
  else field.select();
  return new Promise((resolve) => {
    const said = () => dialog.returnValue === "yes" && (name === null || field.value.trim());
    dialog.addEventListener("close", () => resolve(said()), { once: true });
  });
}

// Enter in the name means yes; by itself it would press the first button, which is Cancel.
byId("confirm-name").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  byId("confirm-yes").click();
});

export function help() {
  byId("help").showModal();
}
