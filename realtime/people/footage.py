"""Footage: the few frames of a short video that show a face from every side it turned to, sharp, lit and calm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models import quality
from models.detector import Detector
from models.finding import faces, height
from models.landmarks import Landmarker, Landmarks
from models.mesh.expression import smile
from models.mesh.eyes import openness
from models.mesh.pose import fit
from models.mesh.topology import VERTICES
from realtime.frame import Image, RealtimeError
from realtime.sources.decode import Decoder

ENDINGS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".3gp")
# A face less than this share of the largest one's height belongs to a passer-by.
PASSER_BY = 0.25
_LONGEST = 60.0
_LOOKS = 90
# Of each of these directions (degrees) the best frame is taken.
_YAWS = np.array([-32.0, -12.0, 12.0, 32.0])
_PITCHES = np.array([-10.0, 10.0])
_MOST = 8

View = tuple[Image, Landmarks]
Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Candidate:
    score: float
    view: View


def is_footage(path: str | Path) -> bool:
    """Whether a path is meant as a video and not as a photo, by its ending."""
    return Path(path).suffix.lower() in ENDINGS


def watch(path: str | Path, detector: Detector, landmarker: Landmarker, advance: Advance | None = None) -> list[View]:
    """The best views of the one person in a clip, each with landmarks (478, 3), the one seen most squarely first.

    advance: told how much of the clip is done, 0..1.  At most the first minute is looked at.
    Raises RealtimeError for what is no clip, and where no frame will do, with the most common reason.
    """
    best: dict[tuple[int, int], _Candidate] = {}
    reasons: Counter[str] = Counter()
    looked = 0
    with closing(Decoder(str(path))) as decoder:
        length = min(decoder.length or _LONGEST, _LONGEST)
        step, due = max(1.0 / 6, length / _LOOKS), 0.0
        while (entry := decoder.read()) is not None and entry[1] <= _LONGEST:
            if entry[1] < due:
                continue
            due = entry[1] + step
            looked += 1
            found = _judge(decoder.picture(entry[0]), detector, landmarker)
            if isinstance(found, str):
                reasons[found] += 1
            else:
                side = _direction(found.view[1])
                best[side] = max(best.get(side, found), found, key=lambda candidate: candidate.score)
            if advance:
                advance(min(1.0, entry[1] / length))
    views = _chosen(best)
    if not views:
        why = reasons.most_common(1)[0][0] if reasons else "the face is never seen from the front"
        raise RealtimeError(f"{path}: none of the {looked} frames looked at will do; most often {why}.")
    return views


def _judge(image: Image, detector: Detector, landmarker: Landmarker) -> _Candidate | str:
    """What a frame is worth, or why it is worth nothing."""
    seen = faces(image, detector, landmarker)
    if not seen:
        return "no face was found"
    tallest = max(map(height, seen))
    near = [landmarks for landmarks in seen if height(landmarks) >= PASSER_BY * tallest]
    if len(near) > 1:
        return "several people are seen (film one person alone)"
    wrong = quality.problems(image, near[0], yaw=quality.SIDE_YAW)
    if wrong:
        # The figures differ from frame to frame, the reason does not.
        return wrong[0].split(" (")[0]
    pose = fit(near[0])
    calm = 1.0 - 0.7 * smile(pose.remove(near[0][:VERTICES]))
    measured = quality.measure(image, near[0])
    sharp = min(measured.sharpness, 400.0) ** 0.5 * min(measured.eyes, 120.0)
    return _Candidate(sharp * calm * (0.1 + openness(near[0], pose)), (image, near[0]))


def _direction(landmarks: Landmarks) -> tuple[int, int]:
    pose = fit(landmarks)
    return int(np.searchsorted(_YAWS, pose.yaw)), int(np.searchsorted(_PITCHES, pose.pitch))


def _chosen(best: dict[tuple[int, int], _Candidate]) -> list[View]:
    """At most eight views, the squarest first; none where nobody looks into the camera."""
    order = sorted(best, key=lambda side: (abs(side[0] - 2) + abs(side[1] - 1), -best[side].score))
    views = [best[side].view for side in order[:_MOST]]
    return views if views and abs(fit(views[0][1]).yaw) <= quality.YAW else []


def smaller(image: Image, landmarks: Landmarks, tall: float) -> View:
    """A view whose face is at most `tall` px high: an atlas takes no more, and sampling it from more would add noise."""
    factor = tall / max(height(landmarks), 1.0)
    if factor >= 1:
        return image, landmarks
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), np.asarray(landmarks * factor, np.float32)
