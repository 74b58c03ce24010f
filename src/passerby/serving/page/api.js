// Calls of the API. Every refusal becomes an ApiError with the server's one line.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function call(method, path, { query = {}, json, picture, signal, as = "json" } = {}) {
  const headers = {};
  let body;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  } else if (picture) {
    headers["Content-Type"] = picture.type || "application/octet-stream";
    body = picture;
  }
  let response;
  try {
    response = await fetch(address(path, query), { method, headers, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) document.dispatchEvent(new Event("logged-out"));
    throw new ApiError(response.status, answer.error || `The server answered ${response.status}.`);
  }
  return as === "blob" ? response.blob() : response.json();
}

export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") parameters.append(name, one);
    }
  }
  const text = parameters.toString();
  return `/v1/${path}${text ? `?${text}` : ""}`;
}

export function pictureAddress(key, overlay = "") {
  return overlay
    ? address("entries/overlay", { key, kind: overlay })
    : address("entries/picture", { key });
}

// All entries that a filter leaves, page by page.
export async function entriesOf(filter) {
  const found = [];
  let after = "";
  while (after !== null) {
    const page = await call("GET", "entries", { query: { ...filter, limit: 200, after } });
    found.push(...page.entries);
    after = page.after;
  }
  return found;
}
