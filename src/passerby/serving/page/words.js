// What the page says of an entry: names as they are, times in the reader's own time zone.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export const counted = (count, one, several) => `${count.toLocaleString("en")} ${count === 1 ? one : several}`;
export const entries = (count) => counted(count, "entry", "entries");
export const people = (count) => counted(count, "person", "people");

// A name that is a bare number says what it is of.
export function called(kind, name) {
  return /^\d+$/.test(name) ? `${kind} ${name}` : name;
}

export function personOf(entry) {
  return entry.person === null ? "unknown person" : called("person", entry.person);
}

export function cameraOf(entry) {
  return entry.camera === null ? "" : called("camera", entry.camera);
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const zone = clock.resolvedOptions().timeZone;

export function timeOf(entry) {
  if (entry.timestamp === null) return "";
  const time = new Date(entry.timestamp * 1000);
  return Number.isNaN(time.getTime()) ? "" : clock.format(time);
}

// Where nothing else is known of it, an entry is called by its key.
export function titleOf(entry) {
  const nothing = entry.person === null && entry.camera === null && entry.timestamp === null;
  return nothing ? entry.key : personOf(entry);
}

export function describe(entry) {
  return [titleOf(entry), cameraOf(entry), timeOf(entry)].filter(Boolean).join(", ");
}

export function picture(entry, source, alt = describe(entry)) {
  const frame = element("div", { className: "picture" });
  if (!entry.picture) {
    frame.append("no picture kept");
    return frame;
  }
  const image = element("img", { alt, loading: "lazy", src: source });
  image.addEventListener("error", () => image.replaceWith("picture not found"), { once: true });
  frame.append(image);
  return frame;
}
