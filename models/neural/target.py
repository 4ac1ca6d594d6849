"""What the neural engine knows of one target, and of one frame of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.mesh.pose import Pose
from models.mesh.topology import VERTICES
from models.mesh.veil import Veil
from models.neural.bias import Bias
from models.neural.detail import Detail
from models.neural.hidden import Hidden
from models.neural.light import Light

if TYPE_CHECKING:
    from models.families.sources import Latent

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]


@dataclass
class Target:
    """What the engine has learned about one target.

    aside: degrees between where the face looks and the camera.  engine: whose detail and mixture these are.
    embedding: who it is to the recogniser, asked at so many seconds.  mixed: the source's latent with it, for an identity.
    clear: (468,) 0..1, vertices that nothing lies before.
    """

    aside: float = 0.0
    engine: object | None = None
    embedding: Floats | None = None
    asked: float | None = None
    mixed: tuple[float, Latent] | None = None
    bias: Bias = field(default_factory=Bias)
    light: Light = field(default_factory=Light)
    detail: Detail = field(default_factory=Detail)
    veil: Veil = field(default_factory=Veil)
    hidden: Hidden = field(default_factory=Hidden)
    clear: Floats = field(default_factory=lambda: np.ones(VERTICES, np.float32))


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame of one face: image (h, w, 3), landmarks (478, 3) px, its vertices (468, 3), pose, the five points, the matrix
    frame -> crop (2, 3), vertices in the crop (468, 2), and seconds.
    """

    image: Bytes
    landmarks: Floats
    points: Floats
    pose: Pose
    five: Reals
    matrix: Reals
    placed: Floats
    time: float

    @property
    def depth(self) -> Floats:
        return np.ascontiguousarray(self.points[:, 2])


__all__ = ["Seen", "Target"]
