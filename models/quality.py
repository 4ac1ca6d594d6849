"""The photo gate: whether a face can be taken from a photo, and what is wrong where it cannot.

The limits were set on 122 official portraits and on copies of them made smaller and blurred: an unblurred face 50 px or
more between the eyes has a sharpness over 100, one blurred by 3 % of the eyes' distance 4 to 26 (median 11).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.pose import fit
from models.mesh.topology import OVAL

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

EYES = 36.0
SHARPNESS = 45.0
YAW, PITCH, ROLL = 28.0, 22.0, 35.0
# A further view may show the face from the side: it fills what the first one saw askew.
SIDE_YAW = 50.0
DARK, CONTRAST = 22.0, 4.0
BURNT = 0.25
OUTSIDE = 0.02
# Lightness and red of mouth and chin against forehead and cheeks (Lab); bare faces, bearded ones too, stay above.
COVER_LIGHT, COVER_RED = -45.0, -6.5
_SIDE = 160
_UPPER = [151, 9, 8, 168, 6, 197, 195, 50, 280, 101, 330, 67, 297, 109, 338, 108, 337]
_LOWER = [164, 0, 17, 18, 200, 199, 175, 57, 287, 214, 434, 192, 416, 210, 430, 204, 424]
_LIPS = [0, 17, 37, 267, 84, 314]


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a face in a photo.

    eyes: px between the eye centres.  sharpness: variance of the Laplacian where that distance is made 64 px.
    yaw, pitch, roll: degrees.  lightness: 0..100, the skin's.  contrast: its spread over the face.
    burnt: share of the face that is plain white.  outside: share of the face's outline beyond the photo.
    cover_light, cover_red: Lab difference of the lower face, and of the lips, to the upper face.
    """

    eyes: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float
    lightness: float
    contrast: float
    burnt: float
    outside: float
    cover_light: float
    cover_red: float


def measure(image: Bytes, landmarks: Floats) -> Measures:
    """Measure a face.  image: (h, w, 3) uint8 BGR.  landmarks: (478, 3) px.  Raises ValueError when they are not finite."""
    pose = fit(landmarks)
    right, left = _eye_centres(landmarks)
    face = aligned(image, landmarks)
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)[20:150, 20:140].astype(np.float32)
    height, width = image.shape[:2]
    outline = landmarks[OVAL, :2]
    beyond = ((outline < 0) | (outline > np.array([width - 1, height - 1], np.float32))).any(axis=1)
    upper, lower, lips = (_colour(image, landmarks, points) for points in (_UPPER, _LOWER, _LIPS))
    return Measures(
        eyes=float(np.linalg.norm(left - right)),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        yaw=pose.yaw,
        pitch=pose.pitch,
        roll=pose.roll,
        lightness=float(upper[0]),
        contrast=float(grey.std()),
        burnt=float((face[20:150, 20:140].min(axis=2) >= 250).mean()),
        outside=float(beyond.mean()),
        cover_light=float(lower[0] - upper[0]),
        cover_red=float(lips[1] - upper[1]),
    )


def problems(image: Bytes, landmarks: Floats, yaw: float = YAW) -> list[str]:
    """What keeps a face from being taken from this photo, each with what was found and what is needed; empty: nothing.

    yaw: how far the face may be turned, degrees.
    """
    seen = measure(image, landmarks)
    found = []
    if seen.eyes < EYES:
        found.append(f"the face is too small ({seen.eyes:.0f} px between the eyes, at least {EYES:.0f} needed)")
    elif seen.sharpness < SHARPNESS and seen.lightness >= DARK:
        found.append(f"the face is blurred (sharpness {seen.sharpness:.0f}, at least {SHARPNESS:.0f} needed)")
    if abs(seen.yaw) > yaw:
        side = "right" if seen.yaw > 0 else "left"
        found.append(f"the face is turned to the {side} of the picture ({abs(seen.yaw):.0f} degrees, at most {yaw:.0f} allowed)")
    if abs(seen.pitch) > PITCH:
        way = "down" if seen.pitch > 0 else "up"
        found.append(f"the face looks {way} ({abs(seen.pitch):.0f} degrees, at most {PITCH:.0f} allowed)")
    if abs(seen.roll) > ROLL:
        found.append(f"the head is tilted ({abs(seen.roll):.0f} degrees, at most {ROLL:.0f} allowed)")
    if seen.lightness < DARK:
        found.append(f"the face is too dark (lightness {seen.lightness:.0f} of 100, at least {DARK:.0f} needed)")
    elif seen.contrast < CONTRAST:
        found.append(f"the face has no contrast ({seen.contrast:.1f} grey levels, at least {CONTRAST:.0f} needed)")
    if seen.burnt > BURNT:
        found.append(f"the face is too bright ({seen.burnt:.0%} of it plain white, at most {BURNT:.0%} allowed)")
    if seen.outside > OUTSIDE:
        found.append(f"the face is cut off by the photo's edge ({seen.outside:.0%} of its outline missing, none may be)")
    # In the dark and beyond the edge colours say nothing.
    if seen.lightness >= DARK and (seen.cover_light < COVER_LIGHT or seen.cover_red < COVER_RED):
        found.append(
            f"mouth and chin seem covered by a mask, scarf or hand (lips {seen.cover_red:+.0f} redder than the cheeks, "
            f"at least {COVER_RED:+.0f} expected; chin {seen.cover_light:+.0f} lighter, at least {COVER_LIGHT:+.0f})"
        )
    return found


def aligned(image: Bytes, landmarks: Floats) -> Bytes:
    """The face upright, 160 px wide and high with 64 px between the eyes; never made from fewer pixels than needed."""
    right, left = _eye_centres(landmarks)
    across = (left - right).astype(np.float64)
    distance = max(float(np.linalg.norm(across)), 1e-3)
    scale = 0.4 * _SIDE / distance
    cosine, sine = across / distance * scale
    # Shrunk by averaging first: skipping pixels would look sharp.
    factor = min(1.0, scale)
    if factor < 1:
        image = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    matrix = np.array([[cosine, sine, 0], [-sine, cosine, 0]]) / factor
    matrix[:, 2] = np.array([0.5, 0.38]) * _SIDE - matrix[:, :2] @ ((right + left) / 2 * factor)
    return np.asarray(cv2.warpAffine(image, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _eye_centres(landmarks: Floats) -> tuple[Floats, Floats]:
    """The person's right and left eye (2,), the left of the picture first."""
    points = landmarks[:, :2]
    return np.asarray(points[[33, 133]].mean(axis=0)), np.asarray(points[[362, 263]].mean(axis=0))


def _colour(image: Bytes, landmarks: Floats, points: list[int]) -> Floats:
    """Median Lab colour (3,) around some landmarks."""
    height, width = image.shape[:2]
    reach = max(1, int(np.ptp(landmarks[:, 0]) / 60))
    places = np.rint(landmarks[points, :2]).astype(int)
    columns, rows = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
    patches = [
        image[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1].mean(axis=(0, 1))
        for row, column in zip(rows, columns, strict=True)
    ]
    lab = cv2.cvtColor(np.array([patches], np.float32) / 255, cv2.COLOR_BGR2LAB)[0]
    return np.asarray(np.median(lab, axis=0), np.float32)
