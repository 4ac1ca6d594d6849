"""The engine `neural`: the mesh engine's drawing, corrected by a small network of our own to belong to the moment."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models import align
from models.engine import Drawn
from models.generator.correct import correct, kept
from models.generator.exposure import exposed
from models.generator.hues import eyes_kept
from models.generator.network import Refiner
from models.generator.sound import bounded, fault
from models.generator.steady import Steady
from models.generator.view import SIDE, placing, view, zones
from models.knobs import Effort, Knobs
from models.mesh.engine import MeshEngine
from models.mesh.engine import Target as Guided
from models.neural.paste import chained
from models.neural.trying import Trying

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_KNOBS, _EFFORT = Knobs(), Effort()
_WHITE = np.float32(255)
# A correction older than so many seconds is of another light.
_OLD = 0.5


@dataclass
class Target:
    """What the engine has learned about one target.

    guide: the mesh engine's.  engine: whose correction this is.  correction: (128, 128, 4), see models.generator.correct, made
    `age` frames ago at `time` seconds; None: there is none.
    """

    guide: Guided = field(default_factory=Guided)
    engine: object | None = None
    steady: Steady = field(default_factory=Steady)
    correction: Floats | None = None
    age: int = 0
    time: float = 0.0

    @property
    def aside(self) -> float:
        """Degrees between where the face looks and the camera."""
        return self.guide.aside


class GeneratorEngine:
    """Draws one source's face by the mesh engine and corrects its light, skin and teeth by the network; belongs to one thread.

    guide: the mesh engine of the source.  refiner: shared by engines of one thread.  identity: (128,) of length 1, of the source.
    Where the network cannot run or gives no numbers, the guide alone is shown, which is said once: the target's own face never is.
    Raises NetworkError where the network cannot run at all.
    """

    def __init__(self, guide: MeshEngine, refiner: Refiner, identity: Floats) -> None:
        self._guide = guide
        self._source = refiner.source(identity)
        self._refine = Trying(refiner, "The generator", "The face is shown as the mesh engine draws it.")

    def meet(self) -> Target:
        """State for somebody new in front of the camera."""
        return Target(self._guide.meet())

    def __call__(
        self, image: Bytes, landmarks: Floats, target: Target, time: float, knobs: Knobs = _KNOBS, effort: Effort = _EFFORT
    ) -> Drawn | None:
        """The source's face for this frame: see models.engine.Engine.  None when the mesh engine can draw none."""
        drawn = self._guide(image, landmarks, target.guide, time, knobs, effort)
        if drawn is None or not knobs.refine:
            # Who is gone, or seen without it, comes back in another light.
            target.correction = None
            return drawn
        if target.engine is not self:
            # A correction of one source's drawing is none of another's.
            target.engine, target.steady, target.correction = self, Steady(), None
        picture, mask, matrix = drawn
        try:
            placed = placing(landmarks)
        except ValueError:
            target.correction = None
            return drawn
        way = chained(matrix, placed)
        target.age += 1
        if target.correction is None or target.age >= effort.refine_every or not 0 <= time - target.time < _OLD:
            target.correction = self._correction(image, landmarks, drawn, placed, way, target.steady, time)
            target.age, target.time = 0, time
        if target.correction is not None:
            correct(picture, mask, target.correction, way, knobs.refine)
        return drawn

    def _correction(
        self, image: Bytes, landmarks: Floats, drawn: Drawn, placed: Reals, way: Reals, steady: Steady, time: float
    ) -> Floats | None:
        """What the network has to say about a drawing, in the crop; None where it fails."""
        dim, zone, points = _view(image, landmarks, drawn, placed, way)
        seen, gain = exposed(dim, zone)
        made = self._refine(seen, self._source)
        if made is None:
            return None
        face, alpha = made
        mask = seen[0, 6]
        ours, theirs = (cv2.merge([plane * _WHITE for plane in picture[::-1]]) for picture in (face, seen[0, 3:6]))
        if problem := fault(ours, theirs, alpha, mask, points):
            self._refine.fail(ValueError(f"got {problem}, expected one that does"))
            return None
        believed = eyes_kept(bounded(ours, theirs), theirs, points)
        change = steady(believed / gain, theirs / gain, time)
        return np.asarray(cv2.merge([*cv2.split(change), kept(alpha, mask)]), np.float32)


def _view(image: Bytes, landmarks: Floats, drawn: Drawn, placed: Reals, way: Reals) -> tuple[Floats, Bytes, Floats]:
    """What the network sees of a frame and what was drawn on it, the zones of the crop, and the landmarks (478, 2) in it."""
    picture, mask, _ = drawn
    target = align.crop(image, placed, SIDE, cv2.BORDER_REPLICATE)
    # Transparent, not black, around the patch: otherwise its rim would darken as it is made smaller.
    guide = align.crop(picture, way, SIDE, cv2.BORDER_REPLICATE)
    cover = align.crop(mask, way, SIDE)
    points = np.asarray(landmarks[:, :2] @ placed[:, :2].T + placed[:, 2], np.float32)
    zone = zones(points)
    return view(target, guide, cover, zone), zone, points


__all__ = ["GeneratorEngine", "Target"]
