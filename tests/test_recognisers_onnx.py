"""Recognisers of every family see the aligned face in their own colours and range, by value; converters pass embeddings on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_seeing as made
import pytest
from faces import arcface_crop, find
from numpy.typing import NDArray

from models.align import five, template
from models.detector import Detector
from models.families.form import Form
from models.families.recognisers import FAMILIES, Converter, Recogniser, open_converter, open_recogniser
from models.landmarks import Landmarker
from models.network import NetworkError
from models.session import Session

Bytes = NDArray[np.uint8]

_FIVE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
_FILES = {
    "arcface": ("arcface", {}),
    "arcface, as FaceFusion has it": ("arcface", {"port": "input", "output": "output"}),
    "a small one": ("arcface", {"port": "input", "dimensions": 128, "batch": 1}),
    "arcface of MXNet": ("arcface", {"port": "data", "output": "fc1"}),
    "sface": ("sface", {"port": "data", "output": "fc1", "dimensions": 128, "batch": 1}),
}


def _session(folder: Path, name: str) -> Session:
    return Session(made.recogniser(folder / f"{name}.onnx", **_FILES[name][1]))  # type: ignore[arg-type]


def _face(seed: int = 3) -> Bytes:
    """A crop of 4 x 4 fields in colours that are all different."""
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(fields, 28, axis=0), 28, axis=1)


def _means(face: Bytes) -> NDArray[np.float64]:
    """What the network must say of a crop, before normalisation: red's sixteen fields, green's, blue's."""
    return face[..., ::-1].reshape(4, 28, 4, 28, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel()


def test_the_template_is_the_published_one() -> None:
    assert np.abs(template("arcface_112_v2", 112) - _FIVE).max() < 1e-3


@pytest.mark.parametrize("name", _FILES)
def test_an_embedding_is_of_the_aligned_face_in_its_colours_and_range(name: str, tmp_path: Path) -> None:
    recogniser = open_recogniser(_session(tmp_path, name))
    assert recogniser.family.name == _FILES[name][0]
    face = _face()
    embedding = recogniser(face, _FIVE)
    assert embedding.dtype == np.float32
    assert embedding.shape == (_FILES[name][1].get("dimensions", 512),)
    raw = "data" in _FILES[name][1].values()
    expected = _means(face) if raw else (_means(face) - 127.5) / 127.5
    # The template has four digits, so the crop is off by a thousandth of a pixel at the fields' edges.
    assert embedding[:48] == pytest.approx(expected, abs=0.5 if raw else 0.5 / 127.5)
    assert (embedding[48:] == 0).all()
    assert recogniser.read(face)[:48] == pytest.approx(expected, abs=1e-3 if raw else 1e-5)
    again = recogniser(np.zeros((112, 112, 3), np.uint8), _FIVE)
    assert embedding[:48] == pytest.approx(expected, abs=0.5), "an embedding is kept while the network runs on"
    assert (again[:48] != embedding[:48]).any()


@pytest.mark.parametrize("name", _FILES)
def test_swapped_colours_and_a_wrong_range_change_it(name: str, tmp_path: Path) -> None:
    session = _session(tmp_path, name)
    right = open_recogniser(session)
    form = right.family.form
    assert form is not None
    face = _face()
    expected = right.read(face)
    for wrong in (replace(form, colour="bgr"), Form("rgb"), replace(form, mean=(0.0,) * 3, deviation=(127.5,) * 3)):
        assert np.abs(Recogniser(session, replace(right.family, form=wrong)).read(face) - expected).max() > 0.1


@pytest.mark.parametrize(("scale", "degrees"), [(1.0, 0.0), (2.5, 30.0), (0.7, -120.0)])
def test_the_face_is_turned_and_scaled_to_the_template(scale: float, degrees: float, tmp_path: Path) -> None:
    recogniser = open_recogniser(_session(tmp_path, "arcface"))
    face = _face()
    matrix = cv2.getRotationMatrix2D((56, 56), degrees, scale)
    matrix[:, 2] += (200, 180)
    image = np.asarray(cv2.warpAffine(face, matrix, (500, 450), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    found = recogniser(image, _FIVE @ matrix[:, :2].T + matrix[:, 2])
    assert found[:48] == pytest.approx((_means(face) - 127.5) / 127.5, abs=0.06)


def test_points_and_output_that_are_no_numbers(tmp_path: Path) -> None:
    recogniser = open_recogniser(_session(tmp_path, "arcface"))
    for points in (np.full((5, 2), np.nan), np.zeros((5, 2))):
        with pytest.raises(ValueError, match="expected a finite face"):
            recogniser(_face(), points)

    class Broken:
        inputs, outputs = Session(tmp_path / "arcface.onnx").inputs, ()

        def __call__(self, feeds: object) -> list[NDArray[np.float32]]:
            return [np.full((1, 512), np.nan, np.float32)]

    with pytest.raises(ValueError, match="got an embedding that is not finite"):
        Recogniser(Broken(), recogniser.family)(_face(), _FIVE)  # type: ignore[arg-type]


def test_a_converter_passes_embeddings_on(tmp_path: Path) -> None:
    session = Session(made.converter(tmp_path / "crossface.onnx"))
    converter = open_converter(session)
    embedding = np.random.default_rng(0).normal(size=512).astype(np.float32)
    assert (converter(embedding) == 2 * embedding[::-1]).all()
    with pytest.raises(ValueError, match=r"got \(128,\), expected \(512,\)"):
        converter(embedding[:128])
    with pytest.raises(NetworkError, match="no recogniser"):
        open_recogniser(session)
    with pytest.raises(NetworkError, match="no converter"):
        open_converter(_session(tmp_path, "arcface"))
    assert isinstance(converter, Converter)


def test_every_file_is_of_one_family_alone(tmp_path: Path) -> None:
    for name in _FILES:
        session = _session(tmp_path, name)
        assert [(row.role, row.name) for row in FAMILIES if row.fits(session.inputs, session.outputs)] == [("recogniser", _FILES[name][0])]
    few = Session(made.recogniser(tmp_path / "few.onnx", dimensions=48))
    with pytest.raises(NetworkError, match="no recogniser that is known"):
        open_recogniser(few)
    with pytest.raises(NetworkError, match="no recogniser of the family sface"):
        open_recogniser(_session(tmp_path, "arcface"), "sface")
    with pytest.raises(ValueError, match="expected one of recognisers"):
        Recogniser(few, FAMILIES[-1])


def test_mobilefacenet_says_what_onnx_runtime_says_of_the_crop(
    shared: Path, hopper: Bytes, collins: Bytes, detector: Detector, landmarker: Landmarker
) -> None:
    import onnxruntime

    path = shared / "models/mobilefacenet.onnx"
    direct = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    recogniser = open_recogniser(Session(path))
    found = {}
    for name, image in (("hopper", hopper), ("collins", collins), ("hopper, darker", np.asarray(hopper * 0.7, np.uint8))):
        landmarks = find(image, detector, landmarker)
        found[name] = recogniser(image, five(landmarks))
        crop = arcface_crop(image, landmarks)
        values = (crop[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5
        assert np.abs(found[name] - direct.run(None, {"input": values})[0][0]).max() < 1e-4
        assert found[name].shape == (128,)
    normed = {name: embedding / np.linalg.norm(embedding) for name, embedding in found.items()}
    assert normed["hopper"] @ normed["hopper, darker"] > 0.8
    assert normed["hopper"] @ normed["collins"] < 0.3
