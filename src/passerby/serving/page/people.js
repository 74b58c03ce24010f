// Corrections of identities: confirm, reject, remove. The reference is who is looked for.

import { call } from "./api.js";
import { ask } from "./dialogs.js";
import { called, personOf } from "./results.js";

const named = (person) => called("person", person);

// A reference is { person, key }: the identity that was looked for, if it has one, and its entry.
export async function confirmMatch(reference, entry) {
  const { person, key } = reference;
  if (person !== null && entry.person === person) return { note: `Already ${personOf(entry)}.` };
  if (person !== null && entry.person !== null) {
    const sure = await ask(
      "Make two identities one?",
      `All entries of ${named(entry.person)} become ${named(person)}. This cannot be undone in one step.`,
      "Make them one",
    );
    if (!sure) return null;
    await call("POST", "persons/merge", { json: { persons: [entry.person], into: person } });
    return { from: entry.person, to: person, note: `All of ${named(entry.person)} is now ${named(person)}.` };
  }
  if (person !== null) {
    await call("POST", "persons/assign", { json: { keys: [entry.key], person: person } });
    return { keys: [entry.key], to: person, note: `Confirmed: ${named(person)}.` };
  }
  if (entry.person !== null) {
    if (key) await call("POST", "persons/assign", { json: { keys: [key], person: entry.person } });
    return { keys: key ? [key] : [], to: entry.person, note: `Whoever is looked for is ${named(entry.person)}.` };
  }
  const keys = key ? [key, entry.key] : [entry.key];
  const made = await call("POST", "persons/split", { json: { keys } });
  return { keys, to: made.person, note: `Confirmed: a new identity, ${named(made.person)}.` };
}

export async function rejectMatch(reference, entry) {
  if (reference.person === null || entry.person !== reference.person) {
    return { note: "Put aside on this page; the gallery did not say that they are one person." };
  }
  const made = await call("POST", "persons/split", { json: { keys: [entry.key] } });
  return { keys: [entry.key], to: made.person, note: `Split off: this entry is now ${named(made.person)}.` };
}

export async function removeForGood(entry) {
  const whole = entry.person !== null;
  const sure = await ask(
    whole ? `Remove ${named(entry.person)}?` : "Remove this entry?",
    (whole ? "All entries of this person" : "This entry") +
      " will be removed from the gallery, out of its files too. This cannot be undone. The pictures themselves stay where they lie.",
    "Remove for good",
    true,
  );
  if (!sure) return null;
  const answer = whole
    ? await call("DELETE", "persons", { query: { person: entry.person } })
    : await call("DELETE", "entries", { query: { key: entry.key } });
  return { person: entry.person, key: entry.key, note: `Removed for good: ${answer.removed} ${answer.removed === 1 ? "entry" : "entries"}.` };
}
