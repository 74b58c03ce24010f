// Short messages that go away by themselves, with a button to undo what they tell of.

import { element } from "./words.js";

const STAYS = 8000;
const place = () => document.getElementById("messages");

export function tell(text, undo = null) {
  const message = element("p", { className: "message" }, element("span", { textContent: text }));
  if (undo) {
    const button = element("button", { type: "button", textContent: "Undo" });
    button.addEventListener("click", () => {
      message.remove();
      undo();
    });
    message.append(button);
  }
  place().replaceChildren(message);
  let timer = null;
  const stay = () => clearTimeout(timer);
  const leave = () => {
    stay();
    timer = setTimeout(() => message.remove(), STAYS);
  };
  // Nobody is hurried who is about to press the button.
  for (const kind of ["mouseenter", "focusin"]) message.addEventListener(kind, stay);
  for (const kind of ["mouseleave", "focusout"]) message.addEventListener(kind, leave);
  leave();
}
