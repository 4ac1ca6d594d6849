"""A portrait that can be moved: the face mesh, rings around it up to still ground, and what lies behind lids and lips."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.mesh.topology import LEFT_EYE, OVAL, RIGHT_EYE, TRIANGLES
from models.puppet import warp
from models.puppet.mouth import COLUMNS, LOWER, LOWER_LIP, UPPER, UPPER_LIP, behind

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

POINTS = 478
# Rings as shares of the way from the face's outline to the still ground; how far the camera is, in face heights.
_RINGS = np.array([0.04, 0.1, 0.17, 0.25, 0.34, 0.45, 0.58, 0.72, 0.86, 1.0], np.float32)
_DISTANCE = 6.0
_REACH = 2.6
_DROP = 0.13
# The sides of the face, edge-on in the photo, are too few pixels to be turned into view: depth beyond _FLAT face heights counts less.
_FLAT, _DEEP = 0.08, 0.45
# Lids, from corner to corner: upper edge, lower edge, the fold above, the row below; right eye, then left.
_LIDS = (
    (
        [246, 161, 160, 159, 158, 157, 173],
        [7, 163, 144, 145, 153, 154, 155],
        [247, 30, 29, 27, 28, 56, 190],
        [25, 110, 24, 23, 22, 26, 112],
    ),
    (
        [466, 388, 387, 386, 385, 384, 398],
        [249, 390, 373, 374, 380, 381, 382],
        [467, 260, 259, 257, 258, 286, 414],
        [255, 339, 254, 253, 252, 256, 341],
    ),
)


@dataclass(frozen=True, slots=True)
class Pose:
    """How the person sits: x, y in face heights to the right and down; size relative; yaw, pitch, roll in degrees
    (positive: towards the right of the picture, down, clockwise); mouth 0 as in the photo to 1 wide open; blink 0 to 1 closed."""

    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    mouth: float = 0.0
    blink: float = 0.0


def _smooth(value: Floats | NDArray[np.float64], low: float, high: float) -> Floats:
    """0 up to low, 1 from high, an S between."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


class Puppet:
    """One person's portrait as a mesh.

    image: (h + 2 margin, w + 2 margin, 3) uint8, the still scene and `margin` px more on every side.
    landmarks: (478, 3) float32 px of the scene (without margin) at rest.
    """

    def __init__(self, image: Bytes, landmarks: Floats, margin: int) -> None:
        height, width = image.shape[0] - 2 * margin, image.shape[1] - 2 * margin
        self._face = np.array(landmarks[:POINTS], np.float32)
        self._tall = float(np.linalg.norm(self._face[152, :2] - self._face[10, :2]))
        self._flattened = np.zeros((POINTS, 3), np.float32)
        self._flattened[:, 2] = (1 - _DEEP) * np.maximum(self._face[:, 2] - _FLAT * self._tall, 0.0)
        self._face -= self._flattened
        oval = self._face[OVAL]
        across = self._face[263, :2] - self._face[33, :2]
        self._across = (across / np.linalg.norm(across)).astype(np.float32)
        self._down = np.array([-self._across[1], self._across[0]], np.float32)
        centre = oval[:, :2].mean(axis=0)
        depth = float(self._face[[234, 454], 2].mean()) + 0.04 * self._tall
        self._pivot = np.array([*(centre + 0.55 * self._tall * self._down), depth], np.float32)
        self._centre = centre
        rings, share, close = self._surroundings(oval, centre, depth, (width, height), margin)
        eyes = np.concatenate([self._face[RIGHT_EYE], self._face[LEFT_EYE]])
        self._mouth = np.concatenate([UPPER, LOWER])
        self._rest = np.concatenate([self._face, rings, eyes, self._face[self._mouth]]).astype(np.float32)
        self._share = np.ones((len(self._rest), 1), np.float32)
        self._share[POINTS : POINTS + len(rings), 0] = share
        self._jaw = self._jaw_field(close)
        patch, origin = behind(image, self._face + np.array([margin, margin, 0], np.float32), self._across)
        self._texture, self._places, self._mouth_at = _stack(image, patch, self._rest[:, :2] + margin, origin - margin)
        self._ring_triangles, self._inner_triangles = _triangles(len(rings))
        self._lids = [[np.array(row, np.int32) for row in eye] for eye in _LIDS]

    def _surroundings(
        self, oval: Floats, centre: Floats, depth: float, size: tuple[int, int], margin: int
    ) -> tuple[Floats, Floats, Floats]:
        """Points around the face (36 a ring), how much of the head's motion each takes, and how near the outline each is."""
        ray = oval[:, :2] - centre
        length = np.linalg.norm(ray, axis=1)
        way = ray / length[:, None]
        room = np.where(way > 0, np.array(size, np.float32) + margin - 2 - centre, -(2 - margin) + centre) / np.maximum(np.abs(way), 1e-6)
        border = np.minimum(_REACH * length, np.maximum(room.min(axis=1), 1.02 * length))
        radius = length + _RINGS[:, None] * (border - length)
        points = centre + radius[..., None] * way
        times = radius / length
        # Hair goes with the head; the neck hands its motion over to shoulders that hardly move.
        below = _smooth(way @ self._down, 0.0, 0.8)
        free = 1.5 - 0.4 * below
        share = 1 - _smooth((times - free) / np.maximum(border / length - free, 0.2), 0.0, 1.0)
        share[-1] = 0.0
        z = oval[:, 2] + (depth - oval[:, 2]) * _smooth(times, 1.0, 1.6)
        rings = np.concatenate([points, z[..., None]], axis=2).reshape(-1, 3).astype(np.float32)
        return rings, share.reshape(-1).astype(np.float32), (1 - _smooth(times, 1.0, 1.4)).reshape(-1)

    def _jaw_field(self, close: Floats) -> Floats:
        """How far each point goes down when the mouth opens by 1; upper lip slightly up."""
        middle = self._face[[78, 308], :2].mean(axis=0)
        half = float(np.linalg.norm(self._face[308, :2] - self._face[78, :2])) / 2
        local = self._face[:, :2] - middle
        u, v = local @ self._across, local @ self._down
        chin = float(v[152])
        wide = float(np.abs(u[[234, 454]]).mean())
        side = _smooth(v / chin, -0.35, 0.9) * (1 - _smooth(np.abs(u) / wide, 0.5, 1.0))
        taper = np.clip(1 - (u / (1.03 * half)) ** 2, 0.0, 1.0) ** 0.8
        lower = v > 0
        lower[UPPER_LIP], lower[LOWER_LIP] = False, True
        near = 1 - _smooth(-v / chin, 0.0, 0.8)
        field = np.where(lower, side + (1 - side) * taper, side * (1 - taper) - 0.12 * taper * near).astype(np.float32)
        rings = (field[OVAL][None] * close.reshape(-1, len(OVAL))).reshape(-1)
        return np.concatenate([field, rings, np.zeros(len(RIGHT_EYE) * 2, np.float32), field[self._mouth]])

    def _rest_shape(self, pose: Pose) -> Floats:
        """All points before the head turns: jaw dropped, lids drawn."""
        points = np.array(self._rest)
        points[:, :2] += (pose.mouth * _DROP * self._tall * self._jaw)[:, None] * self._down
        for upper, lower, fold, row in self._lids:
            gap = self._face[lower] - self._face[upper]
            points[upper] += 0.93 * pose.blink * gap
            points[lower] -= 0.05 * pose.blink * gap
            points[fold] += 0.3 * pose.blink * gap
            points[row] -= 0.02 * pose.blink * gap
        return points

    def place(self, pose: Pose) -> tuple[Floats, Floats]:
        """Every point of the mesh (n, 3) px in the pose and where its texture is (n, 2)."""
        points = self._rest_shape(pose)
        places = self._places.copy()
        places[-len(self._mouth) :] = points[-len(self._mouth) :, :2] + self._mouth_at
        far = _DISTANCE * self._tall
        # Out of the picture's perspective, turn, and back into it: at rest nothing moves.
        solid = points - self._pivot
        spread = (far + points[:, 2:]) / far
        solid[:, :2] = (points[:, :2] - self._centre) * spread + self._centre - self._pivot[:2]
        solid = solid @ rotation(pose.yaw, pose.pitch, pose.roll).T + self._pivot
        solid[:, :2] += self._tall * np.array([pose.x, pose.y], np.float32)
        moved = solid * np.array([1, 1, pose.size], np.float32)
        moved[:, :2] = (solid[:, :2] - self._centre) * (far / (far / pose.size + solid[:, 2:])) + self._centre
        return np.asarray(points + self._share * (moved - points), np.float32), places

    def landmarks(self, points: Floats) -> Floats:
        """The face's landmarks (478, 3) of points as placed."""
        return np.asarray(points[:POINTS] + self._flattened, np.float32)

    def draw(self, points: Floats, places: Floats, out: Bytes) -> None:
        """Paint the person, as placed, over the scene `out` (h, w, 3)."""
        flat = np.ascontiguousarray(points[:, :2])
        depth = points[TRIANGLES, 2].sum(axis=1)
        order = np.concatenate([self._ring_triangles, self._inner_triangles, TRIANGLES[np.argsort(-depth)]])
        warp.draw(flat, order, self._texture, places, out)


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """(3, 3) float32, x right, y down, z away; degrees, signs as in Pose."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians([yaw, pitch, roll])), np.cos(np.radians([yaw, pitch, roll]))
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(lean @ turn @ nod, np.float32)


def _stack(image: Bytes, patch: Bytes, places: Floats, origin: Floats) -> tuple[warp.Lanes, Floats, Floats]:
    """The picture with the patch below it, places in it, and what must be added to a point to find it in the patch."""
    height, width = patch.shape[:2]
    wide = max(image.shape[1], width + 4)
    both = np.zeros((image.shape[0] + height + 4, wide, 3), np.uint8)
    both[: image.shape[0], : image.shape[1]] = image
    both[image.shape[0] + 2 : image.shape[0] + 2 + height, 2 : 2 + width] = patch
    return warp.lanes(both), places.astype(np.float32), np.array([2, image.shape[0] + 2], np.float32) - origin


def _triangles(ring_points: int) -> tuple[Indices, Indices]:
    """Triangles of the rings, outermost first, and of what lies behind lids and lips."""
    count = len(OVAL)
    rows = [OVAL, *(POINTS + np.arange(ring_points).reshape(-1, count))]
    ring = []
    for inner, outer in reversed(list(pairwise(rows))):
        after_inner, after_outer = np.roll(inner, -1), np.roll(outer, -1)
        ring += [np.stack([inner, outer, after_outer], 1), np.stack([inner, after_outer, after_inner], 1)]
    eyes = POINTS + ring_points
    strips = []
    for start, contour in ((eyes, RIGHT_EYE), (eyes + 16, LEFT_EYE)):
        upper = start + np.array([0, *range(len(contour) - 1, 8, -1), 8])
        strips.append(_strip(upper, start + np.arange(9)))
    mouth = eyes + 32
    strips.append(_strip(mouth + np.arange(COLUMNS), mouth + COLUMNS + np.arange(COLUMNS)))
    return np.concatenate(ring).astype(np.int32), np.concatenate(strips).astype(np.int32)


def _strip(upper: Indices, lower: Indices) -> Indices:
    """Triangles between two rows of points, both ways round: lips and lids may run either way across the picture."""
    one = np.stack([upper[:-1], upper[1:], lower[1:]], 1)
    two = np.stack([upper[:-1], lower[1:], lower[:-1]], 1)
    both = np.concatenate([one, two])
    return np.asarray(np.concatenate([both, both[:, ::-1]]), np.int32)
