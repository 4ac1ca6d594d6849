"""Enrolment from short videos: the few frames that are worth it, and clear words where none is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import flat, make
from faces import larger
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker
from models.mesh.pose import fit
from models.quality import SIDE_YAW, YAW, problems
from realtime.frame import RealtimeError
from realtime.people.enrol import enrol
from realtime.people.footage import is_footage, smaller, watch
from realtime.portraits import portrait

Bytes = NDArray[np.uint8]


def film(path: Path, portrait_image: Bytes, blurred: slice = slice(0, 0)) -> Path:
    """Two seconds of a still portrait that is shifted a little from frame to frame; some frames blurred."""
    pictures = []
    for index in range(20):
        picture = np.roll(portrait_image, 2 * index, axis=1)
        pictures.append(np.ascontiguousarray(picture))
    for index in range(*blurred.indices(20)):
        pictures[index] = np.asarray(cv2.GaussianBlur(pictures[index], (0, 0), 7), np.uint8)
    return make(path, pictures, options={"crf": "16", "bf": "0"})


def test_videos_are_told_by_their_ending() -> None:
    assert [is_footage(name) for name in ("a.mp4", "A.MOV", "b.jpg", "c.gif", "anna")] == [True, True, False, False, False]


def test_a_video_gives_the_face_that_its_frames_show(tmp_path: Path, collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    path = film(tmp_path / "collins.mp4", collins, slice(0, 12))
    told: list[tuple[str, float]] = []
    filmed = enrol("collins", [path], detector, landmarker, None, advance=lambda name, done: told.append((name, done)))
    still = enrol("collins", [portrait("collins")], detector, landmarker, None)
    assert np.abs(filmed.atlas.texture.astype(int) - still.atlas.texture).mean() < 6
    assert np.abs(filmed.atlas.shape - still.atlas.shape).mean() < 0.02
    assert filmed.photos[0].name == "collins.mp4"
    assert len(filmed.photos[0].sha256) == 64
    assert {name for name, _ in told} == {"collins.mp4"}
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert shares[-1] > 0.8


def test_blurred_frames_are_passed_over(tmp_path: Path, collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    path = film(tmp_path / "collins.mp4", collins, slice(0, 18))
    for image, landmarks in watch(path, detector, landmarker):
        assert not problems(image, landmarks)


def test_photos_and_videos_go_together(tmp_path: Path, collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    path = film(tmp_path / "collins.mp4", collins)
    photos = enrol("collins", [portrait("collins"), path], detector, landmarker, None).photos
    assert [photo.name for photo in photos] == ["astronaut.png", "collins.mp4"]


def test_what_is_wrong_with_a_video_is_said(
    tmp_path: Path, collins: Bytes, hopper: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    wall = make(tmp_path / "wall.mp4", [flat(320, 240, (90, 90, 90))] * 10)
    dull = film(tmp_path / "dull.mp4", collins, slice(0, 20))
    pair = np.ascontiguousarray(np.hstack([collins, hopper[:512]]))
    both = make(tmp_path / "both.mp4", [pair] * 6)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(b"no video at all")
    for path, words in (
        (wall, "no face was found"),
        (dull, "blurred"),
        (both, "several people"),
        (cut, "cut.mp4"),
        (tmp_path / "gone.mp4", "gone.mp4"),
    ):
        with pytest.raises(RealtimeError, match=words):
            enrol("x", [path], detector, landmarker, None)


def test_a_turning_head_is_taken_from_the_side_too(shared: Path, detector: Detector, landmarker: Landmarker) -> None:
    views = watch(shared / "clips/s18.mp4", detector, landmarker)
    assert abs(fit(views[0][1]).yaw) <= YAW
    assert all(abs(fit(landmarks).yaw) <= SIDE_YAW for _, landmarks in views)
    turned = [landmarks for _, landmarks in views if abs(fit(landmarks).yaw) > 12]
    assert turned, "somebody who turns their head is taken from the side too"


def test_a_large_view_is_made_smaller(collins: Bytes) -> None:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[152, 1] = 400
    image, points = smaller(larger(collins, 2.0), landmarks, 200)
    assert image.shape[:2] == (512, 512)
    assert points[152, 1] == 200
