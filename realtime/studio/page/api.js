// What the page says to the machine: requests as JSON, and problems as one sentence.

/** What the machine refused, in its own words; status 0: it did not answer. */
export class Problem extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function sentence(response) {
  try {
    const body = await response.json();
    if (body.problem) return body.problem;
  } catch {
    // An answer that is not ours has no sentence in it; the status has to do.
  }
  if (response.status === 401 || response.status === 403) return "Open the Studio with the link that swapcam printed; this one has no valid token.";
  if (response.status === 413) return "That is too large for the Studio.";
  if (response.status === 429) return "That was too much at once; wait a moment.";
  return `The Studio answered with status ${response.status}.`;
}

/** The answer to a request; raises Problem.  body: an object (sent as JSON) or a Blob (sent as it is). */
export async function ask(method, path, body) {
  const request = { method, credentials: "same-origin", headers: {} };
  if (body instanceof Blob) {
    request.body = body;
    request.headers["Content-Type"] = body.type;
  } else if (method !== "GET") {
    request.body = JSON.stringify(body ?? {});
    request.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Problem("The Studio does not answer.", 0);
  }
  if (!response.ok) throw new Problem(await sentence(response), response.status);
  const type = response.headers.get("Content-Type") ?? "";
  return type.startsWith("application/json") ? response.json() : response.blob();
}

/** ask for a path made of names that may hold any letter: at`/api/sources/${name}`. */
export function at(parts, ...names) {
  return parts.reduce((path, part, index) => path + encodeURIComponent(names[index - 1]) + part);
}
