"""What the engine does to a face, and how much time it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """Each 0..1: how far the source's bones (`shape`), the target's light (`light`), the source's eyes in the target's gaze
    (`eyes`), what lies before the face (`occlusion`) and the target's own glasses (`glasses`) show in the result.
    """

    shape: float = 0.5
    light: float = 1.0
    eyes: float = 1.0
    occlusion: float = 1.0
    glasses: float = 1.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a frame may cost.

    largest: longest side of the drawn face in pixels; larger faces are drawn at this size and enlarged.
    occlusion_every: what lies before the face is looked for in every n-th frame and carried by the track in between; 0: never.
    """

    largest: int = 640
    occlusion_every: int = 2
