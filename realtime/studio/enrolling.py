"""Enrolling from a page: photos one by one with a verdict each, then the name and the statement that the person agreed."""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from realtime.frame import Image, RealtimeError
from realtime.people import identities
from realtime.people.enrol import enrol, look
from realtime.studio.people import jpeg
from realtime.studio.photos import decoded

if TYPE_CHECKING:
    from models.detector import Detector
    from models.landmarks import Landmarker, Landmarks

_PEOPLE = 6
_PHOTOS = 20
_IDLE = 3600.0


@dataclass
class _Enrolment:
    folder: Path
    touched: float
    good: dict[int, bool] = field(default_factory=dict)
    count: int = 0


class Enrolments:
    """Photos on their way to an identity, kept in a folder of their own that nobody else may read, until they are used,
    dropped, or an hour old.

    Safe from any thread; photos are looked at one after another, because decoding takes memory and models take turns.
    Every method raises RealtimeError with a sentence, and KeyError for an enrolment or photo that is not there.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Enrolment] = {}
        self._lock = threading.Lock()
        self._parts = ExitStack()
        self._models: tuple[Detector, Landmarker] | None = None

    def begin(self) -> str:
        """The id of a new enrolment."""
        with self._lock:
            self._forget(time.monotonic() - _IDLE)
            while len(self._open) >= _PEOPLE:
                self._drop(min(self._open, key=lambda name: self._open[name].touched))
            name = secrets.token_urlsafe(12)
            self._open[name] = _Enrolment(Path(tempfile.mkdtemp(prefix="swapcam-")), time.monotonic())
            return name

    def add(self, name: str, data: bytes, kind: str) -> dict[str, Any]:
        """Look at a photo: {number, good, sentence, thumbnail}; a bad one is not kept for the identity.

        data: the file.  kind: its media type.  thumbnail: data URL of the face, or of the whole picture without one.
        """
        with self._lock:
            enrolment = self._found(name)
            if len(enrolment.good) >= _PHOTOS:
                raise RealtimeError(f"{_PHOTOS} photos are enough; leave one out first.")
            image = decoded(data, kind)
            number = enrolment.count = enrolment.count + 1
            # Written anew, so that nothing but the picture goes on: no place, no date, no second file hidden behind it.
            path = enrolment.folder / f"photo-{number}.png"
            try:
                path.write_bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
            except OSError as error:
                raise RealtimeError(f"The photo cannot be kept until it is used: {error.strerror}.") from None
            good, sentence, face = self._verdict(path)
            enrolment.good[number] = good
            if not good:
                path.unlink()
            picture = base64.b64encode(jpeg(image if face is None else _cut(image, face), 160)).decode()
            return {"number": number, "good": good, "sentence": sentence, "thumbnail": f"data:image/jpeg;base64,{picture}"}

    def leave_out(self, name: str, number: int) -> None:
        """Drop a photo."""
        with self._lock:
            enrolment = self._found(name)
            del enrolment.good[number]
            (enrolment.folder / f"photo-{number}.png").unlink(missing_ok=True)

    def finish(self, name: str, person: str, consent: bool, overwrite: bool = False) -> str:
        """Store the identity under the person's name, which comes back as it is stored, and drop the photos."""
        with self._lock:
            enrolment = self._found(name)
            person = identities.check_name(person)
            if not consent:
                raise RealtimeError(f"{person} was not enrolled: nobody confirmed that the person agreed.")
            if person in identities.names() and not overwrite:
                raise RealtimeError(f"{person} is enrolled already; choose another name, or replace that face.")
            paths = [enrolment.folder / f"photo-{number}.png" for number, good in enrolment.good.items() if good]
            if not paths:
                raise RealtimeError("There is no good photo yet; add one that shows the whole face from the front.")
            try:
                made = enrol(person, paths, *self._opened(), None)
            except RealtimeError as error:
                raise RealtimeError(_plain(str(error), enrolment.folder)) from None
            identities.save(replace(made, consent=identities.Consent.now()), overwrite)
            self._drop(name)
            return person

    def drop(self, name: str) -> None:
        """Forget an enrolment and its photos."""
        with self._lock:
            self._found(name)
            self._drop(name)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            for name in list(self._open):
                self._drop(name)
            self._models = None
            self._parts.close()

    def _verdict(self, path: Path) -> tuple[bool, str, Landmarks | None]:
        from models import quality

        try:
            image, landmarks = look(path, *self._opened(), None)
        except RealtimeError as error:
            return False, _plain(str(error).replace("; choose one with --face N", "; cut it to one person"), path.parent), None
        aside = quality.problems(image, landmarks)
        if aside:
            return True, f"Of use beside another one from the front: {'; '.join(aside)}.", landmarks
        return True, "Good.", landmarks

    def _opened(self) -> tuple[Detector, Landmarker]:
        if self._models is None:
            from models.detector import Detector
            from models.landmarks import Landmarker

            detector, landmarker = Detector(), Landmarker()
            self._parts.callback(detector.close)
            self._parts.callback(landmarker.close)
            self._models = detector, landmarker
        return self._models

    def _found(self, name: str) -> _Enrolment:
        enrolment = self._open[name]
        enrolment.touched = time.monotonic()
        return enrolment

    def _forget(self, before: float) -> None:
        for name in [name for name, enrolment in self._open.items() if enrolment.touched < before]:
            self._drop(name)

    def _drop(self, name: str) -> None:
        shutil.rmtree(self._open.pop(name).folder, ignore_errors=True)


def _cut(image: Image, landmarks: Landmarks) -> Image:
    """A square with the whole head of these landmarks."""
    points = np.asarray(landmarks)[:, :2]
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    half = 0.85 * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2 - 0.1 * half
    height, width = image.shape[:2]
    half = min(half, x, y, width - x, height - y) if min(x, y, width - x, height - y) > 0.6 * half else half
    rows = slice(max(0, round(y - half)), min(height, round(y + half)))
    columns = slice(max(0, round(x - half)), min(width, round(x + half)))
    return np.ascontiguousarray(image[rows, columns])


def _plain(text: str, folder: Path) -> str:
    """A sentence about a photo without the place where it lies for the moment."""
    lines = [line.replace(f"{folder}/", "").replace(f"{folder}\\", "") for line in text.splitlines()]
    parts = [line.partition(": ")[2] if line.startswith("photo-") and ": " in line else line for line in lines]
    return " ".join(part[:1].upper() + part[1:] for part in dict.fromkeys(parts))


__all__ = ["Enrolments"]
