from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from faces import find
from numpy.typing import NDArray

from models.detector import Detector
from models.landmarks import Landmarker
from models.mesh.atlas import build_atlas
from models.mesh.glasses import glasses
from models.mesh.topology import LEFT_EYE, RIGHT_EYE, TEXTURE_SIZE, UV, VERTICES
from models.mesh.unwrap import sample_texture
from models.mesh.worn import Worn, _thin

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def unwrapped(image: Bytes, landmarks: Floats) -> tuple[Bytes, NDArray[np.bool_]]:
    return sample_texture(image, np.ascontiguousarray(landmarks[:VERTICES, :2]), TEXTURE_SIZE)


def rims(thick: int = 7, wide: int = 62, high: int = 50) -> Bytes:
    """(512, 512) uint8 mask of round glasses in texture space."""
    mask = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
    middles = [np.rint(UV[eye].mean(axis=0) * (TEXTURE_SIZE - 1)).astype(int) for eye in (RIGHT_EYE, LEFT_EYE)]
    for x, y in middles:
        cv2.ellipse(mask, (int(x), int(y) + 10), (wide, high), 0, 0, 360, 255, thick)
    (left, y), (right, _) = middles
    cv2.line(mask, (int(left) + wide, int(y)), (int(right) - wide, int(y)), 255, thick)
    return mask


def on_face(mask: Bytes, landmarks: Floats, shape: tuple[int, ...]) -> Floats:
    """A mask in texture space as it lies on the face in the photo."""
    from models.mesh.rasterise import rasterise
    from models.mesh.topology import TRIANGLES

    planes = np.empty((3, *shape[:2]), np.float32)
    placed, depth = np.ascontiguousarray(landmarks[:VERTICES, :2]), np.ascontiguousarray(landmarks[:VERTICES, 2])
    rasterise(placed, depth, TRIANGLES, UV * np.float32(TEXTURE_SIZE - 1), *planes)
    drawn = cv2.remap(mask, planes[0], planes[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(drawn.astype(np.float32)[..., None] / 255, np.float32)


@pytest.mark.parametrize("colour", [(25, 25, 30), (30, 60, 120), (200, 60, 160)], ids=["black", "tortoiseshell", "violet"])
def test_drawn_glasses_are_found_where_they_were_drawn(
    collins: Bytes, detector: Detector, landmarker: Landmarker, colour: tuple[int, int, int]
) -> None:
    texture, known = unwrapped(collins, find(collins, detector, landmarker))
    assert not glasses(texture, known).any()
    mask = rims()
    texture[mask > 0] = colour
    found, drawn = glasses(texture, known) > 0.5, mask > 0
    # What is found may be a little thicker than the line, and takes the eyebrow where that touches it.
    assert (found & drawn).sum() / drawn.sum() > 0.85
    thick = cv2.dilate(mask, np.ones((15, 15), np.uint8)) > 0
    assert (found & thick).sum() / (found | drawn).sum() > 0.75


def test_glasses_are_found_in_a_small_texture_too(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    texture, known = unwrapped(collins, find(collins, detector, landmarker))
    texture[rims() > 0] = 30
    small = cv2.resize(texture, (192, 192), interpolation=cv2.INTER_AREA)
    found = glasses(np.asarray(small, np.uint8), cv2.resize(known.astype(np.uint8), (192, 192)) > 0)
    assert found.shape == (192, 192)
    assert found.max() > 0.9


def test_half_a_pair_is_no_pair(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    texture, known = unwrapped(collins, find(collins, detector, landmarker))
    mask = rims()
    mask[:, TEXTURE_SIZE // 2 - 20 :] = 0
    texture[mask > 0] = 30
    assert not glasses(texture, known).any()


def test_hoppers_glasses_do_not_come_along(hopper: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    texture, known = unwrapped(hopper, find(hopper, detector, landmarker))
    assert glasses(texture, known).max() > 0.9
    clean = build_atlas([(hopper, find(hopper, detector, landmarker))]).texture.astype(int).sum(axis=2)
    # The black top of the frame is the darkest thing in the photo.
    top = np.s_[110:150, 90:250]
    dark_before, dark_after = (float((picture[top] < 200).mean()) for picture in (texture.astype(int).sum(axis=2), clean))
    assert dark_before > 0.15
    assert dark_after < dark_before / 6


def test_drawn_glasses_leave_the_atlas_as_it_was(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    cover = on_face(rims(9), landmarks, collins.shape)
    dressed = np.rint(collins * (1 - cover) + 25 * cover).astype(np.uint8)
    plain, cleaned = (build_atlas([(image, landmarks)]).texture.astype(float) for image in (collins, dressed))
    below = rims(9) > 0
    below[: round(float(UV[RIGHT_EYE, 1].mean()) * TEXTURE_SIZE)] = False
    raw = np.abs(unwrapped(dressed, landmarks)[0].astype(float) - unwrapped(collins, landmarks)[0])[below].mean()
    assert np.abs(plain - cleaned)[below].mean() < raw / 5


def test_plain_faces_wear_none_and_those_with_glasses_do(shared: Path, detector: Detector, landmarker: Landmarker) -> None:
    portraits = shared / "photos/portraits"
    bare = [
        "D000623",
        "V000133",
        "J000309",
        "J000288",
        "C001053",
        "A000370",
        "V000135",
        "K000389",
        "C001119",
        "G000582",
        "M001160",
        "F000465",
    ]
    worn = ["A000369", "C001061", "C001078", "C001125", "H001094", "R000609", "T000165", "S001226", "S000344", "W000825"]
    for names, expected in ((bare, False), (worn, True)):
        for name in names:
            image = cv2.imread(str(portraits / f"{name}.jpg"))
            assert glasses(*unwrapped(image, find(image, detector, landmarker))).any() == expected, name


def test_a_wearers_glasses_stay_on_top(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    cover = on_face(rims(9), landmarks, collins.shape)
    dressed = np.rint(collins * (1 - cover) + 25 * cover).astype(np.uint8)
    left, top = landmarks[:, :2].min(axis=0).astype(int)
    right, bottom = landmarks[:, :2].max(axis=0).astype(int)
    area = (int(left), int(top), int(right), int(bottom))
    for image, expected in ((dressed, True), (collins, False)):
        worn = Worn()
        found = [worn(image, landmarks, area, index / 30) for index in range(60)]
        assert found[0] is None
        if not expected:
            assert all(mask is None for mask in found)
            continue
        last = found[-1]
        assert last is not None
        whole = cv2.resize(last, (right - left, bottom - top)) > 127
        true = cover[top:bottom, left:right, 0] > 0.5
        assert (whole & true).sum() / true.sum() > 0.85
        assert whole.sum() < 4 * true.sum()


def test_glasses_that_are_taken_off_are_forgotten(collins: Bytes, detector: Detector, landmarker: Landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    cover = on_face(rims(9), landmarks, collins.shape)
    dressed = np.rint(collins * (1 - cover) + 25 * cover).astype(np.uint8)
    worn, area = Worn(), (100, 20, 350, 260)
    for index in range(60):
        mask = worn(dressed, landmarks, area, index / 30)
    assert mask is not None
    for index in range(60, 600):
        mask = worn(collins, landmarks, area, index / 30)
    assert mask is None


def test_of_a_band_only_what_is_thin_is_kept_unless_all_of_it_is_rim() -> None:
    """A line of three pixels beside a brow of thirty: the line stays, the brow's middle and bare skin do not."""
    picture = np.full((120, 320, 3), 170, np.uint8)
    picture[20:50, 40:280] = 60
    picture[69:72, 30:290] = 70
    band = np.zeros((120, 320), np.uint8)
    band[15:85, 30:290] = 255
    kept = _thin(band, picture)
    assert (kept[69:72, 35:285] > 200).all()
    assert (kept[30:40, 60:260] == 0).all()
    assert (kept[56:62, 60:260] == 0).all()
    assert (kept[:14] == 0).all()
    thick = np.full((120, 320, 3), 170, np.uint8)
    thick[24:76, 30:290] = 40
    frame = np.zeros((120, 320), np.uint8)
    frame[24:76, 30:290] = 255
    np.testing.assert_array_equal(_thin(frame, thick), frame)
