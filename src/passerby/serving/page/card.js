// One result: picture, what is known of it, two actions, and a menu for the others.

import { pictureAddress } from "./api.js";
import { called, cameraOf, counted, describe, element, picture, timeOf, titleOf } from "./words.js";

const MARKS = { same: "✓ Same person", different: "✗ Different person" };

export function card(hit, rank, { overlay, write, act, marks, grouping, threshold, furthest }) {
  const { entry } = hit;
  const item = element("li", { className: "hit", tabIndex: -1 });
  item.dataset.key = entry.key;
  item.classList.toggle("match", hit.match === true);
  const mark = marks.get(entry.key);
  if (mark) item.classList.add(mark);
  const frame = picture(entry, pictureAddress(entry.key, overlay));
  frame.append(element("span", { className: "rank", textContent: rank }));
  if (hit.entries > 1) frame.append(element("span", { className: "count", textContent: `${hit.entries} pictures` }));
  item.append(frame, said(hit, threshold, furthest));
  if (mark) item.append(element("p", { className: "mark", textContent: MARKS[mark] }));
  item.append(actions(hit, item, { write, act, grouping }));
  const folded = hit.entries > 1 ? `, ${hit.entries} pictures` : "";
  const label = `Result ${rank}: ${describe(entry)}${folded}, distance ${hit.distance.toFixed(3)}, ${verdict(hit)}`;
  item.setAttribute("aria-label", mark ? `${label}, ${MARKS[mark].slice(2)}` : label);
  return item;
}

function verdict(hit) {
  if (hit.match === null) return "no threshold";
  return hit.match ? "match" : "no match";
}

function said(hit, threshold, furthest) {
  const { entry } = hit;
  const box = element("div", { className: "said" });
  const length = element("span", { className: "length" });
  length.style.width = `${100 * hit.distance / furthest}%`;
  const scale = element("div", { className: "distance" }, length);
  if (threshold !== null) {
    const limit = element("span", { className: "limit", title: `threshold ${threshold.toFixed(3)}` });
    limit.style.left = `${100 * threshold / furthest}%`;
    scale.append(limit);
  }
  const word = element("span", { className: `verdict ${hit.match ? "match" : ""}`, textContent: verdict(hit) });
  const known = [cameraOf(entry), timeOf(entry)].filter(Boolean);
  box.append(element("strong", { className: entry.person === null && known.length === 0 ? "person key" : "person", textContent: titleOf(entry) }));
  for (const text of known) box.append(element("div", {}, text));
  box.append(scale, element("div", {}, `distance ${hit.distance.toFixed(3)}`, ...(hit.match === null ? [] : [" · ", word])));
  return box;
}

// In the order of importance: the first two are buttons, the others stand in the menu.
function wanted({ entry, entries }, write, grouping) {
  const found = [["search", "Search with this", "Find entries like this one"]];
  if (write) {
    found.unshift(
      ["confirm", "Same person", "This is the person of the query"],
      ["reject", "Different", "This is not the person of the query"],
    );
  }
  if (entry.track_id !== null) {
    const text = grouping === "track" ? `All ${entries} of this track` : "All of this track";
    found.push(["track", text, "Show every picture of this track"]);
  }
  if (entry.person !== null) found.push(["person", `All of ${called("person", entry.person)}`, "Show every picture of this person"]);
  if (write && entry.person !== null) found.push(["rename", "Rename …", "Give this person another name"]);
  if (write) found.push(["remove", "Remove …", "Remove from the gallery for good"]);
  return found;
}

function actions(hit, item, { write, act, grouping }) {
  const made = wanted(hit, write, grouping).map(([name, text, title]) => {
    const button = element("button", { type: "button", textContent: text, title });
    button.dataset.act = name;
    button.addEventListener("click", () => {
      item.querySelector("details")?.removeAttribute("open");
      act(name, hit, item);
    });
    return button;
  });
  const box = element("div", { className: "actions" }, ...made.slice(0, 2));
  if (made.length > 2) {
    const opener = element("summary", { textContent: "⋯", title: "More actions" });
    opener.setAttribute("aria-label", `More actions for ${describe(hit.entry)}`);
    const menu = element("details", { className: "menu", name: "menu" }, opener, element("div", {}, ...made.slice(2)));
    box.append(menu);
  }
  return box;
}
