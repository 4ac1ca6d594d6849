"""Eyes: the source's whites and irises, drawn where the target looks and as far open as the target's lids are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull
from models.mesh.pose import Pose
from models.mesh.topology import EYES, IRISES, MEAN

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# An eye's own frame: the corners lie at -0.5 and 0.5 across; the picture of the whites reaches beyond them.
WHITE_SIZE = (48, 96)
_REACH = 0.75
_STEP = 2 * _REACH / WHITE_SIZE[1]
_CORNER = np.array([-_REACH, -_STEP * WHITE_SIZE[0] / 2])
IRIS_SIZE = 40
# The picture of an iris reaches so many radii, so that its soft rim is in it.
_RIM = 1.25
# Irises of grown-ups are alike, 11.7 mm wide; a landmark model's odd guess is brought into this range (corner distances).
_RADIUS = (0.15, 0.26)
_GAIN = (0.25, 1.8)
_SHAPES: dict[str, tuple[tuple[int, ...], type]] = {
    "white": ((2, *WHITE_SIZE, 3), np.uint8),
    "iris": ((2, IRIS_SIZE, IRIS_SIZE, 4), np.uint8),
    "radius": ((2,), np.float32),
    "bright": ((3,), np.float32),
}
# Eyeballs are nearly grey; skin in the lids' shadow, which passes for them where they cannot be seen, is not.
_GREY, _PLAIN = 0.4, 160.0


@dataclass(frozen=True, slots=True)
class Eyes:
    """A source's eyes, first the one on the left of the picture.

    white: (2, 48, 96, 3) uint8 BGR, the eyeball without its iris in the eye's own frame.  iris: (2, 40, 40, 4) uint8 BGR
    and opacity.  radius: (2,) float32, of the iris in corner distances.  bright: (3,) float32, the whites' colour.
    """

    white: Bytes
    iris: Bytes
    radius: Floats
    bright: Floats

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What must be stored to make these eyes again."""
        return {f"eyes_{name}": getattr(self, name) for name in _SHAPES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Eyes | None:
        """The eyes that `arrays()` described, None where there are none.  Raises ValueError on wrong arrays."""
        if not any(f"eyes_{name}" in arrays for name in _SHAPES):
            return None
        for name, (shape, kind) in _SHAPES.items():
            found = arrays.get(f"eyes_{name}")
            if found is None or found.shape != shape or found.dtype != kind:
                got = "none" if found is None else f"{found.shape} {found.dtype}"
                raise ValueError(f"got eyes_{name} {got}, expected {shape} {np.dtype(kind)}")
            if not np.isfinite(found).all():
                raise ValueError(f"got eyes_{name} with NaN or infinity, expected finite numbers")
        return cls(*(np.ascontiguousarray(arrays[f"eyes_{name}"]) for name in _SHAPES))  # type: ignore[arg-type]


def frame(points: Floats, pose: Pose, eye: int) -> NDArray[np.float64]:
    """(2, 3) matrix from an eye's own frame (corner distances, y down) to pixels.

    Across it follows the corners; down it is the head's own vertical, so that lids do not change it.
    """
    first, last = EYES[eye][0], EYES[eye][8]
    across = (points[last, :2] - points[first, :2]).astype(np.float64)
    length = float(np.linalg.norm(MEAN[last] - MEAN[first]))
    down = pose.turn(np.array([[0.0, length, 0.0]]))[0, :2].astype(np.float64)
    return np.stack([across, down, (points[first, :2] + points[last, :2]).astype(np.float64) / 2], axis=1)


def gaze(landmarks: Floats, matrix: NDArray[np.float64], eye: int) -> NDArray[np.float64]:
    """Where the middle of the iris is in the eye's own frame, (2,).  landmarks: (478, 3) px.  matrix: the eye's `frame`."""
    return np.asarray(_solve(matrix, landmarks[IRISES[eye][0], :2] - matrix[:, 2]))


def openness(landmarks: Floats, pose: Pose) -> float:
    """Mean height of the two openings between the lids against the width, 0 with closed eyes or without iris landmarks."""
    if len(landmarks) <= IRISES[1][-1]:
        return 0.0
    ratios = []
    for eye in range(2):
        ring = landmarks[EYES[eye], :2]
        matrix = frame(landmarks, pose, eye)
        ratios.append(float(np.abs(_solve(matrix, (ring[1:8] - ring[:8:-1]).T)[1]).mean()))
    return float(np.mean(ratios))


def take(image: Bytes, landmarks: Floats, pose: Pose) -> Eyes:
    """The eyes in a photo.  image: (h, w, 3) uint8 BGR.  landmarks: (478, 3) px.  pose: the head's, as fitted to them."""
    whites, irises, radii = [], [], []
    bright = sclera(image, landmarks, pose)
    if bright is None or not _greyish(bright):
        bright = np.full(3, _PLAIN, np.float32)
    for eye in range(2):
        matrix = frame(landmarks, pose, eye)
        middle = gaze(landmarks, matrix, eye)
        ring = landmarks[IRISES[eye][1:], :2] - landmarks[IRISES[eye][0], :2]
        radius = float(np.clip(np.mean(np.linalg.norm(_solve(matrix, ring.T).T, axis=1)), *_RADIUS))
        radii.append(radius)
        whites.append(_white(image, landmarks, matrix, eye, middle, radius, bright))
        irises.append(_iris(image, landmarks, matrix, eye, middle, radius))
    # What is drawn must not be brighter than what it is measured by, or eyes would glare.
    rows, columns = WHITE_SIZE
    middles = np.stack(whites)[:, rows // 3 : 2 * rows // 3, columns // 4 : 3 * columns // 4].reshape(-1, 3)
    bright = np.maximum(bright, middles.mean(axis=0)).astype(np.float32)
    return Eyes(np.stack(whites), np.stack(irises), np.array(radii, np.float32), bright)


def sclera(image: Bytes, landmarks: Floats, pose: Pose) -> Floats | None:
    """Colour (3,) of the brighter half of what is visible beside the irises, or None where the lids hide it or it is outside."""
    found = []
    for eye in range(2):
        matrix = frame(landmarks, pose, eye)
        ring = landmarks[EYES[eye], :2]
        lower, upper = ring[1:8], ring[:8:-1]
        places = np.concatenate([lower + (upper - lower) * share for share in (0.35, 0.5, 0.65)])
        away = _solve(matrix, (places - matrix[:, 2]).T) - gaze(landmarks, matrix, eye)[:, None]
        gap = np.linalg.norm(upper - lower, axis=1)
        free = (np.linalg.norm(away, axis=0) > 0.24) & (np.tile(gap, 3) > 0.12 * np.linalg.norm(matrix[:, 0]))
        inside = (places >= 0).all(axis=1) & (places <= (image.shape[1] - 1, image.shape[0] - 1)).all(axis=1)
        chosen = np.rint(places[free & inside]).astype(int)
        found.append(image[chosen[:, 1], chosen[:, 0]].astype(np.float32))
    colours = np.concatenate(found)
    if len(colours) < 6:
        return None
    order = np.argsort(colours.sum(axis=1))
    return np.asarray(colours[order[len(order) // 2 :]].mean(axis=0), np.float32)


def draw(
    eyes: Eyes,
    eye: int,
    outline: Floats,
    matrix: NDArray[np.float64],
    middle: NDArray[np.float64],
    gain: Floats,
    picture: Bytes,
    mask: Bytes,
    strength: float,
) -> None:
    """Paint one eye into a patch, in place.

    outline: (16, 2) px, the lids in the patch.  matrix: (2, 3), the eye's frame -> patch.  middle: (2,), the iris in that frame.
    gain: (3,) factors for the whites' colour.  picture: (h, w, 3) uint8.  mask: (h, w) uint8, raised within the lids.
    """
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, mask.shape[::-1])
    if right - left < 2 or bottom - top < 2:
        return
    size = (int(right - left), int(bottom - top))
    local = matrix - np.array([[0, 0, left], [0, 0, top]])
    ball = cv2.warpAffine(eyes.white[eye], _texture(local, _CORNER, _STEP), size, borderMode=cv2.BORDER_REPLICATE)
    reach = _RIM * float(eyes.radius[eye])
    corner = middle - reach
    iris = cv2.warpAffine(eyes.iris[eye], _texture(local, corner, 2 * reach / IRIS_SIZE), size, borderMode=cv2.BORDER_CONSTANT)
    cover = iris[..., 3].astype(np.float32) / 255.0
    whole = ball + cv2.merge([cover] * 3) * (cv2.cvtColor(iris, cv2.COLOR_BGRA2BGR) - ball.astype(np.float32))
    inside = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(inside, [np.rint((outline - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    alpha = (strength / 255.0) * inside.astype(np.float32)
    area = picture[top:bottom, left:right]
    # The lid throws a shadow: the rim of the opening is darker than its middle.
    soft = 0.55 + cv2.blur(inside, (3, 3)).astype(np.float32) * (0.45 / 255.0)
    lit = np.minimum(whole * cv2.merge([factor * soft for factor in gain]), 255.0)
    shown = mask[top:bottom, left:right]
    # Nothing was drawn in an open hole: at its rim the mask alone fades the eye, mixing with black as well would frame it darkly.
    share = cv2.merge([np.where(shown > 0, alpha, alpha > 0)] * 3)
    area[:] = np.rint(area + share * (lit - area)).astype(np.uint8)
    shown[:] = np.maximum(shown, np.rint(alpha * 255)).astype(np.uint8)


def follow(known: Floats | None, seen: Floats | None, eyes: Eyes, rate: float) -> Floats:
    """The factors (3,) for the source's whites, moved from the `known` ones by `rate` towards the target's whites `seen`."""
    if seen is None:
        return np.ones(3, np.float32) if known is None else known
    wanted = np.clip(seen / np.maximum(eyes.bright, 8.0), *_GAIN).astype(np.float32)
    return wanted if known is None else np.asarray(known + np.float32(rate) * (wanted - known), np.float32)


def _greyish(colour: Floats) -> bool:
    return bool(colour.min() >= _GREY * colour.max())


def _solve(matrix: NDArray[np.float64], offsets: NDArray[np.generic]) -> NDArray[np.float64]:
    """Pixel offsets (2, ...) in the eye's own frame; a frame seen from the side has no width left to divide by."""
    return np.asarray(np.linalg.solve(matrix[:, :2] + 1e-3 * np.eye(2), np.asarray(offsets, np.float64)))


def _texture(matrix: NDArray[np.float64], corner: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """From a small picture's pixels, whose left top corner is at `corner` of the eye's frame, `step` a pixel, to pixels."""
    return np.column_stack([matrix[:, :2] * step, matrix[:, 2] + matrix[:, :2] @ (corner + step / 2)])


def _opening(landmarks: Floats, eye: int, texture: NDArray[np.float64], size: tuple[int, int], shrink: int) -> Bytes:
    """(h, w) uint8, 255 between the lids in a small picture; `texture` leads from it to the photo."""
    inverse = cv2.invertAffineTransform(texture)
    ring = landmarks[EYES[eye], :2] @ inverse[:, :2].T + inverse[:, 2]
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(ring * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return np.asarray(cv2.erode(mask, np.ones((shrink, shrink), np.uint8)), np.uint8)


def _white(
    image: Bytes, landmarks: Floats, matrix: NDArray[np.float64], eye: int, middle: NDArray[np.float64], radius: float, plain: Floats
) -> Bytes:
    """The eyeball, with what iris and lids hide filled from what is seen; of `plain` colour (3,) where nothing is."""
    rows, columns = WHITE_SIZE
    texture = _texture(matrix, _CORNER, _STEP)
    seen = cv2.warpAffine(image, texture, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    known = _opening(landmarks, eye, texture, (rows, columns), 5).astype(np.float32) / 255
    y, x = np.mgrid[0:rows, 0:columns]
    across, down = _CORNER[0] + _STEP * (x + 0.5) - middle[0], _CORNER[1] + _STEP * (y + 0.5) - middle[1]
    known *= np.hypot(across, down) > 1.2 * radius
    if known.sum() < 12 or not _greyish(np.median(seen[known > 0], axis=0)):
        return np.asarray(np.broadcast_to(np.rint(plain), (rows, columns, 3)), np.uint8)
    # Lashes and the shadow of the lid are darker than the eyeball.
    light = seen.astype(np.float32).mean(axis=2)
    known *= light > 0.7 * np.median(light[known > 0])
    filled = push_pull(seen.astype(np.float32), known)
    return np.asarray(np.rint(np.clip(cv2.GaussianBlur(filled, (0, 0), 1.2), 0, 255)), np.uint8)


def _iris(image: Bytes, landmarks: Floats, matrix: NDArray[np.float64], eye: int, middle: NDArray[np.float64], radius: float) -> Bytes:
    """The iris, round; what the lids hide takes the median of its ring."""
    reach = _RIM * radius
    texture = _texture(matrix, middle - reach, 2 * reach / IRIS_SIZE)
    size = (IRIS_SIZE, IRIS_SIZE)
    seen = cv2.warpAffine(image, texture, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    y, x = (np.mgrid[0:IRIS_SIZE, 0:IRIS_SIZE] + 0.5) / IRIS_SIZE * 2 - 1
    away = np.hypot(x, y) * _RIM
    visible = _opening(landmarks, eye, texture, size, 5) > 0
    ring = np.minimum((away * 12).astype(int), 20)
    profile = np.zeros((21, 3), np.float32)
    whole = np.median(seen[visible & (away < 1)], axis=0) if (visible & (away < 1)).any() else np.full(3, 60.0)
    for k in range(21):
        here = visible & (ring == k)
        profile[k] = np.median(seen[here], axis=0) if here.sum() >= 4 else (profile[k - 1] if k else whole)
    sure = cv2.GaussianBlur(visible.astype(np.float32), (0, 0), 1.5)[..., None]
    colours = profile[ring] + sure * (seen - profile[ring])
    opacity = np.clip((1.08 - away) / 0.22, 0, 1) * 255
    return np.asarray(np.rint(np.clip(np.dstack([colours, opacity]), 0, 255)), np.uint8)
