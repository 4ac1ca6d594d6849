"""Glasses of somebody who moves: they stay on, go when they are taken off, and nobody gets any who wears none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import find
from numpy.typing import NDArray
from test_glasses import on_face, rims, unwrapped

from models.detector import Detector
from models.landmarks import Landmarker, region_from_landmarks
from models.mesh.glasses import glasses
from models.mesh.rims import likeness
from models.mesh.rims import rims as look_of
from models.mesh.worn import Worn
from realtime.config import AnimatedInput
from realtime.portraits import portrait
from realtime.sources.animated import Animated

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
_FPS = 8


def moving(path: Path) -> Animated:
    return Animated(AnimatedInput(path=str(path), fps=_FPS, realtime=False))


def seen(
    worn: Worn, frames: Sequence[int], source: Animated, landmarker: Landmarker, change: Callable[[Bytes, Floats], Bytes] | None = None
) -> NDArray[np.bool_]:
    """Which of these frames show glasses to Worn, by the landmarks that the model finds in them."""
    kept, points = [], source.truth(frames[0])[0]
    for index in frames:
        image = source.image(index)
        found = landmarker(image, [region_from_landmarks(points)])[0]
        points = source.truth(index)[0] if found is None else found
        left, top, right, bottom = (*points[:, :2].min(axis=0).astype(int), *points[:, :2].max(axis=0).astype(int))
        image = image if change is None else change(image, points)
        kept.append(worn(image, points[:468], (int(left), int(top), int(right), int(bottom)), index / _FPS) is not None)
    return np.array(kept)


def dressed(photo: Bytes, landmarks: Floats, colour: tuple[int, int, int], thick: int) -> Bytes:
    cover = on_face(rims(thick), landmarks, photo.shape)
    return np.asarray(np.rint(photo * (1 - cover) + np.array(colour) * cover), np.uint8)


def test_hoppers_glasses_stay_on_all_through_the_demonstration(landmarker: Landmarker) -> None:
    kept = seen(Worn(), range(24 * _FPS), moving(portrait("hopper")), landmarker)
    assert kept[_FPS:].all()


@pytest.mark.parametrize(("colour", "thick"), [((30, 60, 120), 7), ((60, 60, 70), 3)], ids=["brown", "thin"])
def test_glasses_go_when_they_are_taken_off_and_come_back_when_they_are_put_on(
    collins: Bytes, detector: Detector, landmarker: Landmarker, tmp_path: Path, colour: tuple[int, int, int], thick: int
) -> None:
    bare, photo = moving(portrait("collins")), tmp_path / "dressed.png"
    cv2.imwrite(str(photo), dressed(collins, find(collins, detector, landmarker), colour, thick))
    wearing, worn = moving(photo), Worn()
    assert seen(worn, range(6 * _FPS), wearing, landmarker)[_FPS:].all()
    off = seen(worn, range(6 * _FPS, 11 * _FPS), bare, landmarker)
    # Half a second before the eyes may be anything.
    assert off[: _FPS // 2].all()
    assert not off[2 * _FPS :].any()
    assert seen(worn, range(11 * _FPS, 15 * _FPS), wearing, landmarker)[3 * _FPS :].all()


def test_a_hand_before_the_eyes_for_a_moment_takes_nothing_off(landmarker: Landmarker) -> None:
    source, worn = moving(portrait("hopper")), Worn()

    def covered(image: Bytes, points: Floats) -> Bytes:
        top, bottom = points[10, 1], points[1, 1]
        image[int(top) : int(bottom), int(points[234, 0]) : int(points[454, 0])] = (120, 150, 200)
        return image

    assert seen(worn, range(5 * _FPS), source, landmarker)[_FPS:].all()
    assert seen(worn, range(5 * _FPS, 5 * _FPS + 5), source, landmarker, covered).all()
    after = seen(worn, range(5 * _FPS + 5, 9 * _FPS), source, landmarker)
    assert after.mean() > 0.75
    assert after[_FPS:].all()


def test_nobody_gets_glasses_who_wears_none(shared: Path, landmarker: Landmarker) -> None:
    for path in (portrait("collins"), *(shared / f"photos/portraits/{name}.jpg" for name in ("D000623", "J000309"))):
        assert not seen(Worn(), range(8 * _FPS), moving(path), landmarker).any(), path


def test_rims_look_like_themselves_and_not_like_the_face_without_them(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    plain, known = (cv2.resize(np.asarray(part, np.uint8), (192, 192)) for part in unwrapped(collins, landmarks))
    wearing = cv2.resize(unwrapped(dressed(collins, landmarks, (60, 60, 70), 4), landmarks)[0], (192, 192))
    inside = known > 0
    there = look_of(np.asarray(wearing, np.uint8), glasses(np.asarray(wearing, np.uint8), inside))
    assert there is not None
    darker = np.rint(np.roll(wearing, (2, -3), axis=(0, 1)) * 0.6).astype(np.uint8)
    alike, moved, without = (likeness(there, np.asarray(picture, np.uint8), inside) for picture in (wearing, darker, plain))
    assert alike == pytest.approx(1.0, abs=1e-3)
    assert moved is not None
    assert moved > 0.9
    assert without is not None
    assert without < 0.5
    half = inside.copy()
    half[:, :120] = False
    assert likeness(there, np.asarray(wearing, np.uint8), half) is None
    assert likeness(there, np.full_like(wearing, 128), inside) == pytest.approx(0.0, abs=0.2)
    assert look_of(np.asarray(wearing, np.uint8), np.zeros((192, 192), np.float32)) is None
