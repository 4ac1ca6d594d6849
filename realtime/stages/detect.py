"""Detect: fresh faces, at its own pace and whenever somebody is looked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from models.knobs import Effort
from realtime.config import DetectSettings
from realtime.frame import Face, Frame

if TYPE_CHECKING:
    from models.detector import Finds

# Small squares searched in one frame of a video; the next frame that is searched goes on with the next ones.
_LOOKS = 2
_SMALL = 0.1
_REMEMBER = 5.0


def _never() -> bool:
    return False


class Detect:
    """Runs the detector every `settings.interval` seconds of frame time, `effort.search` times that apart, and in every frame
    while `wanted()` is true.

    A frame that was searched leaves with its fresh detections as faces (box, score, points; no landmarks), any other
    with none.  While somebody is wanted and faces under a tenth of the picture's short side were seen in the last
    five seconds, the whole picture is searched for faces that small in one go, else by turns.
    """

    def __init__(self, detector: Finds, settings: DetectSettings, wanted: Callable[[], bool] = _never) -> None:
        self._detector = detector
        self.settings = settings
        self.wanted = wanted
        self.effort = Effort()
        self._last: float | None = None
        self._small: float | None = None

    def __call__(self, frame: Frame) -> Frame:
        if self.wanted() or self.due(frame.time):
            return replace(frame, faces=self.find(frame))
        return replace(frame, faces=())

    def due(self, time: float) -> bool:
        """Whether it is time for a search; a clock that jumped back counts as a new stream."""
        interval = self.settings.interval * self.effort.search
        return self._last is None or time < self._last or time - self._last >= interval - 1e-6

    def find(self, frame: Frame) -> tuple[Face, ...]:
        """Search this frame now."""
        self._last = frame.time
        if self._small is not None and not 0 <= frame.time - self._small <= _REMEMBER:
            self._small = None
        thorough = self._small is not None and self.wanted()
        found = self._detector(frame.image, looks=None if thorough else _LOOKS)
        rows = zip(found.boxes, found.scores, found.points, strict=True)
        faces = tuple(Face(box, score=float(score), points=points) for box, score, points in rows)
        limit = _SMALL * min(frame.image.shape[:2])
        if any(face.box[2] - face.box[0] < limit for face in faces):
            self._small = frame.time
        return faces


class Aside:
    """Runs a Detect in a thread of its own, so that a search never delays a live frame.

    The newest frame is searched when the interval is over; its faces leave with the first frame after that, once.
    While somebody is wanted the search runs in line, in the same frame, so that nobody reappears unseen.
    """

    def __init__(self, detect: Detect) -> None:
        self._detect = detect
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="detect")
        self._pending: Future[tuple[Face, ...]] | None = None

    def __call__(self, frame: Frame) -> Frame:
        """The frame with fresh faces or none; raises what the search raised, and RuntimeError after close()."""
        if self._detect.wanted():
            if self._pending is not None:
                self._pending.cancel()
                self._pending = None
            return replace(frame, faces=self._detect.find(frame))
        faces: tuple[Face, ...] = ()
        if self._pending is not None and self._pending.done():
            faces = self._pending.result()
            self._pending = None
        if self._pending is None and self._detect.due(frame.time):
            self._pending = self._worker.submit(self._detect.find, frame)
        return replace(frame, faces=faces)

    def close(self) -> None:
        """End the thread; may be called again."""
        self._worker.shutdown(wait=True, cancel_futures=True)
