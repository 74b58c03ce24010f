// Corrections of identities: confirm, reject, rename, remove, undo. The reference is who is looked for.

import { call, entriesOf, pictureAddress } from "./api.js";
import { ask } from "./dialogs.js";
import { called, describe, entries, personOf } from "./words.js";

const named = (person) => called("person", person);
const confirmation = (person) => `confirmation of ${named(person)}`;

// What was changed on this page and can be undone, the last one at the end; `person` is whom the
// reference was before.
const changes = [];

export const canUndo = () => changes.length > 0;

export async function undoLast(reference) {
  const last = changes.pop();
  const answer = await call("POST", "persons/undo", { json: { change: last.change } });
  if (last.reference === reference) reference.person = last.person;
  return `Undone: ${last.what} (${entries(answer.changed)}).`;
}

async function correct(reference, how, json, text, what) {
  const made = await call("POST", `persons/${how}`, { json });
  if (made.change !== null) {
    changes.push({ change: made.change, what: what(made.person), reference, person: reference.person });
  }
  return { to: made.person, note: text(made), change: made.change };
}

// All entries that a card stands for: of its track those with the same person, where it is folded.
async function keysBehind(entry, folded) {
  if (!folded || entry.track_id === null) return [entry.key];
  const track = await entriesOf({ track: entry.track_id, camera: entry.camera });
  return track.filter((one) => one.camera === entry.camera && one.person === entry.person).map((one) => one.key);
}

async function shownPerson(person, entry = null) {
  const { people } = await call("GET", "persons", { query: { person } });
  const found = people[0] ?? { entries: 0, key: null, picture: false };
  const like = entry ?? { key: found.key, picture: found.picture, person, camera: null, timestamp: null };
  return { entry: like, source: pictureAddress(like.key), text: `${named(person)}: ${entries(found.entries)}` };
}

// A reference is { person, entry }: the identity that was looked for, if it has one, and its entry.
export async function confirmMatch(reference, hit, folded) {
  const { person, entry: query } = reference;
  const { entry } = hit;
  if (person !== null && entry.person === person) return { note: `Already ${personOf(entry)}.` };
  if (person !== null && entry.person !== null) return merged(reference, entry);
  if (person !== null) {
    const keys = await keysBehind(entry, folded);
    const made = await correct(reference, "assign", { keys, person }, () => `Confirmed: ${named(person)}.`, confirmation);
    return { ...made, keys };
  }
  const asked = query ? await keysBehind(query, folded) : [];
  if (entry.person !== null) {
    const { person: to } = entry;
    if (!query) return { keys: [], to, note: `The query is ${named(to)}.` };
    const made = await correct(reference, "assign", { keys: asked, person: to }, () => `Confirmed: the query is ${named(to)}.`, confirmation);
    return { ...made, keys: asked };
  }
  const keys = [...new Set([...asked, ...(await keysBehind(entry, folded))])];
  const made = await correct(reference, "split", { keys }, (answer) => `Confirmed: a new person, ${named(answer.person)}.`, confirmation);
  return { ...made, keys };
}

async function merged(reference, entry) {
  const { person, entry: query } = reference;
  const shown = [await shownPerson(person, query), await shownPerson(entry.person, entry)];
  const sure = await ask({
    title: `Merge ${named(entry.person)} into ${named(person)}?`,
    text: `All entries of ${named(entry.person)} become ${named(person)}. You can undo this.`,
    yes: "Merge",
    shown,
  });
  if (!sure) return null;
  const made = await correct(
    reference,
    "merge",
    { persons: [entry.person], into: person },
    (answer) => `Merged: ${named(entry.person)} is now ${named(person)} (${entries(answer.changed)}).`,
    (to) => `merge into ${named(to)}`,
  );
  return { ...made, from: entry.person };
}

export async function rejectMatch(reference, hit, folded) {
  const { entry } = hit;
  if (reference.person === null || entry.person !== reference.person) {
    return { note: "Marked as different on this page. The gallery did not say that they are one person." };
  }
  const keys = await keysBehind(entry, folded);
  const made = await correct(
    reference,
    "split",
    { keys },
    (answer) => `Split off: ${named(answer.person)}, ${entries(answer.changed)}.`,
    (to) => `split of ${named(to)}`,
  );
  return { ...made, keys };
}

export async function renamePerson(reference, { entry }) {
  const { person } = entry;
  const name = await ask({
    title: `Rename ${named(person)}?`,
    text: "All entries of this person get the new name. You can undo this.",
    yes: "Rename",
    shown: [await shownPerson(person, entry)],
    name: person,
  });
  if (!name || name === person) return null;
  const made = await correct(
    reference,
    "rename",
    { old: person, new: name },
    (answer) => `Renamed: ${named(person)} is now ${named(name)} (${entries(answer.changed)}).`,
    () => `rename to ${named(name)}`,
  );
  if (reference.person === person) reference.person = name;
  return made;
}

const AT_ONCE = 100;

export async function removeForGood(hit, folded) {
  const { entry } = hit;
  const whole = entry.person !== null;
  const keys = whole ? [] : await keysBehind(entry, folded);
  const source = pictureAddress(entry.key);
  const shown = whole
    ? await shownPerson(entry.person, entry)
    : { entry, source, text: `${describe(entry)}: ${entries(keys.length)}` };
  const sure = await ask({
    title: whole ? `Remove ${named(entry.person)}?` : `Remove ${entries(keys.length)}?`,
    text: (whole ? "All entries of this person are" : keys.length > 1 ? "All entries of this track are" : "This entry is") +
      " removed from the gallery and its files. You cannot undo this. The picture files stay where they are.",
    yes: "Remove for good",
    danger: true,
    shown: [shown],
  });
  if (!sure) return null;
  let removed = 0;
  if (whole) removed = (await call("DELETE", "persons", { query: { person: entry.person } })).removed;
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    removed += (await call("DELETE", "entries", { query: { key: keys.slice(start, start + AT_ONCE) } })).removed;
  }
  return { person: entry.person, keys: [entry.key, ...keys], note: `Removed for good: ${entries(removed)}.` };
}
