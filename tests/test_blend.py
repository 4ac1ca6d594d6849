from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import as_face, find, larger

from models import compose
from models.compose import noise_level
from models.knobs import Effort
from models.mesh.atlas import build_atlas
from models.mesh.engine import MeshEngine
from models.mesh.topology import OVAL
from realtime.config import BlendSettings, SwapSettings
from realtime.frame import Face, Frame, Patch
from realtime.stages.blend import Blend, place
from realtime.stages.swap import Swap


@pytest.fixture(scope="module")
def scene(collins, hopper, detector, landmarker) -> Frame:
    """A real frame with its face swapped, before blending."""
    image = larger(collins, 2)
    landmarks = find(image, detector, landmarker)
    swap = Swap({"hopper": MeshEngine(build_atlas([(hopper, find(hopper, detector, landmarker))]))}, SwapSettings(sources=("hopper",)))
    return swap(Frame(image, 0, 0.0, (as_face(landmarks),)))


def changed(before: Frame, after: Frame) -> np.ndarray:
    return (before.image != after.image).any(axis=2)


def test_only_the_faces_region_is_touched_and_the_input_stays_as_it_was(scene: Frame) -> None:
    image = scene.image.copy()
    after = Blend(BlendSettings())(scene)
    np.testing.assert_array_equal(scene.image, image)
    touched = changed(scene, after)
    outline = scene.faces[0].landmarks[OVAL, :2]
    y, x = np.nonzero(touched)
    assert touched.sum() > 3000
    assert (x >= outline[:, 0].min() - 3).all()
    assert (x <= outline[:, 0].max() + 3).all()
    assert (y >= outline[:, 1].min() - 3).all()
    assert (y <= outline[:, 1].max() + 3).all()


def test_the_seam_is_softer_than_without_it(scene: Frame) -> None:
    """With a wrong light the step across the fading rim must be carried away by the membrane."""
    patch = scene.faces[0].patch
    left, top = (int(v) for v in patch.matrix[:, 2])
    area = (slice(top, top + patch.mask.shape[0]), slice(left, left + patch.mask.shape[1]))
    bright = np.where(patch.image > 0, np.clip(scene.image[area].astype(int) + 12, 1, 255), 0).astype(np.uint8)
    frame = replace(scene, faces=(replace(scene.faces[0], patch=replace(patch, image=bright)),))
    shown = [Blend(BlendSettings(seam=seam, grain=0))(frame).image[area].astype(int) for seam in (0, 1)]
    inner = patch.mask == 255
    rim = (patch.mask > 100) & (cv2.erode(inner.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0)
    off = [float(np.abs(picture - scene.image[area])[rim].mean()) for picture in shown]
    assert off[0] > 6
    assert off[1] < 0.3 * off[0]


def test_the_seam_may_be_kept_for_a_frame_and_is_read_from_a_thinned_picture(scene: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    real = compose.membrane
    monkeypatch.setattr(compose, "membrane", lambda area, patch, mask: (sides.append(max(mask.shape)), real(area, patch, mask))[1])
    blend = Blend(BlendSettings(grain=0))
    full = blend(scene).image
    assert (blend(scene).image == full).all()
    assert len(sides) == 2
    assert sides[0] < 2 * 224
    blend.effort = Effort(seam_every=2)
    assert all((blend(scene).image == full).all() for _ in range(4))
    assert len(sides) == 4


def test_opacity_zero_shows_the_target(scene: Frame) -> None:
    assert not changed(scene, Blend(BlendSettings(opacity=0.0))(scene)).any()


def test_grain_follows_a_noisy_camera(scene: Frame) -> None:
    noise = np.random.default_rng(0).normal(0, 8, scene.image.shape)
    noisy = replace(scene, image=np.clip(scene.image + noise, 0, 255).astype(np.uint8))
    solid = np.argwhere(scene.faces[0].patch.mask == 255)
    left, top = (int(v) for v in scene.faces[0].patch.matrix[:, 2])
    middle = solid.mean(axis=0).astype(int) + np.array([top, left])
    cheek = (slice(middle[0] - 40, middle[0] + 40), slice(middle[1] - 40, middle[1] + 40))
    level = {grain: noise_level(Blend(BlendSettings(grain=grain))(noisy).image[cheek]) for grain in (0.0, 1.0)}
    assert level[0.0] < 0.4 * noise_level(noisy.image)
    assert level[1.0] == pytest.approx(noise_level(noisy.image), rel=0.35)


@pytest.mark.parametrize("policy", ["hold", "blur", "blank", "pass"])
def test_lost_face_policy_acts_in_the_same_frame(scene: Frame, policy: str) -> None:
    blend = Blend(BlendSettings(on_lost=policy))
    shown = blend(scene)
    lost = replace(scene, index=1, time=0.03, faces=(replace(scene.faces[0], patch=None, lost=True, landmarks=None),))
    after = blend(lost)
    centre = scene.faces[0].landmarks[[50, 280, 4, 152, 9], :2].astype(int)
    for x, y in centre:
        same = (after.image[y - 3 : y + 3, x - 3 : x + 3] == scene.image[y - 3 : y + 3, x - 3 : x + 3]).all()
        assert same == (policy == "pass")
    if policy == "hold":
        x, y = centre[0]
        assert np.abs(after.image[y - 5 : y + 5, x - 5 : x + 5].astype(int).mean() - shown.image[y - 5 : y + 5, x - 5 : x + 5].mean()) < 12
        late = blend(replace(lost, index=60, time=2.5))
        area = tuple(slice(*(int(v) for v in scene.faces[0].box[[i, i + 2]])) for i in (1, 0))
        detail = [np.abs(np.diff(frame.image[area].astype(int), axis=0)).mean() for frame in (late, shown)]
        assert detail[0] < 0.5 * detail[1]


def test_a_swapped_neighbour_is_painted_over_a_grown_cover(scene: Frame) -> None:
    patched = scene.faces[0]
    everywhere = Face(box=np.array([0, 0, *scene.image.shape[1::-1]], np.float32), track=5, lost=True)
    alone = Blend(BlendSettings(grain=0, seam=0))(scene)
    both = Blend(BlendSettings(grain=0, seam=0))(replace(scene, faces=(patched, everywhere)))
    solid = patched.patch.mask == 255
    left, top = (int(v) for v in patched.patch.matrix[:, 2])
    area = (slice(top, top + solid.shape[0]), slice(left, left + solid.shape[1]))
    np.testing.assert_array_equal(both.image[area][solid], alone.image[area][solid])


@pytest.mark.parametrize(
    "matrix",
    [[[1, 0, -30], [0, 1, -40]], [[0.5, 0.1, 700], [-0.1, 0.5, 600]], [[2, 0, 5000], [0, 2, 0]], [[1, 0, 0.5], [0, 1, 0.5]]],
)
def test_patches_anywhere_are_cut_to_the_frame(scene: Frame, matrix: list[list[float]]) -> None:
    picture, mask = np.full((300, 300, 3), 200, np.uint8), np.full((300, 300), 255, np.uint8)
    patch = Patch(picture, mask, np.array(matrix, np.float64))
    after = Blend(BlendSettings())(replace(scene, faces=(replace(scene.faces[0], patch=patch),)))
    assert after.image.shape == scene.image.shape


@pytest.mark.parametrize("shift", [(19, 0), (0, 19), (19, 19), (-29, -29)])
def test_a_patch_of_which_one_line_is_left_at_the_edge_is_set(shift: tuple[int, int]) -> None:
    """As with a held patch whose face leaves the frame."""
    patch = Patch(np.full((30, 30, 3), 200, np.uint8), np.full((30, 30), 255, np.uint8), np.array([[1.0, 0, shift[0]], [0, 1, shift[1]]]))
    frame = Frame(np.zeros((20, 20, 3), np.uint8), 0, 0.0, (Face(np.array([0, 0, 20, 20], np.float32), patch=patch),))
    left, top = max(0, shift[0]), max(0, shift[1])
    assert Blend(BlendSettings())(frame).image[top, left].any()


def test_nothing_to_do_returns_the_frame_itself(scene: Frame) -> None:
    frame = replace(scene, faces=())
    assert Blend(BlendSettings())(frame) is frame


def test_the_seam_does_not_pump_with_what_flickers_about_the_face_but_follows_a_lamp(scene: Frame) -> None:
    """The brightness about the face trembles by 3 levels: its edge keeps still; a step of 30 is followed within a frame."""
    patch = scene.faces[0].patch
    left, top = (int(v) for v in patch.matrix[:, 2])
    height, width = patch.mask.shape
    outside = np.ones(scene.image.shape[:2], bool)
    outside[top : top + height, left : left + width] = patch.mask < 250
    inner = (patch.mask == 255).astype(np.uint8)
    edge = (inner > 0) & (cv2.erode(inner, np.ones((15, 15), np.uint8)) == 0)
    tremble = np.random.default_rng(0).choice([-3, 3], 12)

    def edges(levels: np.ndarray) -> np.ndarray:
        blend, found = Blend(BlendSettings(grain=0)), []
        for index, level in enumerate(levels):
            image = np.clip(scene.image.astype(int) + outside[..., None] * level, 0, 255).astype(np.uint8)
            shown = blend(replace(scene, image=image, index=index, time=index / 30)).image
            found.append(shown[top : top + height, left : left + width][edge].mean())
        return np.array(found)

    assert np.std(edges(tremble)[4:]) < 0.5
    lamp = edges(np.array([0, 0, 30, 30, 30]))
    assert lamp[2] - lamp[1] > 0.7 * (lamp[4] - lamp[1])
    assert lamp[4] - lamp[1] > 3


def test_a_face_turned_away_goes_under_the_cover_and_then_altogether(scene: Frame) -> None:
    """Neither halfway nor at the end does the real face show; a patch that does not fade is left alone."""
    face = scene.faces[0]
    box = [int(v) for v in face.box]
    area = (slice(box[1], box[3]), slice(box[0], box[2]))
    faded = {fade: replace(scene, faces=(replace(face, patch=replace(face.patch, fade=fade)),)) for fade in (0, 0.5, 0.9, 0.99)}
    shown = {fade: Blend(BlendSettings(grain=0))(frame) for fade, frame in faded.items()}
    cheek = face.landmarks[50, :2].astype(int)
    near = (slice(cheek[1] - 4, cheek[1] + 4), slice(cheek[0] - 4, cheek[0] + 4))
    # The seam now joins the patch to the cover, which moves its brightness as a whole.
    moved = shown[0.5].image[near].astype(float) - shown[0].image[near]
    assert np.abs(moved - moved.mean(axis=(0, 1))).mean() < 3
    detail = [np.abs(np.diff(shown[fade].image[area].astype(int), axis=0)).mean() for fade in (0, 0.9)]
    assert detail[1] < 0.6 * detail[0]
    bare = Blend(BlendSettings(grain=0, on_lost="pass"))(faded[0.99])
    assert np.abs(bare.image[area].astype(int) - scene.image[area]).mean() < 2


def test_a_stretched_patch_lies_where_the_affine_map_says() -> None:
    """Resizing is only a faster way: against warpAffine the picture moves by no part of a pixel."""
    x = np.linspace(20, 220, 50)
    ramp = np.repeat(np.add.outer(x[:40], x)[..., None] / 2, 3, axis=2).astype(np.uint8)
    matrix = np.array([[2.0, 0, 30 + 0.5], [0, 2.0, 12 + 0.5]])
    picture, mask, (left, top) = place(Patch(ramp, np.full((40, 50), 255, np.uint8), matrix), 200, 300)
    assert (left, top, *picture.shape[:2]) == (30, 12, 80, 100)
    warped = cv2.warpAffine(ramp, matrix, (300, 200))[12:92, 30:130]
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(picture[inner].astype(int) - warped[inner]).max() <= 1
    assert (mask == 255).all()
