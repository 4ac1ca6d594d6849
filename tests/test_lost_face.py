"""The promise that counts most: once a face is swapped, the real one is never shown, not for one frame."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import find

from models.mesh.atlas import build_atlas
from models.mesh.engine import MeshEngine
from realtime.config import AnimatedInput, BlendSettings, DetectSettings, SwapSettings, TrackSettings
from realtime.frame import Frame
from realtime.sources.animated import Animated
from realtime.stages.blend import Blend
from realtime.stages.detect import Aside, Detect
from realtime.stages.swap import Swap
from realtime.stages.track import Track

# Nose, cheeks, chin and forehead: where the mesh covers a face, and eyes and mouth are not.
SKIN = [1, 4, 5, 195, 50, 280, 101, 330, 205, 425, 152, 200, 9, 151]


def hidden(index: int) -> bool:
    """A card before the face twice, once shorter and once longer than the detector's pace."""
    return 20 <= index < 24 or 40 <= index < 65


def jump(index: int) -> int:
    """Pixels that a cut moves the picture by, in a frame in which nobody expects it."""
    return -150 if 72 <= index < 80 else 0


def shown(before: Frame, after: Frame, landmarks: np.ndarray) -> float:
    """How much of the real face can be seen, 0..1: correlation of fine detail about the skin points, where there is any."""
    detail = [frame.image.astype(np.float32) - cv2.GaussianBlur(frame.image, (0, 0), 4) for frame in (before, after)]
    points = landmarks[SKIN, :2].astype(int)
    patches = [np.concatenate([d[y - 9 : y + 10, x - 9 : x + 10].reshape(-1) for x, y in points]) for d in detail]
    scale = np.linalg.norm(patches[0]) * np.linalg.norm(patches[1])
    return float(patches[0] @ patches[1] / scale) if scale > 0 else 0.0


@pytest.mark.parametrize("aside", [False, True], ids=["file", "live"])
@pytest.mark.parametrize("policy", ["blur", "blank", "hold"])
def test_the_real_face_is_never_seen_again(
    aside: bool, policy: str, collins: np.ndarray, hopper: np.ndarray, detector, landmarker
) -> None:
    source = Animated(AnimatedInput(width=640, height=360, realtime=False, seconds=3, noise=0, speed=1.5), hide=hidden)
    finder = Detect(detector, DetectSettings(), lambda: track.searching)
    track = Track(landmarker, TrackSettings(), finder.find)
    detect: Detect | Aside = Aside(finder) if aside else finder
    swap = Swap({"hopper": MeshEngine(build_atlas([(hopper, find(hopper, detector, landmarker))]))}, SwapSettings(sources=("hopper",)))
    stages: list[Callable[[Frame], Frame]] = [detect, track, swap, Blend(BlendSettings(on_lost=policy, grain=0))]
    seen, swapped = {}, 0
    for frame in source:
        away = np.array([jump(frame.index), 0, 0], np.float32)
        frame = replace(frame, image=np.roll(frame.image, jump(frame.index), axis=1))
        after = frame
        for stage in stages:
            after = stage(after)
        swapped += any(face.patch is not None for face in after.faces)
        if not hidden(frame.index):
            seen[frame.index] = shown(frame, after, source.truth(frame.index)[0] + away)
    if aside:
        detect.close()
    assert swapped > 45
    assert max(seen.values()) < 0.75, {index: round(value, 2) for index, value in seen.items() if value > 0.6}


def test_the_measure_sees_a_real_face() -> None:
    """Without a swap the same measure says 1, so the test above can fail."""
    source = Animated(AnimatedInput(width=640, height=360, realtime=False, seconds=0.1, noise=0))
    frame = next(iter(source))
    assert shown(frame, frame, source.truth(0)[0]) > 0.99
