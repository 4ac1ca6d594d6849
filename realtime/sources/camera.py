"""A webcam as a source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import cv2

from realtime.config import CameraInput
from realtime.fit import fit
from realtime.frame import Frame, RealtimeError
from realtime.slot import Closed, Slot
from realtime.sources.capture import Opened, asked, find, find_again, quiet, retrieve, start, why_no_picture
from realtime.sources.card import card

_TRIES = 5
_SILENCE = 0.5
_PAUSES = (0.5, 1.0, 2.0)
# What a camera that is being pulled out, or its driver, may make OpenCV and the system raise.
_FAILURES = (cv2.error, OSError)


class Camera:
    """A webcam, read in a thread of its own; iterating gives the newest picture, its time taken right after the grab.

    While the camera is away (unplugged, stalled) a card without any face comes at the nominal rate, and the camera is
    looked for until it is back, under another number too.  size: (width, height), kept when it comes back in another
    mode.  say: told the mode asked and got, and when the camera goes and comes.  Raises RealtimeError at construction.
    """

    live = True

    def __init__(self, settings: CameraInput, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._place = find(settings.device)
        quiet(True)
        try:
            opened = start(self._place, settings)
            self.size = self._first(opened)
        except BaseException:
            quiet(False)
            raise
        self.rate = opened.rate
        say(f"{self._place}: asked {asked(self._place, settings)}, got {self._mode(opened)}.")
        self._slot: Slot[Frame] = Slot()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        index, cards, away, last = -1, 0, False, 0.0
        plain = card(self.size)
        while True:
            try:
                due = max(0.0, last + 1 / self.rate - time.perf_counter())
                frame = self._slot.take(due if away else max(_SILENCE, 3 / self.rate))
            except Closed:
                return
            except TimeoutError:
                index, cards, away, last = index + 1, cards + 1, True, time.perf_counter()
                yield Frame(plain, index, last, card=True)
                continue
            if frame.time > last:  # grabbed while the last card was on its way: too late
                away, index, last = False, frame.index + cards, frame.time
                yield Frame(frame.image, index, last)

    def close(self) -> None:
        """End within a second; a driver that hangs in a read is left to its thread, which lets the camera go afterwards."""
        self._stop.set()
        self._slot.close()
        self._thread.join(0.9)
        quiet(False)

    def _first(self, opened: Opened) -> tuple[int, int]:
        """Size of the first picture, which proves that the camera works."""
        for _ in range(_TRIES):
            image = retrieve(opened.capture) if opened.capture.grab() else None
            if image is not None:
                return image.shape[1], image.shape[0]
        opened.capture.release()
        raise RealtimeError(why_no_picture(self._place))

    def _mode(self, opened: Opened) -> str:
        return f"{self.size[0]}x{self.size[1]} at {opened.rate:g}" + (f" ({opened.format})" if opened.format else "")

    def _work(self, first: Opened) -> None:
        """Grab until closed; whenever the camera goes away, wait for it."""
        opened: Opened | None = first
        index = 0
        try:
            while opened is not None:
                try:
                    index = self._pass_on(opened, index)
                finally:
                    _release(opened)
                opened = self._again()
        except Closed:
            return

    def _pass_on(self, opened: Opened, index: int) -> int:
        """Hand out pictures until the camera fails; returns the next index."""
        misses = 0
        while misses < _TRIES and not self._stop.is_set():
            began = time.perf_counter()
            try:
                grabbed = opened.capture.grab()
                now = time.perf_counter()
                image = retrieve(opened.capture) if grabbed else None
                fitted = None if image is None else fit(image, self.size)
            except _FAILURES:
                break
            if fitted is not None:
                self._slot.put(Frame(fitted, index, now))
                index, misses = index + 1, 0
                continue
            # A driver that waited long before it gave up has made all the tries that make sense.
            misses += 1 if now - began < 1.0 else _TRIES
            self._stop.wait(0.02)
        return index

    def _again(self) -> Opened | None:
        """The camera, once it is back; None once closed."""
        if not self._stop.is_set():
            self._say(f"{self._place} is gone; showing a card until it is back.")
        attempt = 0
        while not self._stop.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)]):
            attempt += 1
            try:
                place = find_again(self._place, self._settings.device)
                opened = start(place, self._settings) if place else None
            except (RealtimeError, *_FAILURES):
                continue
            if place is None or opened is None:
                continue
            with suppress(*_FAILURES):
                if opened.capture.grab():
                    self._place = place
                    self._say(f"{place} is back: {opened.rate:g} frames per second" + (f" ({opened.format})." if opened.format else "."))
                    return opened
            _release(opened)
        return None


def _release(opened: Opened) -> None:
    with suppress(*_FAILURES):
        opened.capture.release()
