"""Animated: a portrait moved like a person in front of a webcam, with the truth of every landmark."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from models.detector import Detector
from models.finding import faces, height
from models.landmarks import Landmarker, region_from_landmarks
from models.puppet.puppet import POINTS, Puppet
from models.puppet.scene import carry_on, framing
from models.puppet.warp import grain
from realtime.config import AnimatedInput
from realtime.frame import Frame, Image, Points, RealtimeError
from realtime.portraits import portrait
from realtime.sources.motion import Motion
from realtime.sources.photo import read_photo

_SMALLEST_FACE = 20
_CARD = 128
_NOISE_SPARE = 1 << 20


class Animated:
    """One to four people side by side in one picture, each moving in their own way; any frame can be asked for by its index.

    hide: frames for which it says True have a grey card before every head.
    live sources (settings.realtime) are paced by perf_counter, and a frame that nobody fetched before the next was due is skipped.
    size: (width, height).  total: number of frames, None where endless.
    Raises RealtimeError for a photo that cannot be read or shows no face, or one that is too small to be moved.
    """

    def __init__(self, settings: AnimatedInput, hide: Callable[[int], bool] | None = None) -> None:
        self._settings, self._hide = settings, hide
        self.live, self.rate, self.size = settings.realtime, settings.fps, (settings.width, settings.height)
        self.total = None if settings.seconds is None else max(1, round(settings.seconds * settings.fps))
        self._stop = threading.Event()
        photos = _photos(settings)
        width = settings.width // settings.people
        self._cells: list[tuple[int, Puppet, Motion]] = []
        self._canvas = np.zeros((settings.height, settings.width, 3), np.uint8)
        with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
            for person in range(settings.people):
                left = person * width
                wide = width if person + 1 < settings.people else settings.width - left
                photo, name = photos[person]
                puppet, still = _puppet(photo, name, wide, settings.height, detector, landmarker)
                self._canvas[:, left : left + wide] = still
                self._cells.append((left, puppet, Motion(settings.seed, person)))
        draw = np.random.default_rng(settings.seed)
        count = self._canvas.size + _NOISE_SPARE
        self._noise = np.clip(np.rint(draw.normal(0, settings.noise, count)), -127, 127).astype(np.int8)
        self._lock = threading.Lock()
        self.image(0)

    def _placed(self, index: int) -> list[tuple[int, Puppet, Points, Points]]:
        moment = index / self._settings.fps * self._settings.speed
        return [(left, puppet, *puppet.place(motion(moment))) for left, puppet, motion in self._cells]

    def truth(self, index: int) -> list[Points]:
        """The landmarks (478, 3) float32 px of each person in that frame, left to right, moved by the warp that paints them."""
        return [puppet.landmarks(points) + np.array([left, 0, 0], np.float32) for left, puppet, points, _ in self._placed(index)]

    def image(self, index: int) -> Image:
        """The picture of that frame (height, width, 3) uint8 BGR."""
        out = np.empty_like(self._canvas)
        placed = self._placed(index)
        with self._lock:
            for number, (left, puppet, points, places) in enumerate(placed):
                right = placed[number + 1][0] if number + 1 < len(placed) else self._settings.width
                puppet.draw(points, places, self._canvas[:, left:right])
            grain(self._canvas.reshape(-1), self._noise[_offset(index) :], out.reshape(-1))
        if self._hide is not None and self._hide(index):
            for left, _, points, _ in placed:
                _cover(out, points[:POINTS] + np.array([left, 0, 0], np.float32))
        return out

    def __iter__(self) -> Iterator[Frame]:
        return self._paced() if self.live else self._plain()

    def _plain(self) -> Iterator[Frame]:
        index = 0
        while not self._stop.is_set() and (self.total is None or index < self.total):
            yield Frame(self.image(index), index, index / self.rate)
            index += 1

    def _paced(self) -> Iterator[Frame]:
        start, index = time.perf_counter(), 0
        while self.total is None or index < self.total:
            # Painted before it is due, as a camera has exposed a frame before it hands it over.
            image, due = self.image(index), start + index / self.rate
            if self._stop.wait(max(0.0, due - time.perf_counter())):
                return
            yield Frame(image, index, due)
            index = max(index + 1, int((time.perf_counter() - start) * self.rate))

    def close(self) -> None:
        """End the iteration, from any thread, any number of times."""
        self._stop.set()


def _offset(index: int) -> int:
    """Where in the noise frame `index` starts; successive frames start far apart."""
    return (index * 654_435_761 + 40_503) % _NOISE_SPARE


def _photos(settings: AnimatedInput) -> list[tuple[Image, str]]:
    """A photo for each person: the given one (else Collins), a second person's, and both mirrored."""
    first = settings.path or str(portrait("collins"))
    photos = [(read_photo(first), first)]
    if settings.people > 1:
        other = str(portrait("hopper"))
        photos.append((read_photo(other), other))
        photos += [(np.ascontiguousarray(photo[:, ::-1]), name) for photo, name in photos]
    return photos


def _puppet(
    photo: Image, name: str, width: int, tall: int, detector: Detector, landmarker: Landmarker
) -> tuple[Puppet, NDArray[np.uint8]]:
    """The person of a photo, framed to width x tall, and the still scene."""
    found = faces(photo, detector, landmarker) if min(photo.shape[:2]) >= 2 else []
    if not found:
        raise RealtimeError(f"No face was found in {name}; give a photo that shows a face from the front.")
    face = max(found, key=height)
    if height(face) < _SMALLEST_FACE:
        raise RealtimeError(f"The face in {name} is {height(face):.0f} px high; expected at least {_SMALLEST_FACE}.")
    matrix = framing((photo.shape[1], photo.shape[0]), face, width, tall)
    margin = round(0.12 * tall)
    scene = carry_on(photo, matrix, width, tall, margin)
    moved = face * matrix[0, 0] + np.array([*matrix[:, 2], 0], np.float32)
    still = np.ascontiguousarray(scene[margin : margin + tall, margin : margin + width])
    # Found again at the size it is shown, so that the truth is what a landmark model sees in the resting picture.
    again = landmarker(still, [region_from_landmarks(moved)])[0]
    return Puppet(scene, moved if again is None else again, margin), still


def _cover(image: Image, landmarks: Points) -> None:
    """Hold a grey card before the whole head."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    grow = (high - low) * np.array([0.45, 0.5], np.float32)
    left, top = np.maximum(np.floor(low - grow), 0).astype(int)
    right, bottom = np.ceil(high + grow).astype(int)
    image[top:bottom, left:right] = _CARD
