"""What a swap must keep of the target: pose, expression, mouth, eyes, gaze, light and the background.

A face with other bones is measured with another pose and another resting face.  That part does not change while one person
wears one source, so each figure comes twice: `raw`, and without suffix after what is constant over the shots has been taken out.
Taking it out over a few shots hides slow drift: `geometry` of a whole clip says more than the mean over its windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import zone
from benchmarks.quality.shot import Shot
from models.mesh.pose import fit
from models.mesh.topology import STEPS_FROM_OVAL, VERTICES
from realtime.frame import Image, Points

Reals = NDArray[np.float64]

# Upper and lower inner lip, and upper and lower lid, in the middle and to both sides of it.
_MOUTH = np.array([[13, 14], [82, 87], [312, 317]])
_LIDS = {"right": np.array([[159, 145], [158, 153], [160, 144]]), "left": np.array([[386, 374], [385, 380], [387, 373]])}
_CORNERS = {"right": (33, 133), "left": (362, 263)}
_IRIS = {"right": slice(468, 473), "left": slice(473, 478)}
_TOP, _CHIN = 10, 152
_INNER = np.flatnonzero(STEPS_FROM_OVAL[:VERTICES] > 0)
# Below this opening (share of the eye's width) an iris is guessed, not seen.
_OPEN = 0.15
# Expression must move this much (share of the eye distance, RMS) before it can be said how much of it arrives.
_MOVES = 0.012
# Light is compared in a face this many pixels wide, blurred by this share of its width.
_LIGHT_WIDTH = 48
_LIGHT_BLUR = 0.1


def measure(shots: Sequence[Shot]) -> dict[str, float]:
    """All figures of this module; those of which nothing could be measured are left out."""
    seen = [(shot.before, shot.after) for shot in shots if shot.before is not None and shot.after is not None and shot.mask.any()]
    figures = geometry([before for before, _ in seen], [after for _, after in seen])
    return figures | light(shots) | background(shots)


def geometry(before: Sequence[Points], after: Sequence[Points]) -> dict[str, float]:
    """Pose, expression, mouth, eyes and gaze from landmarks (478, 3) px of the same frames in target and result.

    Needs no pictures, so that the landmarks of a whole clip can be kept and measured at once.
    Raises ValueError when the two differ in number.
    """
    if len(before) != len(after):
        raise ValueError(f"got {len(before)} faces before and {len(after)} after, expected as many")
    if not before:
        return {}
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    return zone.known(pose(first, second) | expression(first, second) | mouth(first, second) | eyes(first, second) | gaze(first, second))


def pose(before: Reals, after: Reals) -> dict[str, float | None]:
    """Angles between the two poses: (n, 478, 3) px each.

    The turn from one to the other, as the head sees it, has a constant part (other bones) and one that changes (a wrong
    pose); the constant one is the chordal mean of all turns.  Rigid points serve better here than all points or the oval:
    on real swaps they leave the smallest changing part, as expression does not reach them.
    """
    turns = np.array([fit(old).rotation.T @ fit(new).rotation for old, new in zip(before, after, strict=True)])
    constant = _nearest_rotation(turns.mean(axis=0))
    lean = _vector(constant)
    return {
        "pose_error_deg": zone.mean([angle(constant.T @ turn) for turn in turns]) if len(turns) > 1 else None,
        "pose_error_raw_deg": zone.mean([angle(turn) for turn in turns]),
        "pose_offset_deg": angle(constant),
        "pose_offset_pitch_deg": float(lean[0]),
        "pose_offset_yaw_deg": float(lean[1]),
        "pose_offset_roll_deg": float(lean[2]),
    }


def expression(before: Reals, after: Reals) -> dict[str, float | None]:
    """Mean distance of the inner mesh points in the face frame, in percent of the eye distance; (n, 478, 3) px each.

    Without suffix: of the departures from the resting face (the mean of the shots), which hold no bone structure.
    `expression_carried_ratio`: how much of the target's departures the result shows, by least squares; 1 is all of it.
    """
    old, new = (np.array([fit(face).remove(face[:VERTICES])[_INNER] for face in faces], np.float64) for faces in (before, after))
    leaves, arrives = old - old.mean(axis=0), new - new.mean(axis=0)
    energy = float((leaves**2).sum())
    moves = np.sqrt(energy / max(1, leaves.shape[0] * leaves.shape[1])) > _MOVES
    several = len(old) > 1
    return {
        "expression_error_percent": 100 * float(np.linalg.norm(arrives - leaves, axis=2).mean()) if several else None,
        "expression_error_raw_percent": 100 * float(np.linalg.norm(new - old, axis=2).mean()),
        "expression_carried_ratio": float((leaves * arrives).sum()) / energy if several and moves else None,
    }


def mouth(before: Reals, after: Reals) -> dict[str, float | None]:
    """Difference of the gap between the inner lips, in percent of the target's face height (brow top to chin)."""
    height = np.linalg.norm(before[:, _TOP] - before[:, _CHIN], axis=1)
    difference = np.abs(opening(after, _MOUTH) - opening(before, _MOUTH)) / height
    return {"mouth_error_percent": 100 * float(difference.mean()), "mouth_error_worst_percent": 100 * float(difference.max())}


def eyes(before: Reals, after: Reals) -> dict[str, float | None]:
    """Difference of each eye's opening, in percent of the width of the target's eye; left and right are the person's."""
    figures: dict[str, float | None] = {}
    for side, lids in _LIDS.items():
        inner, outer = _CORNERS[side]
        width = np.linalg.norm(before[:, inner] - before[:, outer], axis=1)
        difference = (opening(after, lids) - opening(before, lids)) / width
        figures[f"eye_{side}_error_raw_percent"] = 100 * float(np.abs(difference).mean())
        changing = np.abs(difference - np.median(difference)).mean() if len(difference) > 1 else None
        figures[f"eye_{side}_error_percent"] = None if changing is None else 100 * float(changing)
    return figures


def gaze(before: Reals, after: Reals) -> dict[str, float | None]:
    """How far the irises lie from where they should, in percent of the eye's width, while the target's eyes are open.

    One percent is about 1.4 degrees of the eyeball (12 mm radius, 30 mm between the corners).
    """
    raw: list[float] = []
    changing: list[float] = []
    for side, lids in _LIDS.items():
        old, new = _looking(before, side), _looking(after, side)
        inner, outer = _CORNERS[side]
        seen = opening(before, lids) / np.linalg.norm(before[:, inner] - before[:, outer], axis=1) > _OPEN
        difference = (new - old)[seen]
        raw += np.linalg.norm(difference, axis=1).tolist()
        if len(difference) > 1:
            changing += np.linalg.norm(difference - np.median(difference, axis=0), axis=1).tolist()
    percents = {"gaze_error_percent": zone.mean(changing), "gaze_error_raw_percent": zone.mean(raw)}
    return {name: None if value is None else 100 * value for name, value in percents.items()}


def light(shots: Sequence[Shot]) -> dict[str, float]:
    """Distance of the low frequencies of colour on the skin, in Lab (delta E 1976), where the patch covers it.

    `skin_tone_offset_delta_e` is the constant part, in which a source's skin may rightly differ; what remains is light that
    falls elsewhere on the face or does not follow in time.
    """
    maps = [found for shot in shots if (found := colours(shot)) is not None]
    if not maps:
        return {}
    differences = np.concatenate([difference for difference, _ in maps])
    say = np.concatenate([weight / weight.sum() for _, weight in maps])
    constant = np.average(differences, axis=0, weights=say)
    return zone.known(
        {
            "light_error_delta_e": float(np.average(np.linalg.norm(differences - constant, axis=1), weights=say)),
            "light_error_raw_delta_e": float(np.average(np.linalg.norm(differences, axis=1), weights=say)),
            "skin_tone_offset_delta_e": float(np.linalg.norm(constant)),
        }
    )


def colours(shot: Shot) -> tuple[Reals, Reals] | None:
    """Blurred Lab difference result - target (n, 3) on the skin under the patch and its weights (n,); None without a patch."""
    area = zone.box(shot.landmarks, shot.image.shape, 0.05)
    if area is None or not zone.cut(shot.mask, area).any():
        return None
    left, top, right, bottom = area
    factor = min(1.0, _LIGHT_WIDTH / (right - left))
    size = (max(8, round((right - left) * factor)), max(8, round((bottom - top) * factor)))
    scale = np.array([size[0] / (right - left), size[1] / (bottom - top)], np.float32)
    points = np.asarray((shot.landmarks[:, :2] - np.array([left, top], np.float32)) * scale, np.float32)
    shown = cv2.resize(zone.cut(shot.mask, area), size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    say = zone.skin(points, size[::-1]).astype(np.float32) / 255 * (shown > 0.5)
    if say.sum() < 8:
        return None
    spread = _LIGHT_BLUR * size[0]
    total = cv2.GaussianBlur(say, (0, 0), spread)
    pair = []
    for image in (shot.image, shot.result):
        small = cv2.resize(zone.cut(image, area), size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        laboratory = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)
        pair.append(cv2.GaussianBlur(laboratory * say[..., None], (0, 0), spread) / np.maximum(total, 1e-6)[..., None])
    inside = say > 0
    return np.asarray((pair[1] - pair[0])[inside], np.float64), np.asarray(say[inside], np.float64)


def background(shots: Sequence[Shot]) -> dict[str, float]:
    """Pixels that changed although no patch reaches within 1 px of them; several people's patches in one frame count together."""
    frames: dict[int, tuple[Shot, Image]] = {}
    for shot in shots:
        mask = frames[shot.index][1] if shot.index in frames else np.zeros_like(shot.mask)
        frames[shot.index] = shot, np.maximum(mask, shot.mask)
    counts = [(changed(shot.image, shot.result, mask), int((mask == 0).sum())) for shot, mask in frames.values() if mask.any()]
    if not counts:
        return {}
    shares = [count / max(outside, 1) for count, outside in counts]
    return {
        "background_changed_px": float(np.mean([count for count, _ in counts])),
        "background_changed_percent": 100 * float(np.mean(shares)),
    }


def changed(image: Image, result: Image, mask: Image) -> int:
    """How many pixels differ further than 1 px outside the mask."""
    blue, green, red = cv2.split(cv2.absdiff(image, result))
    differing = cv2.max(cv2.max(blue, green), red)
    differing[cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0] = 0
    return int(cv2.countNonZero(differing))


def opening(faces: Reals, pairs: NDArray[np.int64]) -> Reals:
    """Mean distance (n,) in pixels between the two points of each pair; faces (n, 478, 3)."""
    return np.asarray(np.linalg.norm(faces[:, pairs[:, 0]] - faces[:, pairs[:, 1]], axis=2).mean(axis=1), np.float64)


def angle(rotation: Reals) -> float:
    """Degrees that a rotation matrix (3, 3) turns by."""
    return float(np.degrees(np.linalg.norm(cv2.Rodrigues(rotation)[0])))


def _vector(rotation: Reals) -> Reals:
    """Axis times angle in degrees (3,)."""
    return np.degrees(np.asarray(cv2.Rodrigues(rotation)[0], np.float64)).ravel()


def _nearest_rotation(matrix: Reals) -> Reals:
    left, _, right = np.linalg.svd(matrix)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray((left * flip) @ right, np.float64)


def _looking(faces: Reals, side: str) -> Reals:
    """Iris (n, 2) along and across the line between the eye's corners, in widths of the eye, from its middle."""
    inner, outer = (faces[:, corner, :2] for corner in _CORNERS[side])
    along = outer - inner
    way = faces[:, _IRIS[side], :2].mean(axis=1) - (inner + outer) / 2
    square = np.maximum((along**2).sum(axis=1), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.stack([(way * along).sum(axis=1) / square, (way * across).sum(axis=1) / square], axis=1)


__all__ = ["angle", "background", "changed", "colours", "expression", "eyes", "gaze", "geometry", "light", "measure", "mouth", "pose"]
