"""Landmarks against MediaPipe's own face mesh, regions, edges and threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import POINTS, Landmarker, Region, decode, region_from_detection, region_from_landmarks

Image = NDArray[np.uint8]


def _find(image: Image, detector: Detector, landmarker: Landmarker) -> NDArray[np.float32]:
    found = detector(image)
    landmarks = landmarker(image, [region_from_detection(found.boxes[0], found.points[0])])[0]
    assert landmarks is not None
    return landmarks


def test_the_same_as_mediapipes_own_graph(landmarker: Landmarker, hopper: Image, collins: Image) -> None:
    """Its second frame looks where the first frame's landmarks lead; so do we, with our own region and decoding."""
    import mediapipe as mp

    for image in (hopper, collins):
        height, width = image.shape[:2]
        with mp.solutions.face_mesh.FaceMesh(static_image_mode=False, refine_landmarks=True) as mesh:
            theirs = []
            for _ in range(2):
                points = mesh.process(np.ascontiguousarray(image[:, :, ::-1])).multi_face_landmarks[0].landmark
                theirs.append(np.array([(point.x * width, point.y * height, point.z * width) for point in points], np.float32))
        ours = landmarker(image, [region_from_landmarks(theirs[0])])[0]
        assert ours is not None
        assert np.abs(ours - theirs[1]).max() < 0.05


def test_several_regions_of_one_picture(landmarker: Landmarker, detector: Detector, hopper: Image, collins: Image) -> None:
    both = np.zeros((600, 1024, 3), np.uint8)
    both[:, :512] = hopper
    both[:512, 512:] = collins
    alone = [region_from_landmarks(_find(image, detector, landmarker)) for image in (hopper, collins)]
    beside = Region(alone[1].x + 512, alone[1].y, alone[1].size, alone[1].rotation)
    first, nobody, second = landmarker(both, [alone[0], Region(850, 560, 60, 0), beside])
    assert nobody is None
    assert first is not None
    assert second is not None
    assert np.allclose(first, landmarker(hopper, [alone[0]])[0], atol=0.1)
    shifted = landmarker(collins, [alone[1]])[0]
    assert shifted is not None
    assert np.allclose(second, shifted + np.float32([512, 0, 0]), atol=0.1)


def test_turned_pictures(landmarker: Landmarker, detector: Detector, collins: Image) -> None:
    """In a picture turned by 90 degrees the same points are found, turned."""
    upright = _find(collins, detector, landmarker)
    region = region_from_landmarks(upright)
    turned = np.ascontiguousarray(np.rot90(collins, -1))
    found = landmarker(turned, [Region(512 - region.y, region.x, region.size, region.rotation + np.pi / 2)])[0]
    again = landmarker(collins, [region])[0]
    assert found is not None
    assert again is not None
    assert np.abs(found[:, 0] - (512 - again[:, 1])).max() < 2.5
    assert np.abs(found[:, 1] - again[:, 0]).max() < 2.5
    assert np.isclose(region_from_landmarks(found).rotation, region_from_landmarks(again).rotation + np.pi / 2, atol=0.03)


def test_a_face_cut_by_the_picture(landmarker: Landmarker, detector: Detector, collins: Image) -> None:
    whole = _find(collins, detector, landmarker)
    region = region_from_landmarks(whole)
    cut = np.ascontiguousarray(collins[:, int(region.x) - 20 :])
    found = landmarker(cut, [Region(20.0, region.y, region.size, region.rotation)])[0]
    assert found is None or np.isfinite(found).all()


@pytest.mark.parametrize(
    "region",
    [
        Region(float("nan"), 5, 20),
        Region(5, float("inf"), 20),
        Region(5, 5, float("nan")),
        Region(5, 5, 20, float("nan")),
        Region(5, 5, 0),
        Region(5, 5, -3),
        Region(5, 5, 1e9),
        Region(1e6, 5, 20),
        Region(-500, -500, 20),
    ],
)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 900), (512, 512)])
def test_regions_and_pictures_that_are_hardly_any(landmarker: Landmarker, region: Region, shape: tuple[int, int]) -> None:
    assert landmarker(np.zeros((*shape, 3), np.uint8), [region]) == [None]
    assert landmarker(np.zeros((*shape, 3), np.uint8), []) == []


def test_a_bad_region_does_no_harm_to_the_next(landmarker: Landmarker, detector: Detector, hopper: Image) -> None:
    good = region_from_landmarks(_find(hopper, detector, landmarker))
    found = landmarker(hopper, [Region(float("nan"), 0, 1), good])
    assert found[0] is None
    assert found[1] is not None


def test_made_in_one_thread_and_used_in_two_others(detector: Detector, hopper: Image) -> None:
    landmarker = Landmarker()
    expected = _find(hopper, detector, landmarker)
    found = detector(hopper)
    region = region_from_detection(found.boxes[0], found.points[0])
    results: list[NDArray[np.float32] | None] = []

    def work() -> None:
        for _ in range(10):
            results.extend(landmarker(hopper, [region]))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 20
    assert all(result is not None and np.allclose(result, expected, atol=1e-3) for result in results)
    landmarker.close()


def test_every_wire_form_is_read() -> None:
    """Landmarks that carry more than x, y, z have another length; the slow way reads them."""
    from mediapipe.framework.formats import landmark_pb2

    expected = np.random.default_rng(0).normal(size=(POINTS, 3)).astype(np.float32)
    expected[0] = 0
    for extra in ({}, {"visibility": 0.5}):
        points = [landmark_pb2.NormalizedLandmark(x=x, y=y, z=z, **extra) for x, y, z in expected]
        data = landmark_pb2.NormalizedLandmarkList(landmark=points).SerializeToString()
        assert np.array_equal(decode(data, POINTS), expected)
    with pytest.raises(ValueError, match="got 3, expected 478"):
        decode(landmark_pb2.NormalizedLandmarkList(landmark=points[:3]).SerializeToString(), POINTS)


def test_wrong_arguments(landmarker: Landmarker) -> None:
    with pytest.raises(ValueError, match="presence: got"):
        Landmarker(presence=0.2)
    with pytest.raises(ValueError, match="image: got uint8"):
        landmarker(np.zeros((9, 9), np.uint8), [])
