"""Enhancers of every family, each on a network of its signature whose output is known."""

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
from models.families.enhancers import FAMILIES, Enhancer, Family, open_enhancer
from models.families.form import UNIT, Form
from models.network import NetworkError
from models.session import Session

Bytes = NDArray[np.uint8]

_ROWS = {family.name: family for family in FAMILIES}
# Name, side, weight's name, names of input and output: as exported by FaceFusion, and the original ones.
_FILES = {
    "gfpgan": (512, None, ("input", "output")),
    "gfpgan_1024": (1024, None, ("input", "output")),
    "gpen_256": (256, None, ("input", "output")),
    "gpen_512": (512, None, ("input", "output")),
    "gpen_1024": (1024, None, ("input", "output")),
    "gpen_2048": (2048, None, ("input", "output")),
    "codeformer": (512, "weight", ("input", "output")),
    "codeformer original": (512, "w", ("x", "y")),
    "restoreformer_plus_plus": (512, None, ("input", "2359")),
}


def _open(name: str, folder: Path, **more: bool) -> Session:
    size, weight, names = _FILES[name]
    return Session(making.enhancer(folder / "a.onnx", size, weight, names, **more))


def _picture(size: int) -> Bytes:
    small = np.random.default_rng(0).integers(40, 200, (6, 6, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _row(name: str) -> Family:
    return _ROWS[name.split()[0]]


@pytest.mark.parametrize("name", _FILES)
def test_the_result_is_the_network_s_in_its_colours_and_range(name: str, tmp_path: Path) -> None:
    network = _open(name, tmp_path)
    enhancer = open_enhancer(network, name.split()[0])
    assert enhancer.size == _FILES[name][0]
    crop = _picture(enhancer.size)
    expected = crop * np.array(making.GAINS[::-1])
    for weight in (0.0, 0.7):
        shift = 255 * 0.2 * weight if _FILES[name][1] else 0
        result = enhancer(crop, weight)
        assert result.shape == crop.shape
        assert np.abs(result - np.clip(expected + shift, 0, 255)).max() <= 1
    for form in (UNIT, Form("bgr", (127.5,) * 3, (127.5,) * 3)):
        wrong = Enhancer(network, replace(_row(name), form=form))(crop, 0.0)
        assert np.abs(wrong - expected).max() > 8


def test_detail_comes_in_the_right_places(tmp_path: Path) -> None:
    enhancer = open_enhancer(_open("gpen_256", tmp_path, sharpen=True))
    crop = np.asarray(np.clip(np.random.default_rng(1).normal(128, 12, (256, 256, 3)), 0, 255), np.uint8)
    blurred = cv2.filter2D(crop.astype(np.float64), -1, np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]) / 4, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(enhancer(crop) - np.clip(2.0 * crop - blurred, 0, 255)).max() <= 1


def test_the_result_is_found_among_other_outputs(tmp_path: Path) -> None:
    crop = _picture(512)
    result = open_enhancer(_open("codeformer original", tmp_path, before=True))(crop, 0.0)
    assert np.abs(result - crop * np.array(making.GAINS[::-1])).max() <= 1


def test_templates_are_the_field_s() -> None:
    assert {name: row.template for name, row in _ROWS.items() if row.template != "ffhq_512"} == {"gpen_256": "arcface_128"}
    assert all(row.template in align.TEMPLATES for row in FAMILIES)


@pytest.mark.parametrize("name", _FILES)
def test_files_are_recognised_where_it_makes_a_difference(name: str, tmp_path: Path) -> None:
    enhancer = open_enhancer(_open(name, tmp_path))
    # GFPGAN, GPEN and RestoreFormer++ at 512 px want and give the same, so that it is no matter which it is.
    assert replace(enhancer.family, name="") == replace(_row(name), name="")


def test_the_weight_is_of_the_file_s_own_type(tmp_path: Path) -> None:
    network = Counted(_open("codeformer original", tmp_path))
    open_enhancer(network)(_picture(512), 0.3)
    assert network.fed[0]["w"].dtype == np.float64
    assert network.fed[0]["w"].tolist() == [0.3]


def test_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no enhancer that is known"):
        open_enhancer(Session(making.mask(tmp_path / "a.onnx", "bisenet")))
    with pytest.raises(NetworkError, match="no enhancer of the family codeformer"):
        open_enhancer(_open("gfpgan", tmp_path), "codeformer")
    with pytest.raises(ValueError, match="expected those of gpen_256"):
        Enhancer(_open("gfpgan", tmp_path), _ROWS["gpen_256"])
    with pytest.raises(NetworkError, match="no enhancer that is known"):
        open_enhancer(Session(making.enhancer(tmp_path / "b.onnx", 384)))


def test_other_crops_and_weights_and_results_are_refused(tmp_path: Path) -> None:
    network = _open("codeformer", tmp_path)
    enhancer = open_enhancer(network)
    for wrong in (_picture(256), _picture(512)[..., 0], _picture(512).astype(np.float32)):
        with pytest.raises(ValueError, match=r"expected \(512, 512, 3\) uint8"):
            enhancer(wrong)
    with pytest.raises(ValueError, match=r"got a weight of 1.2, expected 0..1"):
        enhancer(_picture(512), 1.2)
    values = np.zeros((1, 3, 512, 512), np.float32)
    with pytest.raises(ValueError, match=r"got an output \(256, 256, 3\)"):
        open_enhancer(Counted(network, [values[:, :, :256, :256]]))(_picture(512))
    values[0, 2, 5, 5] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        open_enhancer(Counted(network, [values]))(_picture(512))
