// The head of the page: the state in words, undo and redo, presets, saving, help.

import { ask, at } from "./api.js";
import { button, make } from "./element.js";
import { agree, named } from "./dialog.js";
import { awaiting } from "./faces.js";
import { attempt, inform, wrong } from "./messages.js";
import { open as openMenu } from "./menu.js";
import { refresh } from "./connection.js";
import { headControl } from "./run.js";
import { help } from "./shortcuts.js";
import { on, state } from "./store.js";

/** Build the head. */
export function begin() {
  const back = button("undo", "Undo (Ctrl+Z)", undo);
  const forth = button("redo", "Redo (Ctrl+Shift+Z)", redo);
  const presets = button("preset", "Presets", (event) => menu(event.currentTarget), { text: "Presets", "aria-haspopup": "menu" });
  const saving = button("save", "Save (Ctrl+S)", save, { text: "Save" });
  const keys = button("help", "Shortcuts (?)", help, { kind: "quiet keys" });
  document.getElementById("actions").append(back, forth, presets, saving, keys, headControl());
  on(["history", "connected"], ({ history, connected }) => {
    back.disabled = !connected || !history?.undo;
    forth.disabled = !connected || !history?.redo;
  });
  on(["connected"], ({ connected }) => { presets.disabled = saving.disabled = !connected; });
  on(["loop", "connected", "figures", "settings", "sources", "faces"], say);
}

/** Take the last change back. */
export async function undo() {
  if (state.history.undo) await attempt(() => ask("POST", "/api/undo"));
}

/** Make it again. */
export async function redo() {
  if (state.history.redo) await attempt(() => ask("POST", "/api/redo"));
}

/** Write the settings to the file. */
export async function save() {
  const answer = await attempt(() => ask("POST", "/api/save"));
  if (answer) inform(`Saved to ${answer.path ?? answer.config ?? state.config}.`);
}

function menu(anchor) {
  const all = state.presets.map((name) => ({ text: name, press: () => apply(name) }));
  const more = [{ text: "Save these settings as a preset…", press: keepAs }];
  if (all.length) more.push({ text: "Delete a preset…", danger: true, press: () => drop(anchor) });
  openMenu(anchor, "Presets", [...all, ...(all.length ? ["This one"] : []), ...more]);
}

async function apply(name) {
  await attempt(async () => {
    await ask("POST", at`/api/presets/${name}`);
    await refresh();
    inform(`${name} is in use; Undo brings back what was before.`);
  });
}

async function keepAs() {
  const name = await named("Save a preset", "Name", "Save");
  if (!name) return;
  await attempt(async () => {
    await ask("PUT", at`/api/presets/${name}`);
    await refresh();
    inform(`${name} is among the presets now.`);
  });
}

function drop(anchor) {
  openMenu(anchor, "Delete which preset?", state.presets.map((name) => ({
    text: name,
    danger: true,
    press: async () => {
      if (!(await agree(`Delete ${name}?`, "The preset is deleted from this computer.", "Delete"))) return;
      await attempt(async () => {
        await ask("DELETE", at`/api/presets/${name}`);
        await refresh();
      });
    },
  })));
}

function say({ loop, connected, settings, faces }) {
  const words = { running: "Live", starting: "Starting", stopped: "Stopped", ended: "Ended", failed: "Failed" };
  const shown = document.getElementById("state");
  const covered = settings && awaiting(settings.swap, faces);
  const own = settings && !covered && (!settings.swap.enabled || !settings.swap.sources.length);
  const how = own ? "Live, own face shown" : covered ? "Live, face covered" : words.running;
  const text = connected === null ? "Connecting" : !connected ? "No connection" : loop.state === "running" ? how : words[loop.state] ?? loop.state;
  shown.dataset.state = connected === null ? "starting" : !connected ? "lost" : loop.state === "running" && own ? "own" : loop.state;
  // Written only when it differs: each writing is read aloud.
  if (shown.lastElementChild.textContent !== text) shown.lastElementChild.textContent = text;
  const problem = document.getElementById("problem");
  const sentence = connected ? loop.problem || "" : "";
  const news = problem.textContent !== sentence;
  if (news) problem.textContent = sentence;
  problem.hidden = !sentence;
  // Whoever changes a setting further down does not see the page's head.
  if (news && sentence && problem.getBoundingClientRect().top < 0) wrong(sentence);
  document.title = connected && loop.state === "running" ? "● swapcam Studio" : "swapcam Studio";
}
