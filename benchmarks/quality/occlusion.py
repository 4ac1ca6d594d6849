"""How well what lies before a face stays on top of the drawn one, against objects whose mask is known exactly.

For each object the frames are shown twice to the swap, as they are and with the object composed in, through the real
detect, track and swap stages.  Looked at is the face's region: pixels that the patch without a veil would cover to nine
tenths.  A pixel counts as kept when its opacity is under half of that, as truth when the object covers it by more than half;
pixels that the object covers by a tenth to nine tenths belong to nobody.  IoU is kept and truth over kept or truth, summed
over all frames in which the object covers at least two hundredths of the region.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import occluders
from benchmarks.quality.shot import opacity
from models.hands import Hands
from models.mesh.atlas import Atlas
from models.mesh.engine import MeshEngine
from models.mesh.veil import Veil
from realtime.config import DetectSettings, SwapSettings, TrackSettings
from realtime.frame import Face, Frame, Image, Points
from realtime.stages.detect import Detect
from realtime.stages.swap import Swap
from realtime.stages.track import Track

Mask = NDArray[np.float32]

_COVERED, _KEPT = 0.9, 0.5
_NOBODYS = (0.1, 0.9)
_LEAST = 0.02
# The veil needs a moment to learn the face; nothing is asked of it before.
_WARM = 0.25


@dataclass(frozen=True, slots=True)
class Look:
    """One frame: the picture shown to the swap, the object's exact cover (h, w) 0..1, and the patch's opacity with and
    without the veil (h, w) uint8; `found` is False when the tracker had lost the face.
    """

    image: Image
    truth: Mask
    veiled: Image
    bare: Image
    found: bool


def measure(frames: Sequence[Frame], atlas: Atlas, objects: Sequence[str] = occluders.OBJECTS) -> dict[str, float]:
    """Figures over the frames of one clip: `<object>_iou`, `mean_iou`, `worst_iou`, `lost_share`, `false_share`, `false_worst`, `look_ms`.

    false_share: kept pixels of the bare clip's region after its first quarter, 0..1; false_worst: the worst frame's.
    lost_share: frames with an object in which no face was found any more.  look_ms: median time of one look.
    Raises ValueError when no face is found in the clip.
    """
    clean = run(frames, atlas, None, None)
    faces = follow(frames)
    figures: dict[str, float] = {}
    lost = []
    for name in objects:
        looks = run(frames, atlas, name, faces)
        figures[f"{name}_iou"] = iou(looks)
        lost += [not look.found for look in looks if look.truth.any()]
    values = list(figures.values())
    wrong = [share for share in (false_share(look) for look in clean[round(_WARM * len(clean)) :]) if share is not None]
    figures["mean_iou"], figures["worst_iou"] = float(np.mean(values)), float(np.min(values))
    figures["lost_share"] = float(np.mean(lost)) if lost else 0.0
    figures["false_share"], figures["false_worst"] = (float(np.mean(wrong)), float(np.max(wrong))) if wrong else (0.0, 0.0)
    figures["look_ms"] = look_ms(frames, faces)
    return figures


def follow(frames: Sequence[Frame]) -> list[Points]:
    """Landmarks (478, 3) of the largest face of each bare frame; the last known ones where it is lost."""
    found: list[Points | None] = [face.landmarks if face is not None else None for face in _faces(frames)]
    first = next((points for points in found if points is not None), None)
    if first is None:
        raise ValueError(f"got {len(frames)} frames without a face, expected at least one face")
    steady = []
    for points in found:
        first = first if points is None else points
        steady.append(first)
    return steady


def run(frames: Sequence[Frame], atlas: Atlas, name: str | None, faces: Sequence[Points] | None) -> list[Look]:
    """The frames with the object `name` before the `faces`, or as they are, through track and swap with and without veil."""
    pictures = list(frames)
    truths = [np.zeros(frame.image.shape[:2], np.float32) for frame in frames]
    if name is not None and faces is not None:
        tone = occluders.tone_of(frames[0].image, faces[0])
        for i, frame in enumerate(frames):
            image, truths[i] = occluders.compose(frame.image, faces[i], name, i / len(frames), 1 / len(frames), tone, seed=i)
            pictures[i] = replace(frame, image=image)
    plain = Swap({"source": MeshEngine(atlas)}, SwapSettings(sources=("source",), occlusion=0.0))
    looks = []
    with closing(Hands()) as hands:
        veiling = Swap({"source": MeshEngine(atlas, hands)}, SwapSettings(sources=("source",)))
        for frame, truth, face in zip(pictures, truths, _faces(pictures), strict=True):
            shown = replace(frame, faces=() if face is None else (face,))
            veiled, bare = opacity(veiling(shown)), opacity(plain(shown))
            looks.append(Look(shown.image, truth, veiled, bare, face is not None and not face.lost))
    return looks


def iou(looks: Sequence[Look]) -> float:
    """Kept and truth over kept or truth within the region, over the frames in which the object is before the face."""
    both = either = 0
    for look in looks:
        region = look.bare >= 255 * _COVERED
        if not look.found or not region.any() or (look.truth[region] > 0.5).mean() < _LEAST:
            continue
        counted = region & ((look.truth <= _NOBODYS[0]) | (look.truth >= _NOBODYS[1]))
        kept, truth = look.veiled[counted] < _KEPT * look.bare[counted], look.truth[counted] > 0.5
        both, either = both + int((kept & truth).sum()), either + int((kept | truth).sum())
    return both / either if either else 0.0


def false_share(look: Look) -> float | None:
    """Share of the region of a bare frame that was kept; None without a region."""
    region = look.bare >= 255 * _COVERED
    return float((look.veiled[region] < _KEPT * look.bare[region]).mean()) if region.any() else None


def look_ms(frames: Sequence[Frame], faces: Sequence[Points]) -> float:
    """Median time in ms of one look on the bare frames."""
    veil, times = Veil(), []
    for frame, points in zip(frames, faces, strict=True):
        left, top = np.maximum(points[:468, :2].min(axis=0), 0).astype(int)
        right, bottom = np.minimum(points[:468, :2].max(axis=0) + 1, frame.image.shape[1::-1]).astype(int)
        if right - left < 2 or bottom - top < 2:
            continue
        begin = time.perf_counter()
        veil(frame.image, points[:468], (int(left), int(top), int(right), int(bottom)), frame.time, 1)
        times.append((time.perf_counter() - begin) * 1e3)
    return float(np.median(times[len(times) // 4 :])) if times else 0.0


def _faces(frames: Sequence[Frame]) -> list[Face | None]:
    """The largest face of each frame as the tracker gives it."""
    from models.detector import Detector
    from models.landmarks import Landmarker

    with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
        track = Track(landmarker, TrackSettings(faces=1), None)
        detect = Detect(detector, DetectSettings(), lambda: track.searching)
        found = []
        for frame in frames:
            faces = [face for face in track(detect(frame)).faces if face.landmarks is not None]
            found.append(max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])), default=None))
    return found


__all__ = ["Look", "false_share", "follow", "iou", "look_ms", "measure", "opacity", "run"]
