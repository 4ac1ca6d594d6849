"""Loop: a pipeline with the parts that may change while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from realtime.config import RecordingOutput, Settings, WindowOutput
from realtime.effort import Quality
from realtime.equipment import Equipment
from realtime.frame import RealtimeError, Source
from realtime.keys import QUIT, SNAPSHOT, free_path, press, signals
from realtime.meter import Statistics as Figures
from realtime.pipeline import Pipeline
from realtime.ports import Ports
from realtime.sinks.output import Painted
from realtime.stages.guides import Guides
from realtime.stages.overlay import Mirror, Overlay, Statistics, label_off

logger = logging.getLogger(__name__)

_OPENED_WITH = ("model", "confidence", "tiles")
_FACES = ("sources", "assign", "engine", "boost", "masks", "points", "recogniser", "enhancer")


class Loop:
    """The pipeline, the settings it runs with, and every change of them from keys, signals, a settings file or a page.

    parts: detect, track, swap, blend, overlay and audio by their section's name; each has `settings` that may be replaced at any time.
    quality: what gives them their effort.  equipment: brings the faces.  ports: the outputs.
    """

    source: Source
    pipeline: Pipeline
    ports: Ports

    def __init__(self, settings: Settings, parts: Mapping[str, Any], quality: Quality, equipment: Equipment) -> None:
        self.settings = self._started = settings
        self._equipment = equipment
        self._quality = quality
        self._parts = parts
        self._overlay: Overlay = parts["overlay"]
        self._windows: list[tuple[Painted, Mirror, Statistics]] = []
        self._label = "AI-altered" if label_off(settings.overlay) else settings.overlay.label

    def run(
        self, between: Callable[[], None] | None = None, settings: Callable[[], Settings] | None = None, signalled: bool = True
    ) -> None:
        """Run to the end; Ctrl-C and signals count meanwhile.  Raises like Pipeline.run().

        between: called about thirty times a second.  settings: reads the settings again, for SIGHUP; without it that
        signal, which comes when the terminal is closed, ends the loop like the others.  signalled: False in a thread
        that is not the main one, where no signals come.
        """
        marks: set[str] = set()

        def look() -> None:
            if "toggle" in marks:
                marks.discard("toggle")
                self.press("s")
            if "reload" in marks:
                marks.discard("reload")
                if settings:
                    self._reload(settings)
            newest = self.pipeline.latest
            self._quality.look(time.perf_counter(), self.pipeline.work(), self._parts["swap"].drawn, newest.index if newest else 0)
            if between:
                between()

        reload = (lambda: marks.add("reload")) if settings else None
        with signals(self.pipeline.quit, lambda: marks.add("toggle"), reload) if signalled else nullcontext():
            self.pipeline.run(look)

    def statistics(self) -> Figures:
        """The figures now, with the quality; cheap, and safe to call from any thread."""
        return replace(self.pipeline.statistics(), quality=self._quality.levels())

    @property
    def wearing(self) -> Mapping[int, str]:
        """Source by track, of who is to wear one in the newest frame."""
        wearing: Mapping[int, str] = self._parts["swap"].wearing
        return wearing

    def add_window(self, window: Painted, mirror: Mirror, panel: Statistics) -> None:
        """Know a preview window with the stages that its settings switch."""
        self._windows.append((window, mirror, panel))
        self._arrange(self.settings)

    def change(self, settings: Settings) -> None:
        """Take new settings while the loop goes on; raises RealtimeError, with nothing changed.

        Faces and networks that were not there yet are read and opened in the thread that calls, one at a time.  What
        restarts() names counts from the next start, and the log says so.
        """
        before = self.settings
        later = [name for name in self.restarts(settings) if name in _later(settings, before)]
        with ExitStack() as undo:
            if settings.overlay != before.overlay:
                undo.callback(setattr, self._overlay, "settings", before.overlay)
                self._overlay.settings = settings.overlay
            if settings.audio != before.audio:
                undo.callback(setattr, self._parts["audio"], "settings", before.audio)
                self._parts["audio"].settings = settings.audio
            undo.callback(self._equipment.tidy, before)
            outfit = self._equipment.arm(settings) if _faces(settings) != _faces(before) else None
            if settings.outputs != before.outputs:
                self.ports.change(settings.outputs)
            undo.pop_all()
        if outfit is not None:
            self._parts["swap"].wear(outfit.engines, settings.swap, outfit.default)
            self._equipment.tidy(settings)
        elif settings.swap != before.swap:
            self._parts["swap"].settings = settings.swap
        for name in ("detect", "track", "blend"):
            if getattr(settings, name) != getattr(before, name):
                self._parts[name].settings = getattr(settings, name)
        self.settings = settings
        self._arrange(settings)
        self._tell(settings, before, later)

    def prepare(self, settings: Settings) -> None:
        """Read and open what change() will need for them, so that it takes but a moment; raises RealtimeError."""
        if _faces(settings) != _faces(self.settings):
            with ExitStack() as undo:
                undo.callback(self._equipment.tidy, self.settings)
                self._equipment.arm(settings)
                undo.pop_all()

    def restarts(self, settings: Settings) -> list[str]:
        """What differs from the settings that the loop was built with and cannot change while it runs, as section or section.key."""
        return _later(settings, self._started)

    def _tell(self, settings: Settings, before: Settings, later: Sequence[str]) -> None:
        if later:
            logger.info("From the next start: %s.", ", ".join(later))
        if settings.quality != before.quality:
            self._quality.choose(settings.quality)
            logger.info("Quality: %s", settings.quality)
        if label_off(settings.overlay) and not label_off(before.overlay):
            logger.info("The label is off: viewers are not told that this video is altered.")
        if settings.audio.microphone != before.audio.microphone:
            # A file's tracks are fixed when it begins.
            for state in [port.state() for port in self.ports if isinstance(port.output, RecordingOutput)]:
                if state.state == "on air" and state.problem:
                    logger.warning("%s", state.problem)
        if settings.swap.sources[:1] != before.swap.sources[:1]:
            logger.info("The face is now %s.", settings.swap.sources[0] if settings.swap.sources else "nobody's")

    def press(self, key: str) -> None:
        """What a hot key of the preview does."""
        if key in QUIT:
            self.pipeline.quit()
        elif key == SNAPSHOT:
            self.snapshot(Path.cwd())
        else:
            self._attempt(lambda: press(key, self.settings, self._label))

    def snapshot(self, folder: Path) -> Path | None:
        """Write the newest finished frame, with the label, as a PNG file; its path, or None where that fails."""
        frame = self.pipeline.latest
        if frame is None:
            return None
        path = free_path(folder)
        done, data = cv2.imencode(".png", self._overlay(frame).image)
        try:
            path.write_bytes(data.tobytes() if done else b"")
        except OSError as error:
            logger.warning("The snapshot %s cannot be written: %s.", path.name, error.strerror)
            return None
        logger.info("Snapshot %s", path.name)
        return path

    def _reload(self, settings: Callable[[], Settings]) -> None:
        if self._attempt(settings):
            logger.info("The settings were read again.")

    def _attempt(self, settings: Callable[[], Settings]) -> bool:
        try:
            self.change(settings())
        except RealtimeError as error:
            logger.warning("%s", error)
            return False
        return True

    def _arrange(self, settings: Settings) -> None:
        wanted = [output for output in settings.outputs if isinstance(output, WindowOutput)]
        guides = Guides(settings.overlay.guides)
        # The mirror comes first, so that the label stays readable.
        for (window, mirror, panel), output in zip(self._windows, wanted, strict=False):
            panel.shown = output.statistics
            window.stages = (*([mirror] if output.mirror else []), self._overlay, guides, panel)


def _later(settings: Settings, before: Settings) -> list[str]:
    """What differs and is fixed when the loop is built."""
    sections: list[tuple[str, object, object]] = [
        ("input", settings.input, before.input),
        ("outputs", _windows(settings), _windows(before)),
        ("models", settings.models, before.models),
    ]
    sections += [(f"detect.{name}", getattr(settings.detect, name), getattr(before.detect, name)) for name in _OPENED_WITH]
    return [name for name, new, old in sections if new != old]


def _faces(settings: Settings) -> list[object]:
    """What faces and networks are named by."""
    return [getattr(settings.swap, name) for name in _FACES]


def _windows(settings: Settings) -> int:
    return sum(isinstance(output, WindowOutput) for output in settings.outputs)


__all__ = ["Loop"]
