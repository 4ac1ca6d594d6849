"""What makes a face's patch: one source's face for whoever is in front of the camera."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.knobs import Effort, Knobs

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Drawn = tuple[Bytes, Bytes, NDArray[np.float64]]
"""Picture (h, w, 3) uint8 BGR, mask (h, w) uint8 with 255 where it replaces the frame, and crop -> frame matrix (2, 3)."""


class Engine(Protocol):
    """Puts one source's face on others; belongs to one thread."""

    def meet(self) -> Any:
        """State for somebody new in front of the camera, to be given back with each of their frames; `aside` in it is how
        many degrees the face looks away from the camera, which drawing updates.
        """

    def __call__(self, image: Bytes, landmarks: Floats, target: Any, time: float, knobs: Knobs, effort: Effort) -> Drawn | None:
        """The source's face for this frame, None where it cannot be made.

        image: BGR uint8 frame.  landmarks: (478, 3) float32 px, filtered.  target: of `meet`, updated here.  time: seconds.
        """


__all__ = ["Drawn", "Engine"]
