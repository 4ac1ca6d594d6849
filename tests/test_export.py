"""What is exported computes what was trained, can be cut at the identity, says what it is, and is written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from sets import write_set

torch = pytest.importorskip("torch", reason="training needs the extra train")

from models.generator.shipped import ENCODER, GENERATOR, shipped  # noqa: E402  after the skip
from models.network import NetworkError  # noqa: E402
from models.rewrite.fold import fold  # noqa: E402
from models.rewrite.graph import Graph  # noqa: E402
from models.rewrite.halves import halves  # noqa: E402
from models.running.providers import Runtime  # noqa: E402
from models.training import checkpoint, graphs, proof, quantise  # noqa: E402
from models.training import export as exporting  # noqa: E402
from models.training.export import EXACT, export  # noqa: E402
from models.training.judges import load_encoder  # noqa: E402
from models.training.networks import Generator, IdentityEncoder  # noqa: E402
from models.training.proof import Difference  # noqa: E402
from models.training.trainer import checksum  # noqa: E402
from tests.graphs import count, run  # noqa: E402

_WIDTHS = (4, 6, 8)
_ABOUT = {"data": "drawn faces", "terms": "none", "licence": "Apache-2.0", "date": "2026-01-02", "faces seen": "12"}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _restless(network: Any, seed: int = 0) -> Any:
    """With statistics and heads as after a training, so that nothing that is folded is one or nothing."""
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.4, generator=random)
            module.running_var.uniform_(0.2, 3, generator=random)
        if isinstance(module, torch.nn.BatchNorm2d) and module.affine:
            module.weight.data.uniform_(0.5, 1.5, generator=random)
            module.bias.data.normal_(0, 0.3, generator=random)
    for name, value in network.named_parameters():
        if name.startswith(("light", "detail")):
            value.data.normal_(0, 0.05, generator=random)
    return network.eval().requires_grad_(False)


def _generator(widths: tuple[int, ...] = _WIDTHS, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return _restless(Generator(widths), seed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run's folder and an encoder's file."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(1)
    encoder = _restless(IdentityEncoder(), 1)
    torch.save(encoder.state_dict(), folder / "encoder.pt")
    about = {"architecture": {"widths": list(_WIDTHS)}, "set": {"photos": 3, "encoder": checksum(encoder)}, "step": 1234}
    # What is trained is not what is exported.
    networks = {"average": _generator().state_dict(), "generator": _generator(seed=5).state_dict()}
    checkpoint.save(folder / "checkpoint.pt", {**about, **networks})
    return folder, folder / "encoder.pt"


@pytest.fixture(scope="module")
def written(trained: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    export(*trained, out, _ABOUT)
    return out


def _off(model: Any, network: Any, feeds: list[proof.Feed]) -> float:
    """As it is written, before ONNX Runtime makes anything faster."""
    pairs = zip(feeds, proof.truth(network, feeds), strict=True)
    return max(float(np.abs(got - want).max()) for feed, wanted in pairs for got, want in zip(run(model, feed), wanted, strict=True))


@pytest.mark.parametrize("widths", [(16, 32, 64, 96), _WIDTHS, (5, 7), (6, 6, 6, 6, 6)])
def test_the_graph_is_the_generator_whatever_its_widths(widths: tuple[int, ...]) -> None:
    network = _generator(widths)
    model = graphs.generator(network).whole()
    onnx.checker.check_model(model, full_check=True)
    assert _off(model, network, proof.noise(2).views) < 5e-6
    assert not count(model, "BatchNormalization")


def test_the_graph_is_the_encoder() -> None:
    torch.manual_seed(2)
    network = _restless(IdentityEncoder((4, 6, 8, 10)), 2)
    model = graphs.encoder(network).whole()
    assert _off(model, network, proof.noise(2).portraits) < 5e-6
    (vector,) = run(model, {"portrait": np.zeros((1, 3, 128, 128), np.float32)})
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_files_have_the_names_and_shapes_that_the_live_generator_takes(written: Path) -> None:
    found = {}
    for name in (GENERATOR, ENCODER):
        model = onnx.load(written / name)
        assert (model.ir_version <= 9, [(entry.domain, entry.version) for entry in model.opset_import]) == (True, [("", 17)])
        for port in (*model.graph.input, *model.graph.output):
            assert port.type.tensor_type.elem_type == TensorProto.FLOAT
            found[name, port.name] = tuple(side.dim_value for side in port.type.tensor_type.shape.dim)
    assert found == {
        (GENERATOR, "view"): (1, 7, 128, 128), (GENERATOR, "identity"): (1, 128),
        (GENERATOR, "face"): (1, 3, 128, 128), (GENERATOR, "alpha"): (1, 1, 128, 128),
        (ENCODER, "portrait"): (1, 3, 128, 128), (ENCODER, "identity"): (1, 128),
    }  # fmt: skip


def test_the_live_generator_gives_what_the_average_gives(written: Path) -> None:
    feed = proof.noise(1).views[0]
    (face, alpha), = proof.truth(_generator(), [feed])
    with shipped(Runtime(("CPU",), "fp32", 1), folder=written) as live:
        got = live.refine(feed["view"], live.refine.source(feed["identity"][0]))
        assert np.abs(got[0] - face[0]).max() < 4e-3
        assert np.abs(got[1] - alpha[0, 0]).max() < 4e-3


def test_cut_at_the_identity_a_frame_has_no_product_with_it(written: Path) -> None:
    model = onnx.load(written / GENERATOR)
    graph = Graph(model)
    fold(graph)
    cut = halves(graph, "identity")
    assert cut is not None
    first, second = (part.whole() for part in cut)
    layers = 2 * len(_WIDTHS)
    assert (count(first, "Gemm"), count(second, "Gemm"), count(first, "Conv")) == (layers, 0, 0)
    assert [port.name for port in first.graph.input] == ["identity"]
    assert sorted(port.name for port in second.graph.input) == sorted(["view", *(port.name for port in first.graph.output)])
    assert {"block0.first.gain", "block2.second.shift"} <= {port.name for port in first.graph.output}
    feed = proof.noise(1).views[0]
    made = dict(zip([port.name for port in first.graph.output], run(first, feed), strict=True))
    for got, want in zip(run(second, {"view": feed["view"], **made}), run(model, feed), strict=True):
        assert np.abs(got - want).max() < 1e-6


def test_the_files_say_what_they_are(written: Path) -> None:
    told = {name: {entry.key: entry.value for entry in onnx.load(written / name).metadata_props} for name in (GENERATOR, ENCODER)}
    assert told[GENERATOR] == _ABOUT | {
        "name": "swapcam generator", "architecture": "AAD, 4, 6, 8 channels", "step": "1234", "precision": "float16",
    }  # fmt: skip
    assert told[ENCODER]["name"] == "swapcam identity encoder"
    assert told[ENCODER]["terms"] == "none"


def test_half_the_size_hardly_differs_and_computes_in_float32(trained: tuple[Path, Path], tmp_path: Path) -> None:
    half, single = export(*trained, tmp_path / "half", {}), export(*trained, tmp_path / "single", {}, "float32")
    assert half.step == 1234
    for small, large in ((half.generator, single.generator), (half.identity, single.identity)):
        assert small.path.stat().st_size == small.size
        assert small.parameters == large.parameters
        assert small.exact == large.exact
        assert large.stored.most < 5e-6
        assert large.stored.most < small.stored.most < 4e-3
    assert half.identity.size < 0.51 * single.identity.size
    model = onnx.load(half.identity.path)
    stored = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    used = {name: node.op_type for node in model.graph.node for name in node.input}
    assert stored
    assert {used[name] for name in stored} == {"Cast"}


def test_real_faces_are_compared_where_a_set_is_given(trained: tuple[Path, Path], tmp_path: Path) -> None:
    report = export(*trained, tmp_path / "out", {}, data=write_set(tmp_path / "set"))
    assert report.faces == 16
    assert report.generator.exact.within(Difference(5e-6, 5e-7))


@pytest.mark.parametrize("wrong", ["fold", "nan"])
def test_what_differs_is_refused_and_what_was_there_stays(
    wrong: str, trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / GENERATOR).write_bytes(b"before")
    fold_norm = graphs._norm

    def wrongly(norm: Any) -> Any:
        folded = fold_norm(norm)
        return folded._replace(shift=folded.shift * (0 if wrong == "fold" else np.nan))

    monkeypatch.setattr(graphs, "_norm", wrongly)
    with pytest.raises(ValueError, match=r"the generator exported differs from PyTorch by .*; nothing was written"):
        export(*trained, tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == [GENERATOR]
    assert (tmp_path / GENERATOR).read_bytes() == b"before"


def test_what_rounds_too_far_is_refused(trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "halved", lambda graph: _coarse(graph))
    with pytest.raises(ValueError, match="the generator in float16 differs from PyTorch"):
        export(*trained, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def _coarse(graph: Graph) -> Graph:
    for name, value in graph.constants.items():
        if value.dtype == np.float32 and value.ndim == 4:
            graph.constants[name] = np.round(value, 1)
    return graph


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_full_disk_leaves_the_files_that_were_there(last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of both, or of what is kept of them, was written last; the generator's name is the last that is given."""
    for name in (GENERATOR, ENCODER):
        (tmp_path / name).write_bytes(f"before {name}".encode())
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == last:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"onnx\S*: cannot be written \(No space left on device\); make room"):
        exporting._write({tmp_path / GENERATOR: b"new", tmp_path / ENCODER: b"new"})
    kept = {path.name: path.read_bytes().decode() for path in tmp_path.iterdir()}
    assert kept == {name: f"before {name}" for name in (GENERATOR, ENCODER)}


def test_where_one_file_cannot_be_placed_the_other_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ENCODER).mkdir()
    for before in (b"before", None):
        if before:
            (tmp_path / GENERATOR).write_bytes(before)
        with pytest.raises(OSError, match=rf"{ENCODER}: cannot be written") as told:
            exporting._write({tmp_path / GENERATOR: b"new", tmp_path / ENCODER: b"new"})
        assert ".part" not in str(told.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ENCODER, *([GENERATOR] if before else [])])
        if before:
            assert (tmp_path / GENERATOR).read_bytes() == before
            (tmp_path / GENERATOR).unlink()


def test_a_generator_goes_with_the_encoder_it_was_trained_with_alone(trained: tuple[Path, Path], tmp_path: Path) -> None:
    run_folder, encoder = trained
    state = checkpoint.read(run_folder / "checkpoint.pt")
    assert export(run_folder, encoder, tmp_path / "out", {}).step == 1234
    checkpoint.save(tmp_path / "wrong.pt", {**state, "set": {"photos": 3, "encoder": state["set"]["encoder"] ^ 1}})
    with pytest.raises(ValueError, match=r"wrong\.pt was trained with another encoder; put back the one of that run"):
        export(tmp_path / "wrong.pt", encoder, tmp_path / "none", {})
    checkpoint.save(tmp_path / "silent.pt", {name: value for name, value in state.items() if name != "set"})
    with pytest.raises(ValueError, match=r"silent\.pt: got a checkpoint that does not say its photos and its encoder"):
        export(tmp_path / "silent.pt", encoder, tmp_path / "none", {})
    assert not (tmp_path / "none").exists()


def test_other_files_are_told_apart(trained: tuple[Path, Path], tmp_path: Path) -> None:
    run_folder, encoder = trained
    with pytest.raises(ValueError, match="precision"):
        export(run_folder, encoder, tmp_path, {}, "float8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected one to calibrate on"):
        export(run_folder, encoder, tmp_path, {}, "int8")
    with pytest.raises(ValueError, match="cannot be read"):
        export(tmp_path / "none.pt", encoder, tmp_path, {})
    with pytest.raises(NetworkError, match="encoder"):
        export(run_folder, run_folder / "checkpoint.pt", tmp_path, {})
    checkpoint.save(tmp_path / "old.pt", {"architecture": {"widths": [4, 6]}, "step": 1, "average": _generator().state_dict()})
    with pytest.raises(ValueError, match="is not of this version"):
        export(tmp_path / "old.pt", encoder, tmp_path, {})


def test_eight_bits_stay_near_where_they_were_calibrated(
    tmp_path: Path, trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FACES", "_CALIBRATING"):
        monkeypatch.setattr(exporting, name, 6)
    wide, folder = _generator((32, 32)), write_set(tmp_path / "set")
    known = {"photos": 3, "encoder": checksum(load_encoder(trained[1]))}
    about = {"architecture": {"widths": [32, 32]}, "set": known, "step": 1}
    checkpoint.save(tmp_path / "wide.pt", {**about, "average": wide.state_dict()})
    report = export(tmp_path / "wide.pt", trained[1], tmp_path / "out", {}, "int8", folder)
    half = export(tmp_path / "wide.pt", trained[1], tmp_path / "half", {})
    assert report.generator.size < half.generator.size
    assert report.identity.size == half.identity.size
    assert half.generator.stored.mean < report.generator.stored.mean < 0.5 / 255
    model = onnx.load(report.generator.path)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    # Two residuals of two and the step down between them: not the first one, of 7 channels, and nothing that the identity reaches.
    assert sum(kind == TensorProto.INT8 for kind in kinds.values()) == 5
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT8:
            assert np.abs(onnx.numpy_helper.to_array(tensor)).max() == 63


def test_eight_bits_want_something_to_calibrate_on() -> None:
    with pytest.raises(ValueError, match="expected views"):
        quantise.quantised(graphs.generator(_generator()), [])


def test_a_difference_that_is_no_number_is_not_within_any() -> None:
    assert EXACT.within(EXACT)
    assert not Difference(float("nan"), 0.0).within(EXACT)
    assert not Difference(0.0, 2e-3).within(EXACT)
