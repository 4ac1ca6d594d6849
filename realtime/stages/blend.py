"""The blend stage: patches into the picture, lost faces under their cover."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models import compose
from models.knobs import Effort
from realtime.config import BlendSettings
from realtime.frame import Face, Frame, Image, Patch, Points
from realtime.stages.lost import cover, covered

_GRAIN_SIZE = 1024
_GRAIN_UNIT = 24.0
# How many frames pass between two measurements of sharpness and noise: both change with the lamp and the lens, not the frame.
_MEASURE_EVERY = 6
# So many pixels of the middle of a face tell how sharp it is.
_LOOK = 192
_HOLD_SECONDS = 1.0
# Pixels of a face's side that are enough to read its seam from; the rest of a large one is left out.
_SEAM_SIDE = 224
_SEAM_SECONDS = 0.4
# A mean change of so many grey levels is another light, twice as many leave nothing of the old one.
_SUDDEN = 5.0


@dataclass
class _Look:
    """What the camera does to a face now, the seam (s, t, 3), its age in frames and time, and the last patch that was shown on it."""

    blur: float = 0.0
    noise: float = 0.0
    age: int = 0
    seam: NDArray[np.float32] | None = None
    seam_age: int = 0
    seam_time: float = 0.0
    patch: Patch | None = None
    box: Points | None = None
    time: float = 0.0


class Blend:
    """Sets each face's patch into a copy of the frame; `settings` and `effort` may be replaced at any time."""

    def __init__(self, settings: BlendSettings, seed: int = 0) -> None:
        self.settings = settings
        self.effort = Effort()
        self._random = np.random.default_rng(seed)
        noise = cv2.GaussianBlur(self._random.normal(0, 1, (_GRAIN_SIZE, _GRAIN_SIZE)).astype(np.float32), (0, 0), 0.5)
        self._grain = np.clip(128 + noise / noise.std() * _GRAIN_UNIT, 0, 255).astype(np.uint8)
        self._looks: dict[int, _Look] = {}

    def __call__(self, frame: Frame) -> Frame:
        settings = self.settings
        present = {-1 if face.track is None else face.track for face in frame.faces}
        self._looks = {track: look for track, look in self._looks.items() if track in present}
        painted = [face for face in frame.faces if face.patch is not None or covered(face, settings)]
        if not painted:
            return frame
        image = frame.image.copy()
        # Covers first: the grown box of a lost face must not hide a neighbour's new one.
        for face in sorted(painted, key=lambda face: face.patch is not None):
            look = self._looks.setdefault(-1 if face.track is None else face.track, _Look())
            if face.patch is not None:
                if face.patch.fade and settings.on_lost != "pass":
                    cover(image, face.box, "blank" if settings.on_lost == "blank" else "blur", min(1.0, 2 * face.patch.fade))
                self._set(image, face.patch, look, frame.time, settings)
                look.patch, look.box, look.time = face.patch, face.box, frame.time
            else:
                self._cover(image, face, look, frame.time, settings)
        return replace(frame, image=image, raw=frame.image)

    def _cover(self, image: Image, face: Face, look: _Look, time: float, settings: BlendSettings) -> None:
        """The `on_lost` policy; a held patch is old after a second and becomes a blur."""
        if settings.on_lost == "hold" and look.patch is not None and look.box is not None and time - look.time <= _HOLD_SECONDS:
            cover(image, face.box, "blur")
            shift = ((face.box[:2] + face.box[2:]) - (look.box[:2] + look.box[2:])) / 2
            matrix = look.patch.matrix.copy()
            matrix[:, 2] += np.rint(shift)
            self._set(image, replace(look.patch, matrix=matrix), look, time, settings)
        else:
            cover(image, face.box, "blank" if settings.on_lost == "blank" else "blur")

    def _set(self, image: Image, patch: Patch, look: _Look, time: float, settings: BlendSettings) -> None:
        placed = place(patch, image.shape[0], image.shape[1])
        if placed is None:
            return
        picture, mask, (left, top) = placed
        height, width = mask.shape
        area = image[top : top + height, left : left + width]
        seam = self._seam(area, picture, mask, look, time) * np.float32(settings.seam) if settings.seam else np.zeros((1, 1, 3), np.float32)
        if settings.grain:
            self._measure(area, picture, mask, look)
            if look.blur * settings.grain > 0.3:
                picture = cv2.GaussianBlur(picture, (0, 0), look.blur * settings.grain)
        opacity = settings.opacity * min(1.0, 2 * (1 - patch.fade))
        dy, dx = self._random.integers(0, _GRAIN_SIZE - np.minimum((height, width), _GRAIN_SIZE) + 1)
        grain = self._grain[dy : dy + height, dx : dx + width]
        if grain.shape != mask.shape:
            grain = cv2.resize(self._grain, (width, height), interpolation=cv2.INTER_NEAREST)
        compose.merge(area, picture, mask, seam, grain, look.noise * settings.grain / _GRAIN_UNIT, opacity)

    def _seam(self, area: Image, picture: Image, mask: Image, look: _Look, time: float) -> NDArray[np.float32]:
        """What to add to the patch for this frame; measured anew in every n-th, and steadied."""
        look.seam_age += 1
        if look.seam is not None and look.seam_age < self.effort.seam_every:
            return look.seam
        step = max(1, max(mask.shape) // _SEAM_SIDE)
        found = compose.membrane(area[::step, ::step], picture[::step, ::step], mask[::step, ::step])
        before, look.seam = look.seam, found
        if before is not None:
            if before.shape != found.shape:
                before = cv2.resize(before, found.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            # A lamp that goes on is followed at once; what changes little changes slowly, or the rim's pixels would flicker.
            sudden = (float(np.abs(found - before).mean()) - _SUDDEN) / _SUDDEN
            rate = max(1 - float(np.exp(-max(0.0, time - look.seam_time) / _SEAM_SECONDS)), min(max(sudden, 0.0), 1.0))
            look.seam = before + np.float32(rate) * (found - before)
        look.seam_age, look.seam_time = 0, time
        return look.seam

    @staticmethod
    def _measure(area: Image, picture: Image, mask: Image, look: _Look) -> None:
        """How soft and how noisy the camera is, against the patch; slowly followed."""
        look.age += 1
        if look.age % _MEASURE_EVERY != 1:
            return
        middle = (slice(mask.shape[0] // 4, -mask.shape[0] // 4 or None), slice(mask.shape[1] // 4, -mask.shape[1] // 4 or None))
        theirs, ours = compose.noise_level(area[middle]), compose.noise_level(picture[middle])
        noise = min(12.0, float(np.sqrt(max(0.0, theirs**2 - ours**2))))
        blur = compose.softness(area[middle][:_LOOK, :_LOOK], picture[middle][:_LOOK, :_LOOK], mask[middle][:_LOOK, :_LOOK])
        rate = 1.0 if look.age == 1 else 0.3
        look.noise += rate * (noise - look.noise)
        look.blur += rate * (blur - look.blur)


def place(patch: Patch, rows: int, columns: int) -> tuple[Image, Image, tuple[int, int]] | None:
    """The patch in frame pixels: picture, mask and its left top corner, cut to a frame of so many rows and columns."""
    matrix = patch.matrix
    height, width = patch.mask.shape
    # Where the pixels of a patch that is only stretched begin and end in the frame.
    stretch = np.diag(matrix)
    near = matrix[:, 2] - stretch / 2 + 0.5
    far = near + stretch * (width, height)
    straight = matrix[0, 1] == matrix[1, 0] == 0 and (stretch > 0).all()
    if straight and np.allclose([near, far], np.rint([near, far]), atol=1e-6):
        left, top = (int(value) for value in np.rint(near))
        size = (round(float(far[0])) - left, round(float(far[1])) - top)
        if size != (width, height):
            picture, mask = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in (patch.image, patch.mask))
            patch = replace(patch, image=np.asarray(picture, np.uint8), mask=np.asarray(mask, np.uint8))
            width, height = size
        x0, y0, x1, y1 = max(0, left), max(0, top), min(columns, left + width), min(rows, top + height)
        if x0 >= x1 or y0 >= y1:
            return None
        inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        return patch.image[inside], patch.mask[inside], (x0, y0)
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]]) @ matrix.T
    x0, y0 = np.maximum(0, np.floor(corners.min(axis=0))).astype(int)
    x1, y1 = np.minimum((columns, rows), np.ceil(corners.max(axis=0)) + 1).astype(int)
    if x0 >= x1 or y0 >= y1:
        return None
    shifted = matrix - np.array([[0, 0, x0], [0, 0, y0]])
    area = (int(x1 - x0), int(y1 - y0))
    picture = cv2.warpAffine(patch.image, shifted, area, flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(patch.mask, shifted, area, flags=cv2.INTER_LINEAR)
    return np.asarray(picture, np.uint8), np.asarray(mask, np.uint8), (int(x0), int(y0))
