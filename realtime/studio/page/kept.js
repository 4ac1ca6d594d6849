// How this browser likes the page: kept on this computer, and nowhere else.

const PREFIX = "swapcam.";

/** What was kept under a name, or the other value. */
export function kept(name, otherwise) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Keep a value; a browser that keeps nothing only forgets it. */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A private window may refuse; the page works without.
  }
}
