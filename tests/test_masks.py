"""Masks of every family, each on a network of its signature whose output is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_making as making
import pytest
from numpy.typing import NDArray
from onnx_making import Counted

from models import align
from models.families.form import IMAGENET, UNIT, Form
from models.families.masks import FAMILIES, Family, Masker, open_masker, soften
from models.network import NetworkError
from models.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_ROWS = {family.name: family for family in FAMILIES}
_EACH = pytest.mark.parametrize("name", _ROWS)


def _masker(name: str, folder: Path, row: Family | None = None) -> Masker:
    path = making.mask(folder / f"{name}.onnx", name)
    return open_masker(Session(path)) if row is None else Masker(Session(path), row)


def _halves(side: int, left: tuple[int, int, int], right: tuple[int, int, int]) -> Bytes:
    """A picture of two colours, BGR."""
    image = np.empty((side, side, 3), np.uint8)
    image[:, : side // 2], image[:, side // 2 :] = left, right
    return image


def _fused(share: Floats, side: int) -> Floats:
    """What FaceFusion makes of a share of face, 0..255."""
    whole = cv2.resize(share.astype(np.float32), (side, side))
    return np.asarray((cv2.GaussianBlur(whole, (0, 0), 5).clip(0.5, 1) - 0.5) * 2 * 255)


_SEEN, _HIDDEN = {"xseg": (250, 0, 0)}, {"xseg": (0, 250, 250)}
# Red is the first channel of all that take RGB, and what BiSeNet calls skin here.
_RED, _NOT_RED = (20, 20, 250), (240, 60, 20)


@_EACH
@pytest.mark.parametrize("side", [128, 256, 512, 1024])
def test_the_face_is_seen_where_the_network_says_in_its_order_of_colours(name: str, side: int, tmp_path: Path) -> None:
    masker = _masker(name, tmp_path)
    assert masker.family.name == name
    mask = masker(_halves(side, _SEEN.get(name, _RED), _HIDDEN.get(name, _NOT_RED)))
    assert mask.shape == (side, side)
    assert mask.dtype == np.uint8
    assert mask[:, : side // 2 - 24].min() >= 240
    # The edge fades inwards: nothing of what is hidden shows.
    assert mask[:, side // 2 + max(1, side // 256) :].max() <= 8
    assert 0 < mask[:, side // 2 - 3].min() < 200


@_EACH
def test_a_wrong_order_of_colours_or_range_shows(name: str, tmp_path: Path) -> None:
    row = _ROWS[name]
    flipped = Form("rgb" if row.takes.colour == "bgr" else "bgr", row.takes.mean, row.takes.deviation, row.takes.layout)
    other = Form(row.takes.colour, (127.5,) * 3, (127.5,) * 3, row.takes.layout)
    # Where a wrong order or range makes the other class likelier, or the share or logit another one.
    image = _halves(256, (200, 20, 90), (90, 20, 150)) if name != "bisenet" else _halves(256, (130, 10, 120), (120, 10, 130))
    right = _masker(name, tmp_path)(image)
    for mutant in (replace(row, takes=flipped), replace(row, takes=other if name != "bisenet" else flipped)):
        wrong = _masker(name, tmp_path, mutant)(image)
        assert np.abs(wrong.astype(int) - right).max() > 40, mutant


def test_bisenet_wants_imagenet_s_range(tmp_path: Path) -> None:
    # Red 130 and green 125 are apart by less than the channels' own means, so that any other range turns them over.
    image = np.full((512, 512, 3), (10, 120, 130), np.uint8)
    path = making.mask(tmp_path / "a.onnx", "bisenet")
    network = Counted(Session(path))
    assert open_masker(network)(image).min() == 255
    shown = (np.array([130, 120, 10]) / 255 - making.MEAN) / making.DEVIATION
    np.testing.assert_allclose(network.fed[0]["input"][0, :, 9, 9], shown, atol=1e-5)
    turned = np.full((512, 512, 3), (10, 130, 120), np.uint8)
    assert open_masker(network)(turned).max() == 0


def test_shares_between_are_taken_as_they_are(tmp_path: Path) -> None:
    for level in (0, 64, 128, 160, 192, 255):
        mask = _masker("xseg", tmp_path)(np.full((300, 300, 3), (level, 5, 9), np.uint8))
        assert np.abs(mask.astype(int) - max(0, 2 * level - 255)).max() <= 1


def test_a_logit_is_face_from_nothing_on(tmp_path: Path) -> None:
    for red, expected in ((126, 0), (129, 255)):
        assert np.all(_masker("occluder", tmp_path)(np.full((256, 256, 3), (9, 9, red), np.uint8)) == expected)


@pytest.mark.parametrize("kept", [True, False])
def test_the_classes_that_are_face(kept: bool, tmp_path: Path) -> None:
    face = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
    network = Session(making.mask(tmp_path / "a.onnx", "bisenet"))
    for number in range(19):
        values = np.random.default_rng(number).normal(0, 1, (1, 19, 512, 512)).astype(np.float32)
        values[0, number] += 20
        if (number in face) == kept:
            assert np.all(open_masker(Counted(network, [values]))(np.zeros((64, 64, 3), np.uint8)) == (255 if kept else 0))


def test_the_likeliest_class_decides(tmp_path: Path) -> None:
    network = Session(making.mask(tmp_path / "a.onnx", "bisenet"))
    values = np.random.default_rng(7).normal(0, 1, (1, 19, 512, 512)).astype(np.float32)
    values = np.repeat(np.repeat(values[..., ::64, ::64], 64, axis=2), 64, axis=3)
    share = np.isin(values[0].argmax(axis=0), (1, 2, 3, 4, 5, 6, 10, 11, 12, 13))
    mask = open_masker(Counted(network, [values]))(np.zeros((512, 512, 3), np.uint8))
    assert np.abs(mask - _fused(share.astype(np.float32), 512)).max() < 24
    assert np.abs(mask - _fused(share.astype(np.float32), 512)).mean() < 1


@pytest.mark.parametrize("side", [96, 128, 256, 384, 512, 1024])
def test_softening_is_the_field_s(side: int) -> None:
    small = np.random.default_rng(3).random((6, 6)).astype(np.float32)
    share = (cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC) > 0.5).astype(np.float32)
    off = np.abs(soften(share, side) - _fused(share, side))
    # Blurring first and enlarging afterwards differs at sharp corners, and nowhere where nothing is enlarged.
    assert off.max() <= (1 if side <= 256 else 16)
    assert off.mean() < 0.3
    assert np.all(soften(np.ones((256, 256), np.float32), side) == 255)
    assert np.all(soften(np.zeros((256, 256), np.float32), side) == 0)


def test_rows_are_recognised_by_shape_and_where_shapes_are_one_by_name(tmp_path: Path) -> None:
    rows = {name: (row.template, row.size, row.takes) for name, row in _ROWS.items()}
    assert rows == {
        "xseg": ("dfl_whole_face", 256, Form("bgr", layout="nhwc")),
        "xseg_nchw": ("dfl_whole_face", 256, UNIT),
        "occluder": ("arcface_128", 256, UNIT),
        "bisenet": ("ffhq_512", 512, IMAGENET),
    }
    for name in rows:
        network = Session(making.mask(tmp_path / f"{name}.onnx", name, more=True))
        assert [row.name for row in FAMILIES if row.fits(network.inputs, network.outputs)] == [name]
    assert all(row.template in align.TEMPLATES for row in FAMILIES)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    network = Session(making.enhancer(tmp_path / "a.onnx", 512))
    with pytest.raises(NetworkError, match="no mask that is known"):
        open_masker(network)
    with pytest.raises(NetworkError, match="There is no family xsag of masks"):
        open_masker(network, "xsag")
    with pytest.raises(ValueError, match="expected those of bisenet"):
        Masker(network, _ROWS["bisenet"])


@_EACH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_output_that_is_no_number_is_refused(name: str, bad: float, tmp_path: Path) -> None:
    network = Session(making.mask(tmp_path / "a.onnx", name))
    values = np.zeros([size or 1 for size in network.outputs[0].shape], np.float32)
    values.reshape(-1)[values.size // 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        open_masker(Counted(network, [values]))(np.zeros((256, 256, 3), np.uint8))


@pytest.mark.parametrize(
    "wrong", [np.zeros(shape, type) for shape, type in (((9, 8, 3), "u1"), ((9, 9), "u1"), ((9, 9, 3), "f4"), ((0, 0, 3), "u1"))]
)
def test_other_pictures_are_refused(wrong: Bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a square \(s, s, 3\) uint8"):
        _masker("xseg", tmp_path)(wrong)
