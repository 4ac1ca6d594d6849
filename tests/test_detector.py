"""The detector on real photos, on squares and their borders, and on pictures that are hardly any."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.detector import Detector, tiles
from models.landmarks import Landmarker, region_from_detection

Image = NDArray[np.uint8]


def _inside(point: tuple[float, float], box: NDArray[np.float32]) -> bool:
    return bool(box[0] < point[0] < box[2] and box[1] < point[1] < box[3])


def test_both_portraits(detector: Detector, hopper: Image, collins: Image) -> None:
    for image, nose in ((hopper, (262, 235)), (collins, (226, 122))):
        found = detector(image)
        assert len(found) == 1
        assert found.scores[0] > 0.8
        assert _inside(nose, found.boxes[0])
        assert np.hypot(*(found.points[0, 2] - nose)) < 20, "the third point is the tip of the nose"
        assert found.points[0, 0, 0] < found.points[0, 1, 0], "the person's right eye is on the left"


def test_small_faces_of_a_large_group(detector: Detector, landmarker: Landmarker, shared: Path) -> None:
    image = np.asarray(cv2.imread(str(shared / "photos/groups/solvay1927.jpg")), np.uint8)
    found = detector(image)
    assert 27 <= len(found) <= 29
    assert found.boxes[:, 3].max() < 400, "all heads are in the upper half"
    meshes = landmarker(image, [region_from_detection(box, points) for box, points in zip(found.boxes, found.points, strict=True)])
    assert sum(mesh is not None for mesh in meshes) >= 27
    whole = Detector(tiles=False)
    assert len(whole(image)) < 10, "without tiles most are missed, so it is the tiles that find them"
    whole.close()


def test_one_face_is_found_once_wherever_it_lies(detector: Detector, collins: Image) -> None:
    """60 px wide, so that only squares see it, at and about the squares' borders of a 720p picture."""
    face = cv2.resize(collins[20:260, 90:360], (150, 133), interpolation=cv2.INTER_AREA)
    soft = np.zeros((133, 150, 1), np.float32)
    cv2.ellipse(soft, (75, 66), (66, 60), 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(soft, (0, 0), 3)[..., None]
    _, fine = tiles(1280, 720)
    columns = sorted({tile[0] for tile in fine} | {tile[2] for tile in fine})
    for x in [column - 75 for column in columns[1:-1]] + [5, 1125, 333, 512]:
        for y in (2, 290, 580):
            image = np.full((720, 1280, 3), 120, np.uint8)
            part = image[y : y + 133, x : x + 150]
            part[:] = part * (1 - soft) + face * soft
            found = detector(image)
            assert len(found) == 1, f"at {x}, {y}: {found.boxes}"
            assert _inside((x + 75, y + 55), found.boxes[0])


def test_squares_take_turns(collins: Image) -> None:
    """With two looks a call, a face that one fine square alone shows is found within one round."""
    detector = Detector()
    image = np.full((1080, 1920, 3), 120, np.uint8)
    small = cv2.resize(collins[20:260, 90:360], (110, 98), interpolation=cv2.INTER_AREA)
    image[600:698, 900:1010] = small
    assert len(detector(image)) == 1
    rounds = -(-len(tiles(1920, 1080)[1]) // 2)
    counts = [len(detector(image, looks=2)) for _ in range(rounds)]
    assert max(counts) == 1
    assert len(detector(image, looks=0)) <= min(counts)
    detector.close()


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (1920, 1080), (481, 3000), (640, 480), (199, 50), (16, 16)])
def test_squares_cover_the_picture_and_overlap(size: tuple[int, int]) -> None:
    width, height = size
    coarse, fine = tiles(width, height)
    assert coarse[0] == (0, 0, width, height)
    for squares in (coarse[1:], fine):
        seen = np.zeros((height, width), bool)
        for left, top, right, bottom in squares:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
            assert right - left == bottom - top
            seen[top:bottom, left:right] = True
        assert not squares or seen.all()
    starts = sorted({tile[0] for tile in fine})
    assert all(later - earlier <= 0.8 * (fine[0][2] - fine[0][0]) for earlier, later in itertools.pairwise(starts))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3000), (3000, 1), (15, 15), (16, 16), (17, 2000), (2000, 17), (719, 1)])
def test_pictures_that_are_hardly_any(detector: Detector, shape: tuple[int, int]) -> None:
    found = detector(np.zeros((*shape, 3), np.uint8))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 6, 2)


def test_portrait_format(detector: Detector, collins: Image) -> None:
    image = np.full((1600, 600, 3), 90, np.uint8)
    image[900:1412, 44:556] = collins
    found = detector(image)
    assert len(found) == 1
    assert _inside((44 + 226, 900 + 122), found.boxes[0])


def test_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="confidence: got 1"):
        Detector(confidence=1.0)
    detector = Detector()
    with pytest.raises(ValueError, match=r"image: got uint8 \(8, 8\)"):
        detector(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="float64"):
        detector(np.zeros((32, 32, 3)))  # type: ignore[arg-type]
    detector.close()
    detector.close()


def test_a_frozen_picture_stays_as_it_was(detector: Detector, collins: Image) -> None:
    image = collins.copy()
    image.flags.writeable = False
    assert len(detector(image)) == 1
    assert image.flags.writeable is False
    assert np.array_equal(image, collins)


def test_models_start_in_silence_and_leave_no_file_open() -> None:
    """MediaPipe writes warnings to the error output on start; other lines must still get through, even meanwhile."""
    code = (
        "import os, sys, numpy as np\n"
        "from models.detector import Detector\n"
        "from models.graph import quiet\n"
        "from models.landmarks import Landmarker\n"
        "def once():\n"
        "    for part in (Detector(), Landmarker()): part.close()\n"
        "once()\n"
        "count = lambda: len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0\n"
        "before = count()\n"
        "for _ in range(5): once()\n"
        "print(count() - before)\n"
        "with quiet(): os.write(2, b'a real error\\n')\n"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "0\n"
    assert done.stderr == "a real error\n"
