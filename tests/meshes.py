"""Shots whose truth is known: the mean face placed by known poses, and pictures with a mask over it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.shot import Shot
from models.mesh.pose import Pose
from models.mesh.topology import LEFT_EYE, MEAN, OVAL, RIGHT_EYE

RATE = 30.0


def head() -> NDArray[np.float64]:
    """The mean face with irises (478, 3), in mean-face units."""
    ring = 0.08 * np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]])
    irises = [MEAN[eye].mean(axis=0) + ring for eye in (RIGHT_EYE, LEFT_EYE)]
    return np.concatenate([MEAN[:468], *irises]).astype(np.float64)


def turn(pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> NDArray[np.float64]:
    """Rotation by one vector of degrees."""
    return np.asarray(cv2.Rodrigues(np.radians([pitch, yaw, roll]))[0], np.float64)


def placed(
    shape: NDArray[np.float64], rotation: NDArray[np.float64], size: float = 80.0, x: float = 160, y: float = 140
) -> NDArray[np.float32]:
    """The face in pixels; size: eye distance."""
    return Pose(size, rotation, np.array([x, y, 0.0])).place(shape)


def swaying(count: int) -> list[NDArray[np.float64]]:
    """Poses of a head that looks around."""
    return [turn(6 * np.sin(0.31 * i), 14 * np.sin(0.17 * i + 1), 5 * np.cos(0.23 * i)) for i in range(count)]


def patch(points: NDArray[np.float32], size: tuple[int, int], feather: int = 0, grow: float = 0.9) -> NDArray[np.uint8]:
    """A mask (h, w) over the face's oval, faded over so many pixels."""
    mask = np.zeros(size, np.uint8)
    outline = points[OVAL, :2]
    cv2.fillPoly(mask, [np.rint(outline.mean(axis=0) + grow * (outline - outline.mean(axis=0))).astype(np.int32)], 255)
    return np.asarray(cv2.blur(mask, (2 * feather + 1, 2 * feather + 1)), np.uint8) if feather else mask


def blended(image: NDArray[np.uint8], other: NDArray[np.floating], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`other` over the image by the mask."""
    alpha = mask[..., None] / 255.0
    return np.asarray(np.clip(np.rint(image * (1 - alpha) + other * alpha), 0, 255), np.uint8)


def shot(
    index: int,
    image: NDArray[np.uint8],
    result: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    mask: NDArray[np.uint8] | None = None,
    before: NDArray[np.float32] | None = None,
    after: NDArray[np.float32] | None = None,
    track: int = 0,
) -> Shot:
    """A shot at 30 frames a second; the mask is the oval, and landmarks are measured where they are, unless said otherwise."""
    mask = patch(landmarks, image.shape[:2]) if mask is None else mask
    before = landmarks if before is None else before
    return Shot(index, index / RATE, image, result, landmarks, track, before, landmarks if after is None else after, mask)
