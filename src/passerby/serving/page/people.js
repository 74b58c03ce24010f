// Corrections of identities: confirm, reject, remove. The reference is who is looked for.

import { call } from "./api.js";
import { ask } from "./dialogs.js";
import { personOf } from "./results.js";

// A reference is { person, key }: the identity that was looked for, if it has one, and its entry.
export async function confirmMatch(reference, entry) {
  const { person, key } = reference;
  if (person !== null && entry.person_id === person) return { note: `Already ${personOf(entry)}.` };
  if (person !== null && entry.person_id !== null) {
    const sure = await ask(
      "Make two identities one?",
      `All entries of person ${entry.person_id} become person ${person}. This cannot be undone in one step.`,
      "Make them one",
    );
    if (!sure) return null;
    await call("POST", "persons/merge", { json: { persons: [entry.person_id], into: person } });
    return { from: entry.person_id, to: person, note: `Person ${entry.person_id} is now person ${person}.` };
  }
  if (person !== null) {
    await call("POST", "persons/assign", { json: { keys: [entry.key], person_id: person } });
    return { keys: [entry.key], to: person, note: `Confirmed: person ${person}.` };
  }
  if (entry.person_id !== null) {
    if (key) await call("POST", "persons/assign", { json: { keys: [key], person_id: entry.person_id } });
    return { keys: key ? [key] : [], to: entry.person_id, note: `Whoever is looked for is person ${entry.person_id}.` };
  }
  const keys = key ? [key, entry.key] : [entry.key];
  const made = await call("POST", "persons/split", { json: { keys } });
  return { keys, to: made.person_id, note: `Confirmed: a new identity, person ${made.person_id}.` };
}

export async function rejectMatch(reference, entry) {
  if (reference.person === null || entry.person_id !== reference.person) {
    return { note: "Put aside on this page; the gallery did not say that they are one person." };
  }
  const made = await call("POST", "persons/split", { json: { keys: [entry.key] } });
  return { keys: [entry.key], to: made.person_id, note: `Split off: this entry is now person ${made.person_id}.` };
}

export async function removeForGood(entry) {
  const whole = entry.person_id !== null;
  const sure = await ask(
    whole ? `Remove person ${entry.person_id}?` : "Remove this entry?",
    (whole ? "All entries of this person" : "This entry") +
      " will be removed from the gallery, out of its files too. This cannot be undone. The pictures themselves stay where they lie.",
    "Remove for good",
    true,
  );
  if (!sure) return null;
  const answer = whole
    ? await call("DELETE", `persons/${entry.person_id}`)
    : await call("DELETE", "entries", { query: { key: entry.key } });
  return { person: entry.person_id, key: entry.key, note: `Removed for good: ${answer.removed} ${answer.removed === 1 ? "entry" : "entries"}.` };
}
