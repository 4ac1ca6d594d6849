"""What an engine does to a face, and how much time it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """Each 0..1: how far the source's bones (`shape`), the target's light (`light`), the source's eyes in the target's gaze
    (`eyes`), what lies before the face (`occlusion`) and the target's own glasses (`glasses`) show in the result.

    Of these ONNX models take light and occlusion, and besides: identity, the source's share in who it looks like, 1 as it is,
    more goes away from the target, 0.5..1.5; morph, where in its range a model with a morph value stands; enhance, how far
    the enhancer's detail shows.  refine is the generator's alone, how far its correction shows.
    """

    shape: float = 1.0
    light: float = 1.0
    eyes: float = 1.0
    occlusion: float = 1.0
    glasses: float = 1.0
    identity: float = 1.0
    morph: float = 1.0
    enhance: float = 0.8
    refine: float = 1.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a frame may cost; without arguments the most.

    largest: longest side of the drawn face in pixels; larger faces are drawn at this size and enlarged.
    occlusion_every: what lies before the face is looked for in every n-th frame and carried by the track in between; 0: never.
    hands: hands before the face are also found by their shape, once something is there; else only by what they look like.
    light_every, seam_every: light and seam are measured in every n-th frame and kept in between; 1 or more.
    enhance_every: an enhancer runs in every n-th frame, and the track carries its detail in between; 1 or more.
    refine_every: the generator runs in every n-th frame, and the track carries its correction in between; 1 or more.
    search: looks for new faces are so many times the set interval apart, while nobody is missing.
    """

    largest: int = 960
    occlusion_every: int = 1
    hands: bool = True
    light_every: int = 1
    seam_every: int = 1
    enhance_every: int = 2
    refine_every: int = 1
    search: float = 1.0


# From the cheapest to the dearest.  Landmarks are measured in every frame at every level: a face that left its prediction
# would be seen bare for a frame.
LEVELS = {
    "fast": Effort(largest=256, occlusion_every=4, hands=False, light_every=3, seam_every=2, enhance_every=8, refine_every=3, search=2.0),
    "balanced": Effort(largest=512, occlusion_every=2, light_every=2, enhance_every=4, refine_every=2),
    "best": Effort(),
}
