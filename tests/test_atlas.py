import cv2
import numpy as np
import pytest
from faces import find

from models.mesh.atlas import Atlas, build_atlas
from models.mesh.skin import plain_zone, skin_confidence
from models.mesh.topology import MEAN, TEXTURE_SIZE, UV, VERTICES
from models.mesh.unwrap import covered, sample_texture, spread, spread_many, weights


def test_a_texture_painted_on_a_face_is_unwrapped_again() -> None:
    points = (MEAN[:VERTICES] * 100 + [256, 200, 0]).astype(np.float32)
    image = np.zeros((512, 512, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(512)[None, :] // 2, np.arange(512)[:, None] // 2
    colours, inside = sample_texture(image, points[:, :2], TEXTURE_SIZE)
    across, down = spread(points[:, :2], TEXTURE_SIZE)
    np.testing.assert_allclose(colours[inside][:, 0], across[inside] / 2, atol=1.5)
    np.testing.assert_allclose(colours[inside][:, 1], down[inside] / 2, atol=1.5)
    assert inside.mean() > 0.6


def test_values_of_vertices_come_back_at_their_texels() -> None:
    values = np.random.default_rng(0).uniform(1, 2, (VERTICES, 3)).astype(np.float32)
    smooth = np.repeat(UV[:, :1] + UV[:, 1:], 3, axis=1)
    size = 64
    for got in (spread_many(smooth, size), (weights(size) @ smooth).reshape(size, size, 3)):
        middle = got[20:44, 20:44]
        grid = np.add.outer(np.arange(20, 44), np.arange(20, 44)) / (size - 1)
        drawn = covered(size)[20:44, 20:44]
        np.testing.assert_allclose(middle[drawn][:, 0], grid[drawn], atol=0.02)
    np.testing.assert_allclose(weights(32).sum(axis=1), 1, atol=1e-4)
    assert spread_many(values, size).max() <= 2.001


def test_atlas_of_a_real_portrait_shows_skin_everywhere_and_its_own_shape(hopper, detector, landmarker) -> None:
    landmarks = find(hopper, detector, landmarker)
    atlas = build_atlas([(hopper, landmarks)])
    assert atlas.texture.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3)
    tone = np.median(atlas.texture[plain_zone()], axis=0)
    # The black cap over her brow and the blue background beside her cheeks must not be in it.
    border = np.concatenate([atlas.texture[20:60, 200:312].reshape(-1, 3), atlas.texture[200:300, 5:25].reshape(-1, 3)])
    assert np.abs(border.astype(float) - tone).mean(axis=1).max() < 70
    assert np.abs(atlas.shape - MEAN[:VERTICES]).max() < 0.6
    assert np.abs(atlas.shape - MEAN[:VERTICES]).mean() > 0.01


def test_the_photos_side_light_is_divided_out(collins, detector, landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    ramp = np.linspace(0.6, 1.3, collins.shape[1])
    face = slice(int(landmarks[:, 0].min()), int(landmarks[:, 0].max()))
    ramp[face] = np.linspace(0.6, 1.3, face.stop - face.start)
    lit = np.clip(collins * ramp[None, :, None], 0, 255).astype(np.uint8)
    sides = []
    for image in (collins, lit):
        texture = build_atlas([(image, landmarks)]).texture.astype(float).mean(axis=2)
        sides.append(texture[260:340, 330:400].mean() / texture[260:340, 112:182].mean())
    seen = [image[250:256].mean() for image in (collins, lit)]
    assert seen[0] != seen[1]
    assert abs(sides[1] / sides[0] - 1) < 0.15


def test_two_photos_are_better_than_a_half_hidden_one(hopper, detector, landmarker) -> None:
    landmarks = find(hopper, detector, landmarker)
    whole = build_atlas([(hopper, landmarks)])
    hidden = hopper.copy()
    hidden[:, : int(landmarks[4, 0]) - 10] = (30, 200, 30)
    both = build_atlas([(hidden, landmarks), (hopper, landmarks)])
    cut = landmarks.copy()
    cut[:, 0] -= 1000
    with pytest.raises(ValueError, match="expected at least one clear view"):
        build_atlas([(hopper, cut)])
    assert np.abs(both.shape - whole.shape).max() < 1e-5


def test_hair_over_the_brow_is_no_skin(collins, detector, landmarker) -> None:
    landmarks = find(collins, detector, landmarker)
    colours, inside = sample_texture(collins, np.ascontiguousarray(landmarks[:VERTICES, :2]), TEXTURE_SIZE)
    confidence = skin_confidence(colours, inside.astype(np.float32))
    assert confidence[25:40, 220:300].max() < 0.5
    assert confidence[300:400, 220:300].min() > 0.95


def test_atlas_survives_its_arrays_and_refuses_others() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8)
    atlas = Atlas(texture, MEAN[:VERTICES].copy())
    again = Atlas.from_arrays(atlas.arrays())
    np.testing.assert_array_equal(again.texture, atlas.texture)
    np.testing.assert_array_equal(again.shape, atlas.shape)
    with pytest.raises(ValueError, match="expected one named 'shape'"):
        Atlas.from_arrays({"texture": texture})
    with pytest.raises(ValueError, match="expected \\(512, 512, 3\\)"):
        Atlas.from_arrays({"texture": cv2.resize(texture, (64, 64)), "shape": atlas.shape})
    with pytest.raises(ValueError, match="NaN"):
        Atlas.from_arrays({"texture": texture, "shape": np.full_like(atlas.shape, np.nan)})


def test_no_photo_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build_atlas([])
