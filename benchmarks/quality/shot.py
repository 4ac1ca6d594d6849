"""Shot: one frame of a run, before and after, with everything that the measures look at."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.frame import Image, Points


@dataclass(frozen=True, slots=True)
class Shot:
    """One face in one frame.

    index, time: the frame's, time in seconds.  image, result: (h, w, 3) uint8 BGR before and after, without overlay.
    landmarks: (478, 3) float32 px, filtered: what the engine was given.  track: the person's number.
    before, after: (478, 3) float32 px measured in image and in result within the same region, unfiltered; None where the
        landmark model sees no face.
    mask: (h, w) uint8, how far the patch covers each pixel; 0 everywhere when nothing was swapped.
    """

    index: int
    time: float
    image: Image
    result: Image
    landmarks: Points
    track: int | None
    before: Points | None
    after: Points | None
    mask: Image
