"""Show: a loop that somebody watches and steers, with its settings, their history, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.meter import Statistics
from realtime.ports import OutputState
from realtime.settings import Key
from realtime.sinks.monitor import Monitor
from realtime.steering import keeping
from realtime.steering.consent import agreed, photos, unassigned, without
from realtime.steering.history import History, Plan, Step, changed
from realtime.steering.listeners import Listeners
from realtime.steering.recorder import Recorder
from realtime.steering.runner import Runner, State
from realtime.steering.seen import FaceState, at, png, seen
from realtime.steps import unique


class Show:
    """Loops one after another, steered from any thread.

    monitor: gets every finished frame; close() closes it.  config: the file that save() writes; None: the one in the user's own
    folder.  folder: where recordings go.  photo_face: which face of a source photo with several.
    Photos can be sources only where the settings at the beginning name them; else a source is somebody enrolled.
    """

    def __init__(self, settings: Settings, monitor: Monitor, config: Path | None, folder: Path, photo_face: int | None = None) -> None:
        self.monitor, self.folder = monitor, folder
        self.config = config or keeping.home()
        self._kept = keeping.read(self.config)
        self._photos = photos(settings)
        self._plan = Plan(settings)
        # Numbers of people that were clicked: they mean nothing to the next loop, nor in a file.
        self._clicked: set[int] = set()
        self._recorder = Recorder(folder)
        self._listeners = Listeners()
        self._lock = threading.RLock()
        self._runner = Runner(monitor, self._offer, self._answer, self._heard, photo_face)

    @property
    def state(self) -> State:
        """stopped, starting, running, ended (the clip is over) or failed."""
        return self._runner.state

    @property
    def problem(self) -> str:
        """What went wrong last, as a sentence; "" when nothing did, or something went well since."""
        return self._runner.problem

    @property
    def settings(self) -> Settings:
        """The settings that count; the loop may still be on its way to them."""
        return self._plan.settings

    @property
    def undoable(self) -> bool:
        """Whether undo() does something."""
        return self._plan.history.undoable

    @property
    def redoable(self) -> bool:
        """Whether redo() does something."""
        return self._plan.history.redoable

    def start(self) -> None:
        """Start the loop soon; where it runs, try again what failed of its outputs."""
        self._runner.start()

    def stop(self) -> None:
        """End the loop and wait for that."""
        self._runner.stop()

    def close(self) -> None:
        """End everything; may be called again."""
        self._runner.close()
        self.monitor.close()

    def change(self, path: Sequence[Key], value: Any) -> Settings:
        """Replace one value, as one step; raises RealtimeError.

        What takes long is done by the thread of the loop: when it cannot be, the settings of before come back, and
        `problem` tells why.
        """
        single = isinstance(value, (int, float, str)) and not isinstance(value, bool)

        def step(history: History) -> None:
            history.push(self._agreed(changed(history.settings, path, value)), tuple(path) if single else None)

        return self._do(step)

    def replace(self, settings: Settings) -> Settings:
        """Take other settings, as one step; raises RealtimeError."""
        return self._do(lambda history: history.push(self._agreed(settings)))

    def undo(self) -> Settings:
        """Back to the settings before the last step; raises RealtimeError."""
        return self._do(lambda history: self._moved(history, history.undo))

    def redo(self) -> Settings:
        """Forth to the settings that were undone; raises RealtimeError."""
        return self._do(lambda history: self._moved(history, history.redo))

    def forget(self, name: str) -> None:
        """Let nobody wear a face any more, now or by undoing: its person does not agree any longer."""
        self._everywhere(lambda settings: without(settings, name))
        self._runner.nudge()

    def faces(self) -> list[FaceState]:
        """Everybody in the newest frame; nobody while there is no loop."""
        loop, view = self._runner.loop, self.monitor.latest
        return seen(view.frame, loop.wearing, self.settings.blend) if loop is not None and view is not None else []

    def assign(self, x: float, y: float, source: str | None) -> Settings:
        """Put a source's face on whoever is at a place of the picture, fractions of it; None: what others get.  Raises RealtimeError."""
        face = at(self.faces(), x, y)
        if face is None:
            raise RealtimeError("Nobody's face is at that place of the picture.")
        self._clicked.add(face.track)
        assign = {track: name for track, name in self.settings.swap.assign.items() if track != face.track}
        return self.change(("swap", "assign"), assign if source is None else assign | {face.track: source})

    def record(self, on: bool) -> Path | None:
        """Begin or end a recording in `folder`; its file, None where nothing was recorded.  Raises RealtimeError."""
        if not on:
            try:
                return self._recorder.stop()
            finally:
                self._listeners.tell("outputs")
        loop = self._runner.loop
        if loop is None:
            raise RealtimeError("Nothing is running that could be recorded; start it first.")
        path = self._recorder.start(loop)
        # It may have failed before it was known as the one that may.
        self._heard("outputs")
        return path

    @property
    def recording(self) -> Path | None:
        """The file that is being recorded."""
        return self._recorder.path

    def snapshot_png(self) -> bytes:
        """The newest picture as it leaves the machine, with the label, as a PNG file; raises RealtimeError."""
        view = self.monitor.latest
        if view is None:
            raise RealtimeError("There is no picture yet; start the loop first.")
        return png(view.shown)

    def save(self) -> Path:
        """Write the settings into `config`, comments kept; the file.  Raises RealtimeError."""
        settings = unassigned(self.settings, self._clicked)
        keeping.save(self.config, settings, self._kept)
        self._kept = settings
        return self.config

    def presets(self) -> list[str]:
        """The names of all presets; raises RealtimeError."""
        return keeping.presets()

    def save_preset(self, name: str) -> None:
        """Keep how faces look now under a name; raises RealtimeError."""
        keeping.save_preset(name, self.settings)
        self._listeners.tell("presets")

    def apply_preset(self, name: str) -> Settings:
        """Take a preset, as one step; raises RealtimeError."""
        return self._do(lambda history: history.push(self._agreed(keeping.preset(name, history.settings))))

    def remove_preset(self, name: str) -> None:
        """Delete a preset; raises RealtimeError."""
        keeping.remove_preset(name)
        self._listeners.tell("presets")

    def statistics(self) -> Statistics | None:
        """The loop's figures now; None while there is no loop."""
        loop = self._runner.loop
        return loop.statistics() if loop else None

    def outputs(self) -> list[OutputState]:
        """How each output is doing."""
        loop = self._runner.loop
        if loop is not None:
            return [state for state in loop.ports.states() if state.kind != "none"]
        kinds = [output.kind for output in self.settings.outputs if output.kind not in ("window", "none")]
        return [OutputState(name, kind, "off") for name, kind in zip(unique(kinds), kinds, strict=True)]

    def listen(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Tell a function, in any thread, what changed (state, settings, outputs, sources, presets), until what this gives is called."""
        return self._listeners.add(callback)

    def _do(self, step: Step) -> Settings:
        with self._lock:
            before = self.settings
            self._plan.do(step)
            if self.settings == before:
                return before
            try:
                if self._runner.change(self.settings):
                    self._plan.settle()
            except RealtimeError:
                self._plan.take_back()
                raise
        self._compared(before)
        return self.settings

    def _offer(self) -> Settings:
        with self._lock:
            return self._plan.offer()

    def _answer(self, problem: str) -> bool:
        with self._lock:
            before = self.settings
            more = self._plan.refuse() if problem else self._plan.accept()
        self._compared(before)
        return more

    def _everywhere(self, change: Callable[[Settings], Settings]) -> None:
        with self._lock:
            before = self.settings
            self._plan.everywhere(change)
        self._compared(before)

    def _moved(self, history: History, move: Callable[[], None]) -> None:
        before = history.settings
        move()
        agreed(history.settings, before, self._photos)

    def _agreed(self, wanted: Settings) -> Settings:
        return agreed(wanted, self.settings, self._photos)

    def _compared(self, before: Settings) -> None:
        if before != self.settings:
            self._listeners.tell("settings")
            if before.swap != self.settings.swap:
                self._listeners.tell("sources")

    def _heard(self, event: str) -> None:
        if event == "over":
            self._recorder.over()
            if self._clicked:
                self._everywhere(lambda settings: unassigned(settings, self._clicked))
                self._clicked.clear()
        elif event == "begun" and self._runner.loop is not None:
            self._runner.say(self._recorder.resume(self._runner.loop))
        elif event != "begun":
            if self.state in ("stopped", "ended", "failed"):
                self._recorder.rest()
            self._listeners.tell(event)
            if event == "outputs" and (trouble := self._recorder.trouble()):
                self._runner.say(trouble)


__all__ = ["FaceState", "OutputState", "Show"]
