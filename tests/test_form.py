"""Pictures become what networks want, and come back: by value, in every colour order, range, layout and type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.families import form
from models.families.form import IMAGENET, SIGNED, UNIT, Form, copy, plane

Bytes = NDArray[np.uint8]

_FORMS = {
    "rgb 0..1": UNIT,
    "rgb -1..1": SIGNED,
    "imagenet": IMAGENET,
    "bgr 0..1 nhwc": Form("bgr", layout="nhwc"),
    "bgr 0..255": Form("bgr", deviation=(1.0, 1.0, 1.0)),
    "rgb imagenet nhwc": Form("rgb", IMAGENET.mean, IMAGENET.deviation, "nhwc"),
    "scrfd": Form("rgb", (127.5, 127.5, 127.5), (128.0, 128.0, 128.0)),
}
_EACH = pytest.mark.parametrize("shape", _FORMS.values(), ids=list(_FORMS))


def _picture(seed: int, height: int, width: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _slow(shape: Form, image: Bytes) -> NDArray[np.float32]:
    """The docstring of Form, word for word."""
    shown = image[..., ::-1] if shape.colour == "rgb" else image
    values = (shown.astype(np.float32) - np.array(shape.mean, np.float32)) / np.array(shape.deviation, np.float32)
    return (values.transpose(2, 0, 1) if shape.layout == "nchw" else values)[None]


def test_the_three_common_forms_by_value() -> None:
    image = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_allclose(UNIT.pack(image)[0, :, 0, 0], (1, 0.2, 0), atol=1e-7)
    np.testing.assert_allclose(SIGNED.pack(image)[0, :, 0, 0], (1, -0.6, -1), atol=1e-7)
    expected = (np.array([1, 0.2, 0]) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(IMAGENET.pack(image)[0, :, 0, 0], expected, atol=1e-6)


@_EACH
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_packing_is_what_it_says_and_comes_back(shape: Form, seed: int, height: int, width: int) -> None:
    image = _picture(seed, height, width)
    packed = shape.pack(image)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(packed, _slow(shape, image))
    np.testing.assert_array_equal(shape.unpack(packed), image)
    np.testing.assert_array_equal(shape.unpack(packed[0]), image)


@_EACH
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), loud=st.floats(0.01, 1e6))
def test_any_values_are_rounded_and_cut(shape: Form, seed: int, loud: float) -> None:
    size = (1, 3, 5, 7) if shape.layout == "nchw" else (1, 5, 7, 3)
    values = np.random.default_rng(seed).normal(0, loud, size).astype(np.float32)
    shown = values[0].transpose(1, 2, 0) if shape.layout == "nchw" else values[0]
    pixels = shown * np.array(shape.deviation, np.float32) + np.array(shape.mean, np.float32)
    expected = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(shape.unpack(values), expected[..., ::-1] if shape.colour == "rgb" else expected)


@_EACH
@pytest.mark.parametrize("type", [np.float32, np.float16, np.float64])
def test_a_given_array_is_filled_in_its_own_type(shape: Form, type: type) -> None:
    image = _picture(3, 6, 6)
    out = np.full(shape.shape(6), 77, type)
    assert shape.pack(image, out) is out
    np.testing.assert_array_equal(out, _slow(shape, image).astype(type))
    # A half float near 2 is 1/512 apart, which is half a grey level of -1..1.
    assert np.abs(shape.unpack(out).astype(int) - image).max() <= (1 if type is np.float16 else 0)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_a_flipped_colour_order_is_seen(colour: str) -> None:
    image = _picture(4, 8, 8)
    right, wrong = Form(colour), Form("bgr" if colour == "rgb" else "rgb")  # type: ignore[arg-type]
    assert np.abs(wrong.pack(image) - right.pack(image)).max() > 0.3
    np.testing.assert_array_equal(wrong.unpack(right.pack(image)), image[..., ::-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_what_is_no_number_is_refused(bad: float, layout: str) -> None:
    shape = Form(layout=layout)  # type: ignore[arg-type]
    values = shape.pack(_picture(5, 9, 9)).copy()
    values.reshape(-1)[101] = bad
    with pytest.raises(ValueError, match="not finite, expected a picture"):
        shape.unpack(values)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
    ids=["grey", "transparent", "float"],
)
def test_other_pictures_are_refused(wrong: Bytes) -> None:
    with pytest.raises(ValueError, match=r"expected \(h, w, 3\) uint8"):
        UNIT.pack(wrong)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got an array \(1, 3, 4, 5\) to fill, expected \(1, 3, 4, 4\)"):
        UNIT.pack(_picture(6, 4, 4), np.empty((1, 3, 4, 5), np.float32))
    with pytest.raises(ValueError, match=r"got an output \(2, 3, 4, 4\), expected a picture"):
        UNIT.unpack(np.zeros((2, 3, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"got an output \(1, 4, 4, 3\), expected a picture \(1, 3, h, w\)"):
        UNIT.unpack(np.zeros((1, 4, 4, 3), np.float32))


def test_neither_order_in_memory_nor_a_lock_changes_or_recompiles_anything() -> None:
    image = _picture(7, 12, 10)
    expected = UNIT.pack(image)
    UNIT.unpack(expected)
    compiled = len(form._look_up.signatures), len(form._round.signatures)
    locked = image.copy()
    locked.flags.writeable = False
    for other in (locked, np.asfortranarray(image), np.ascontiguousarray(image[:, ::-1])[:, ::-1], np.repeat(image, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(UNIT.pack(other), expected)
    values = expected.copy()
    values.flags.writeable = False
    for given_ in (values, np.asfortranarray(values), np.repeat(values, 2, axis=3)[..., ::2]):
        np.testing.assert_array_equal(UNIT.unpack(given_), image)
    assert (len(form._look_up.signatures), len(form._round.signatures)) == compiled


def test_a_plane_is_shares_as_pixels() -> None:
    values = np.array([[-0.2, 0, 0.1], [0.5, 1, 1.7]], np.float32)
    np.testing.assert_array_equal(plane(values), [[0, 0, 26], [128, 255, 255]])
    with pytest.raises(ValueError, match="not finite"):
        plane(np.array([[np.nan]], np.float32))


def test_pixels_are_copied_wherever_they_lie_and_compiled_once() -> None:
    image = _picture(8, 12, 20)
    locked, out = image.copy(), np.zeros((6, 10, 3), np.uint8)
    locked.flags.writeable = False
    copy(image[1::2, ::2], out)
    np.testing.assert_array_equal(out, image[1::2, ::2])
    compiled = len(form._copy.signatures)
    whole = np.zeros_like(image)
    copy(locked, whole)
    np.testing.assert_array_equal(whole, image)
    copy(out, whole[1::2, 1::2])
    np.testing.assert_array_equal(whole[1::2, 1::2], out)
    np.testing.assert_array_equal(whole[::2], image[::2])
    assert len(form._copy.signatures) == compiled
    with pytest.raises(ValueError, match=r"got a picture \(12, 20, 3\), expected \(6, 10, 3\)"):
        copy(image, out)
