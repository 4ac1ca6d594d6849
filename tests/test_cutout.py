"""Only the face with its alpha: laid over the raw picture it is the finished one, whatever was set in and however."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces import as_face, find, larger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from models.mesh.atlas import build_atlas
from models.mesh.engine import MeshEngine
from realtime.config import BlendSettings, OverlaySettings, SwapSettings, TextOverlay
from realtime.frame import Face, Frame, Patch
from realtime.stages.blend import Blend
from realtime.stages.cutout import Cutout, cut, packed
from realtime.stages.overlay import Overlay
from realtime.stages.swap import Swap

Bytes = NDArray[np.uint8]
_SIZE = 120, 160


def over(image: Bytes, raw: Bytes) -> NDArray[np.float64]:
    """A picture with alpha over another one, as every program does it."""
    share = image[..., 3:] / 255
    return np.asarray(share * image[..., :3] + (1 - share) * raw, np.float64)


def off(image: Bytes, frame: Frame, finished: Bytes | None = None) -> float:
    """By how many grey levels the worst pixel differs from the finished picture."""
    assert frame.raw is not None
    return float(np.abs(over(image, frame.raw) - (frame.image if finished is None else finished)).max())


def busy(seed: int, size: tuple[int, int] = _SIZE) -> Bytes:
    """A picture with every value from 0 to 255 in it, black and white patches too."""
    draw = np.random.default_rng(seed)
    picture = draw.integers(0, 256, (*size, 3), np.uint8)
    picture[: size[0] // 3] = draw.choice(np.array([0, 255], np.uint8), (size[0] // 3, size[1], 1))
    return picture


@some.composite
def faces(draw: some.DrawFn) -> Face:
    """A face anywhere, over the edge too: with a patch of any kind, or lost, or neither."""
    number = some.integers(-40, 180)
    left, top = draw(number), draw(number)
    box = np.array([left, top, left + draw(some.integers(1, 90)), top + draw(some.integers(1, 90))], np.float32)
    kind = draw(some.sampled_from(("patch", "lost", "plain")))
    if kind != "patch":
        return Face(box, track=draw(some.integers(0, 2)), lost=kind == "lost")
    seed = draw(some.integers(0, 9))
    side = draw(some.integers(2, 70))
    noise = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    mask = cv2.GaussianBlur(noise, (0, 0), draw(some.sampled_from((0.5, 3.0))))
    mask[: side // 2, : side // 3] = 255
    turn, stretch = draw(some.sampled_from((0.0, 0.3))), draw(some.sampled_from((1.0, 2.0, 0.7)))
    matrix = stretch * np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]])
    matrix[:, 2] = np.array([left, top]) + (stretch / 2 - 0.5)
    patch = Patch(busy(seed + 1, (side, side)), np.asarray(mask, np.uint8), matrix, draw(some.sampled_from((0.0, 0.3, 0.9))))
    return Face(box, track=draw(some.integers(0, 2)), patch=patch)


@given(
    shown=some.lists(faces(), max_size=3),
    blend=some.builds(
        BlendSettings,
        opacity=some.sampled_from((0.0, 0.01, 0.4, 1.0)),
        seam=some.sampled_from((0.0, 1.0)),
        grain=some.sampled_from((0.0, 1.0)),
        on_lost=some.sampled_from(("hold", "blur", "blank", "pass")),
    ),
    seed=some.integers(0, 99),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_over_the_raw_picture_it_is_the_finished_one(shown: list[Face], blend: BlendSettings, seed: int) -> None:
    stage = Blend(blend)
    first = stage(Frame(busy(seed), 0, 0.0, tuple(shown)))
    # Then all of them are lost: what is held now stands on no face of the frame.
    then = stage(Frame(busy(seed + 1), 1, 0.1, tuple(replace(face, patch=None, lost=True) for face in shown)))
    for frame in (first, then):
        image = cut(frame, blend)
        assert image.shape == (*_SIZE, 4)
        if frame.raw is None:
            assert not image.any()
        else:
            assert off(image, frame) <= 1.01
            # Settings that changed after blending may cost some transparency, never the picture.
            assert off(cut(frame, BlendSettings(opacity=0.3, on_lost="pass")), frame) <= 1.01


def test_alpha_is_the_mask_times_the_opacity_and_nothing_else_is_touched() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 200
    raw = np.full((*_SIZE, 3), 100, np.uint8)
    patch = Patch(np.full((40, 40, 3), (90, 120, 140), np.uint8), mask, np.array([[1.0, 0, 50], [0, 1.0, 30]]))
    face = Face(np.array([50, 30, 90, 70], np.float32), track=0, patch=patch)
    for opacity in (0.5, 1.0):
        blend = BlendSettings(opacity=opacity, seam=0, grain=0)
        image = cut(Blend(blend)(Frame(raw, 0, 0.0, (face,))), blend)
        assert np.isin(image[40:60, 60:80, 3], (int(200 * opacity), int(200 * opacity) + 1)).all()
        np.testing.assert_allclose(image[40:60, 60:80, :3].astype(int), np.broadcast_to((90, 120, 140), (20, 20, 3)), atol=2 / opacity)
        image[40:60, 60:80] = 0
        assert not image.any()


@pytest.mark.parametrize("how", ["hold", "blur", "blank"])
def test_no_real_face_shows_through_the_cover_of_a_lost_one(how: str, collins: Bytes, detector: object, landmarker: object) -> None:
    image = larger(collins, 1.5)
    face = as_face(find(image, detector, landmarker), lost=True)  # type: ignore[arg-type]
    blend = BlendSettings.model_validate({"on_lost": how})
    frame = Blend(blend)(Frame(image, 0, 0.0, (face,)))
    left, top, right, bottom = face.box.astype(int)
    made = cut(frame, blend)
    assert (made[top:bottom, left:right, 3] == 255).all()
    # Whatever the other program has below, a frame later or earlier, none of it is seen there.
    np.testing.assert_array_equal(made[top:bottom, left:right, :3], frame.image[top:bottom, left:right])


def test_a_real_face_comes_out_alone(collins: Bytes, hopper: Bytes, detector: object, landmarker: object) -> None:
    image = larger(collins, 2)
    seen = find(image, detector, landmarker)  # type: ignore[arg-type]
    atlas = build_atlas([(hopper, find(hopper, detector, landmarker))])  # type: ignore[arg-type]
    swapped = Swap({"hopper": MeshEngine(atlas)}, SwapSettings(sources=("hopper",)))(Frame(image, 0, 0.0, (as_face(seen),)))
    blend = BlendSettings()
    frame = Blend(blend)(swapped)
    made = cut(frame, blend)
    assert off(made, frame) <= 1.01
    solid = made[..., 3] > 250
    assert 0.4 < solid.sum() / np.prod(as_face(seen).box[2:] - as_face(seen).box[:2]) < 1
    assert (made[..., 3] > 0).mean() < 0.3
    # Where it is solid it is the finished picture, not a recomputed one.
    assert np.abs(made[solid][:, :3].astype(int) - frame.image[solid]).max() <= 2


def test_the_label_stands_on_it_and_looks_as_on_every_other_output() -> None:
    """Without any face too: who sees only the cut-out is told as well."""
    overlay = Overlay(OverlaySettings(texts=(TextOverlay(text="live", x=0.3, y=0.4, size=0.2, colour="#20c0ff"),)))
    whole = Face(np.array([40, 20, 130, 110], np.float32), lost=True)
    for shown in ((), (whole,)):
        frame = Blend(BlendSettings())(Frame(busy(3), 0, 0.0, shown))
        frame = replace(frame, raw=busy(3))
        image = Cutout(BlendSettings, overlay)(frame)
        assert off(image, frame, overlay(frame).image) <= 2.01
    bare = Cutout(BlendSettings, overlay)(Frame(busy(3), 0, 0.0))
    assert 0.01 < (bare[..., 3] > 100).mean() < 0.3
    assert not Cutout(BlendSettings, Overlay(OverlaySettings(label="none")))(Frame(busy(3), 0, 0.0)).any()


def test_packed_it_is_colour_over_alpha_and_composes_the_same() -> None:
    face = Face(np.array([50, 30, 110, 90], np.float32), lost=True)
    frame = Blend(BlendSettings())(Frame(cv2.GaussianBlur(busy(5), (0, 0), 6), 0, 0.0, (face,)))  # type: ignore[arg-type]
    image = cut(frame, BlendSettings())
    whole = packed(image)
    assert whole.shape == (240, 160, 3)
    assert (whole[120:] == image[..., 3:]).all()
    assert frame.raw is not None
    composed = whole[:120] + frame.raw * (1 - whole[120:] / 255)
    assert np.abs(composed - frame.image).max() <= 1.6
    # An odd number of rows to scale to becomes even; no colour comes from where nothing is.
    small = packed(image, 61)
    assert small.shape == (120, 82, 3)
    rows = small.shape[0] // 2
    assert (small[:rows].astype(int) <= small[rows:].astype(int) + 1).all()
    assert packed(image, 4000).shape == whole.shape
