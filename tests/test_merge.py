import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.mesh.even import beard, even
from models.mesh.merge import merge
from models.mesh.skin import features, plain_zone
from models.mesh.topology import OUTER_LIPS, TEXTURE_SIZE, UV

Floats = NDArray[np.float32]
SKIN = np.array([120, 150, 200], np.float32)


def spotted(seed: int = 0) -> Floats:
    """A face's texture: skin with freckles."""
    random = np.random.default_rng(seed)
    spots = cv2.GaussianBlur(random.normal(0, 1, (TEXTURE_SIZE, TEXTURE_SIZE)).astype(np.float32), (0, 0), 3)
    return np.asarray(SKIN + 60 * spots[..., None], np.float32)


def test_one_view_is_itself() -> None:
    face, weight = spotted(), np.ones((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    texture, best = merge([(face, weight)], [1.0])
    np.testing.assert_array_equal(texture, face)
    np.testing.assert_array_equal(best, weight)


def test_several_views_give_what_none_of_them_shows_whole() -> None:
    truth = spotted()
    across = np.linspace(0, 1, TEXTURE_SIZE, dtype=np.float32)[None].repeat(TEXTURE_SIZE, axis=0)
    front = np.clip(1 - 2 * np.abs(across - 0.5), 0.02, 1)
    left, right = np.clip(1.2 - 2 * across, 0, 1), np.clip(2 * across - 0.8, 0, 1)
    views = []
    for weight, light in ((front, 1.0), (left, 0.7), (right, np.array([1.3, 1.1, 0.9], np.float32))):
        views.append((np.asarray(truth * light, np.float32), np.asarray(weight, np.float32)))
    # The front view knows nothing of the sides.
    views[0][0][:, :90] = views[0][0][:, -90:] = 0
    views[0][1][:, :90] = views[0][1][:, -90:] = 0
    texture, best = merge(views, [1.0, 1.0, 1.0])
    assert best.min() > 0.15
    assert np.abs(texture - truth).mean() < 4
    assert np.abs(texture - truth).max() < 45
    # No step where one view gives way to another.
    steps = np.abs(np.diff((texture - truth).mean(axis=(0, 2))))
    assert steps.max() < 1.5


def test_a_strand_of_hair_in_one_of_three_photos_is_left_out() -> None:
    truth = spotted()
    views = [(truth + np.float32(shift), np.full(truth.shape[:2], 0.9, np.float32)) for shift in (0, 3, -3)]
    views[0][0][100:400, 200:206] = 20
    texture, _ = merge(views, [1.0, 1.0, 1.0])
    two, _ = merge(views[:2], [1.0, 1.0])
    stray = np.s_[120:380, 200:206]
    assert np.abs(texture[stray] - truth[stray]).mean() < 15
    assert np.abs(two[stray] - truth[stray]).mean() > 40


def test_no_view_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        merge([], [])


def lips() -> NDArray[np.bool_]:
    mask = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
    cv2.fillPoly(mask, [np.rint(UV[OUTER_LIPS] * (TEXTURE_SIZE - 1)).astype(np.int32)], 1)
    return mask > 0


def test_drifts_go_and_lipstick_stays() -> None:
    ramp = np.linspace(0.75, 1.2, TEXTURE_SIZE, dtype=np.float32)[None, :, None]
    plain = np.broadcast_to(SKIN, (TEXTURE_SIZE, TEXTURE_SIZE, 3)).copy()
    plain[lips()] = 70, 40, 190
    evened = even(np.asarray(np.clip(plain * ramp, 0, 255), np.uint8)).astype(float)
    brightness = evened.mean(axis=2)
    assert abs(brightness[300:340, 60:120].mean() / brightness[300:340, 392:452].mean() - 1) < 0.12
    assert np.abs(np.median(evened[lips()], axis=0) - [70, 40, 190]).max() < 14


def test_a_grey_beard_is_found_and_stays_and_a_shadow_does_not() -> None:
    random = np.random.default_rng(3)
    face = spotted()
    chin = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), bool)
    chin[420:500, 150:362] = True
    hairs = random.normal(0, 30, (TEXTURE_SIZE, TEXTURE_SIZE, 1)).astype(np.float32)
    bearded, shaded = face.copy(), face.copy()
    bearded[chin] = (np.array([170, 170, 170], np.float32) + hairs)[chin]
    shaded[chin] *= 0.75
    results = {}
    for name, texture in (("bearded", bearded), ("shaded", shaded)):
        whole = np.clip(texture, 0, 255).astype(np.uint8)
        found = beard(cv2.cvtColor(whole.astype(np.float32) / 255, cv2.COLOR_BGR2LAB))
        results[name] = float(found[440:480, 190:320].mean()), even(whole).astype(float)[440:480, 190:320].mean(axis=(0, 1))
    assert results["bearded"][0] > 0.8
    assert results["shaded"][0] < 0.2
    assert np.ptp(results["bearded"][1]) < 25
    assert results["shaded"][1].mean() > 0.85 * SKIN.mean()


def test_folds_of_a_smile_are_softened_as_far_as_it_smiles() -> None:
    face = np.broadcast_to(SKIN, (TEXTURE_SIZE, TEXTURE_SIZE, 3)).copy()
    lines = [np.rint(UV[points] * (TEXTURE_SIZE - 1)).astype(np.int32) for points in ([203, 206, 216], [423, 426, 436])]
    drawn = np.zeros(face.shape[:2], np.uint8)
    cv2.polylines(drawn, lines, False, 255, 7)
    face *= (1 - 0.4 * cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), 3))[..., None]
    fold = (drawn > 0) & (features() < 0.1)
    skin = plain_zone() & (drawn == 0)
    depths = []
    for broad in (0.0, 0.5, 1.0):
        evened = even(face.astype(np.uint8), broad).mean(axis=2)
        depths.append(float(np.median(evened[skin]) - evened[fold].mean()))
    assert depths[1] < 0.8 * depths[0]
    assert depths[2] < 0.55 * depths[0]
