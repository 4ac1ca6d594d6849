"""What model files say of themselves, and which family they are recognised as."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_making as making
import onnx_seeing as seeing
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_making import Swap

from models.families.form import Form
from models.families.signature import Kind, fitting, known, recognise
from models.network import NetworkError, Port
from models.session import Session
from models.shelf import outline

_FIVE = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
_MATRIX = np.zeros((512, 512), np.float32)
_EDGE = np.ones((64, 64), np.float32)


def _swap(path: Path, size: int, emap: bool = False, source: str | int = "latent", mask: bool = False) -> Path:
    return making.swapper(path, Swap(size, emap=_MATRIX if emap else None, source=source, mask=mask))


_FAMILIES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "yunet": ("yunet.onnx", seeing.yunet),
    "scrfd": ("det.onnx", lambda path: seeing.scrfd(path, Form("rgb"))),
    "yoloface": ("y.onnx", lambda path: seeing.yoloface(path, Form("bgr"))),
    "yolov5face": ("y.onnx", seeing.yolov5face),
    "rfb": ("r.onnx", seeing.rfb),
    "2d106": ("p.onnx", lambda path: seeing.insightface(path, _FIVE)),
    "1k3d68": ("p.onnx", lambda path: seeing.insightface(path, _FIVE, 68, 3)),
    "2dfan4": ("p.onnx", lambda path: seeing.fan(path, _FIVE)),
    "peppa_wutz": ("p.onnx", lambda path: seeing.peppa(path, _FIVE)),
    "arcface": ("w.onnx", seeing.recogniser),
    "sface": ("s.onnx", lambda path: seeing.recogniser(path, "data", 128)),
    "converter": ("crossface_ghost.onnx", seeing.converter),
    "inswapper_128": ("mine.onnx", lambda path: _swap(path, 128, emap=True)),
    "reswapper_256": ("reswapper-1567500.onnx", lambda path: _swap(path, 256, emap=True)),
    "instyleswapper_256": ("InStyleSwapper256_Version_A.fp16.onnx", lambda path: _swap(path, 256, emap=True)),
    "simswap_256": ("simswap_256.onnx", lambda path: _swap(path, 256)),
    "simswap_512": ("mine.onnx", lambda path: _swap(path, 512)),
    "ghost_256": ("ghost_unet_1_block.onnx", lambda path: _swap(path, 256)),
    "hififace_256": ("hififace_unofficial_256.onnx", lambda path: _swap(path, 256)),
    "hyperswap_256": ("mine.onnx", lambda path: _swap(path, 256, mask=True)),
    "blendswap_256": ("mine.onnx", lambda path: _swap(path, 256, source=112)),
    "uniface_256": ("mine.onnx", lambda path: _swap(path, 256, source=256)),
    "dfm": ("Anna.dfm", lambda path: making.dfm(path, 64, (_EDGE, _EDGE))),
    "xseg": ("m.onnx", lambda path: making.mask(path, "xseg")),
    "xseg_nchw": ("m.onnx", lambda path: making.mask(path, "xseg_nchw")),
    "occluder": ("m.onnx", lambda path: making.mask(path, "occluder")),
    "bisenet": ("m.onnx", lambda path: making.mask(path, "bisenet")),
    "gfpgan": ("GFPGANv1.4.onnx", lambda path: making.enhancer(path, 512)),
    "gfpgan_1024": ("gfpgan-1024.onnx", lambda path: making.enhancer(path, 1024)),
    "gpen_256": ("e.onnx", lambda path: making.enhancer(path, 256)),
    "gpen_512": ("GPEN-BFR-512.onnx", lambda path: making.enhancer(path, 512)),
    "gpen_1024": ("GPEN-BFR-1024.onnx", lambda path: making.enhancer(path, 1024)),
    "gpen_2048": ("e.onnx", lambda path: making.enhancer(path, 2048)),
    "codeformer": ("e.onnx", lambda path: making.enhancer(path, 512, "weight")),
    "restoreformer_plus_plus": ("restoreformer_plus_plus.onnx", lambda path: making.enhancer(path, 512)),
}


def test_every_family_has_its_file_here() -> None:
    assert {kind.family for kind in known()} == set(_FAMILIES)


@pytest.mark.parametrize("family", _FAMILIES)
def test_a_file_of_every_family_is_recognised(family: str, tmp_path: Path) -> None:
    name, make = _FAMILIES[family]
    path = tmp_path / name
    make(path)
    seen = outline.read(path)
    assert recognise(seen, name).family == family
    # What is read without the weights is what ONNX Runtime finds, which may also conclude sizes of outputs.
    session = Session(path)
    assert seen.inputs == session.inputs
    assert [(port.name, port.type, len(port.shape)) for port in seen.outputs] == [
        (port.name, port.type, len(port.shape)) for port in session.outputs
    ]
    for mine, theirs in zip(seen.outputs, session.outputs, strict=True):
        assert all(size in (None, other) for size, other in zip(mine.shape, theirs.shape, strict=True))
    session.close()


def test_what_ports_leave_open_is_asked(tmp_path: Path) -> None:
    seen = outline.read(_swap(tmp_path / "mine.onnx", 256))
    with pytest.raises(NetworkError, match=r"say so with --family, one of simswap_256, ghost_256, hififace_256"):
        recognise(seen, "mine.onnx")
    assert recognise(seen, "mine.onnx", "ghost_256") == Kind("swapper", "ghost_256")
    with pytest.raises(NetworkError, match=r"no model of the family uniface_256: got inputs target \(1, 3, 256, 256\) float32"):
        recognise(seen, "mine.onnx", "uniface_256")
    with pytest.raises(NetworkError, match=r"no model of the family nothing: got inputs .*, expected one of yunet"):
        recognise(seen, "mine.onnx", "nothing")


def test_enhancers_that_differ_in_name_alone_are_one(tmp_path: Path) -> None:
    assert recognise(outline.read(making.enhancer(tmp_path / "mine.onnx", 512)), "mine.onnx").family == "gfpgan"


def test_another_network_is_refused_with_what_it_has(tmp_path: Path) -> None:
    graph = making.Graph()
    graph.take("tokens", (1, "n"), "float32")
    graph.give("words", (1, "n", 7), graph.add("Identity", "tokens"))
    seen = outline.read(graph.save(tmp_path / "a.onnx", 13))
    assert fitting(seen.inputs, seen.outputs) == ()
    with pytest.raises(NetworkError, match=r"got inputs tokens \(1, \?\) float32 and outputs words \(1, \?, 7\) float32, expected"):
        recognise(seen)


def test_weights_among_the_inputs_are_none(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["n", 0, 4])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x, w], [y], [weight])
    path = tmp_path / "old.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx", 12)], ir_version=3).SerializeToString())
    assert outline.read(path) == outline.Outline((Port("x", (None, 3), "float32"),), (Port("y", (None, None, 4), "float16"),), 12, (3, 4))


def test_large_weights_are_stepped_over(tmp_path: Path) -> None:
    graph = making.Graph()
    graph.take("x", (1,))
    graph.constant(np.zeros(20_000_000, np.float32))
    graph.give("y", (1,), "x")
    path = graph.save(tmp_path / "large.onnx")
    outline.read(path)
    tracemalloc.start()
    assert outline.read(path).last == (20_000_000,)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_file_cut_anywhere_is_said_to_be(tmp_path: Path) -> None:
    content = making.mask(tmp_path / "whole.onnx", "xseg").read_bytes()
    path = tmp_path / "cut.onnx"
    said = set()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(NetworkError) as caught:
            outline.read(path)
        said.add(str(caught.value).removeprefix(str(path)))
    assert f"{' breaks off in the middle: it was not downloaded or copied to its end.'}" in said
    assert len(said) <= 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "with 0 bytes"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "which is a web page"),
        (b"<html>", "which is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "Git LFS pointer"),
        (b"PK\x03\x04rest", "an archive"),
        (b"\x80\x02ctorch\n", "pickle"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x1c\0\0\0ORTM", "ONNX Runtime's own format"),
        (b"\x10\0\0\0\0\0\0\0{\"a\":1}", "safetensors"),
        (b"plain words", "which is text"),
        (b"\xff\x01" * 150, "no ONNX model"),
        (bytes(300), "no ONNX model"),
        (b"\x08\x07", "no ONNX model"),
    ],
)  # fmt: skip
def test_whatever_else_it_is_is_said_in_one_sentence(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=message) as caught:
        outline.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>", b"PK\x03\x04rest", b"\x1c\0\0\0TFL3", b"plain words", b""])
def test_who_adds_a_file_and_who_runs_it_hear_the_same(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    said = []
    for opened in (outline.read, Session):
        with pytest.raises(NetworkError) as caught:
            opened(path)
        said.append(str(caught.value).replace(str(path), path.name))
    assert said[0] == said[1]


def test_files_that_cannot_be_read_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="There is no file"):
        outline.read(tmp_path / "none.onnx")
    with pytest.raises(NetworkError, match="is a folder"):
        outline.read(tmp_path)


@pytest.mark.parametrize("opset", [5, 99])
def test_operators_too_old_or_too_new_are_refused(opset: int, tmp_path: Path) -> None:
    path = making.mask(tmp_path / "a.onnx", "xseg")
    model = onnx.load(path)
    model.opset_import[0].version = opset
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NetworkError, match=rf"written in the operators of ONNX {opset}, expected 7 to \d+"):
        outline.read(path)


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    path = making.mask(tmp_path / "a.onnx", "bisenet")
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, size_threshold=0, location="a.data")
    with pytest.raises(NetworkError, match="weights in other files"):
        outline.read(path)


def test_real_models_are_recognised(shared: Path) -> None:
    seen = {path.name: recognise(outline.read(path), path.name) for path in (shared / "models").glob("*.onnx")}
    assert seen["yunet_n_640_640.onnx"] == seen["yunet_s_dynamic.onnx"] == Kind("detector", "yunet")
    assert seen["version-RFB-320.onnx"] == Kind("detector", "rfb")
    assert seen["mobilefacenet.onnx"] == Kind("recogniser", "arcface")
