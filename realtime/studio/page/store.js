// What the page knows of the machine, and who wants to hear of a change.

const listeners = [];

/** The machine's state as /api/state gives it; `connected` is null until it has answered or not for the first time. */
export const state = {
  connected: null, version: "", loop: { state: "starting", problem: "" }, settings: null, controls: [],
  history: { undo: false, redo: false }, config: "", presets: [], sources: [], models: {}, outputs: [], faces: [], recording: null,
  figures: null, call: { visitors: 0, limit: 0 }, folder: "", log: [],
};

/** Call `tell` with the state now and whenever one of the keys was set. */
export function on(keys, tell) {
  listeners.push({ keys: new Set(keys), tell });
  tell(state);
}

/** Take over new values, and tell those who listen for one that differs. */
export function merge(values) {
  const changed = Object.keys(values).filter((key) => JSON.stringify(values[key]) !== JSON.stringify(state[key]));
  Object.assign(state, values);
  for (const { keys, tell } of listeners) {
    if (!changed.some((key) => keys.has(key))) continue;
    try {
      tell(state);
    } catch (fault) {
      // A part of the page that fails is told in the console, and does not take the others with it.
      reportError(fault);
    }
  }
}

/** The setting at a path such as ["swap", "shape"]; undefined where there is none. */
export function setting(path) {
  return path.reduce((value, key) => (value === null || value === undefined ? undefined : value[key]), state.settings);
}
