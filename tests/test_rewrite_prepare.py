"""Models are prepared for each provider, compared with the original, and left as they are where anything is amiss."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks.twin import twin
from models.network import NetworkError
from models.rewrite import prepare as subject
from models.rewrite import winograd
from models.rewrite.graph import Graph
from models.rewrite.prepare import apart, emap, prepare, suited
from models.running.providers import NAMES, Runtime
from models.session import Session
from tests.graphs import Array, Network, feeds, off, run

_CPU = Runtime(("cpu",), threads=1)


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_costs", lambda *_: (2.0, 1.0))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow twin of inswapper_128 as a file."""
    path = tmp_path_factory.mktemp("twin") / "narrow.onnx"
    onnx.save(twin(1 / 16, 32), path)
    return path


def _kinds(parts: Any) -> Counter[str]:
    return Counter(node.op_type for node in parts[0].graph.node)


def _output(prepared: subject.Prepared, given: dict[str, Array]) -> list[Array]:
    network = Session(prepared.network, _CPU)
    if prepared.half is None:
        return [output.copy() for output in network(given)]
    half = Session(prepared.half, _CPU)
    made = half({"source": given["source"]})
    values = {port.name: value.copy() for port, value in zip(half.outputs, made, strict=True)}
    return [output.copy() for output in network({"target": given["target"], **values})]


@pytest.mark.usefixtures("_always")
def test_the_twin_runs_in_halves_without_norm_pads_or_wide_convolutions(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = onnx.load(small)
    given = feeds(made)
    given["source"] /= np.linalg.norm(given["source"])
    prepared = prepare(small, _CPU)
    assert prepared.half is not None
    assert off(_output(prepared, given), run(made, given)) < 1e-4
    kinds = _kinds(prepared.network("CPU"))
    # What is left are the two with seven taps.
    assert (kinds["Conv"], kinds["Pad"], kinds["ReduceMean"], kinds["Gemm"], kinds["Resize"]) == (2, 2, 0, 0, 0)
    assert _kinds(prepared.half("CPU"))["Gemm"] == 12
    assert not caplog.records


def test_the_matrix_of_the_file_can_be_read_though_no_node_uses_it(small: Path) -> None:
    model = onnx.load(small)
    wanted = onnx.numpy_helper.to_array(model.graph.initializer[-1])
    found = prepare(small, _CPU).emap
    assert found is not None
    assert found.shape == (512, 512)
    assert np.array_equal(found, wanted)
    assert np.array_equal(emap(model), wanted)  # type: ignore[arg-type]
    assert emap(Network(0, 3, 4).model()) is None


@pytest.mark.parametrize("provider", NAMES)
def test_every_providers_graph_takes_the_same_and_gives_the_same(small: Path, provider: str) -> None:
    prepared = prepare(small, Runtime(("cuda", "cpu")))
    assert prepared.half is not None
    made = onnx.load(small)
    given = feeds(made)
    parts = prepared.network(provider)
    half, arrays = prepared.half("CPU")
    values = run(half, given, arrays)
    across = {port.name: value for port, value in zip(half.graph.output, values, strict=True)}
    assert [port.name for port in parts[0].graph.input] == ["target", *across]
    assert off(run(parts[0], given | across, parts[1]), run(made, given)) < 1e-4
    kinds = _kinds(parts)
    assert kinds["Gemm"] == 0
    if provider == "CoreML":
        assert (kinds["Pad"], kinds["InstanceNormalization"]) == (0, 0)
    else:
        assert (kinds["Pad"], kinds["InstanceNormalization"], kinds["ReduceMean"]) == (14, 12, 0)
    assert bool(kinds["Mul"]) == (provider in ("TensorRT", "MIGraphX", "CoreML"))
    # A processor that stands behind something faster keeps its memory.
    assert kinds["Conv"] == 20


def test_without_rewriting_the_model_is_the_model(small: Path) -> None:
    prepared = prepare(small, _CPU, rewrite=False)
    assert prepared.network("CPU") == small
    assert prepared.half is None
    assert prepared.emap is not None


@pytest.mark.parametrize("kind", ["wrong", "nothing", "broken", "confused"])
def test_a_rewrite_that_goes_wrong_is_not_used_and_said_once(
    small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    def spoil(graph: Graph, provider: str, memory: int) -> int:
        if kind == "confused":
            raise KeyError("somewhere")
        weights = next(name for name, value in graph.constants.items() if value.ndim == 4)
        if kind == "broken":
            graph.nodes[0].op_type = "Nonsense"
        else:
            graph.constants[weights] = graph.constants[weights] * np.float32(np.nan if kind == "nothing" else 1.01)
        return 1

    monkeypatch.setattr(subject, "suited", spoil)
    made = onnx.load(small)
    given = feeds(made)
    prepared = prepare(small, _CPU, name="narrow")
    with caplog.at_level(logging.WARNING):
        assert off(_output(prepared, given), run(made, given)) < 1e-5
        prepared.network("CPU")
    (record,) = caplog.records
    reason = {"wrong": "is off by", "nothing": "is off by nan", "broken": "does not run", "confused": "is not understood (KeyError"}[kind]
    assert record.getMessage().startswith("narrow runs on CPU as it is: rewritten, ")
    assert reason in record.getMessage()


def test_a_network_in_which_nothing_is_found_is_not_compared(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    net = Network(0, 3, 8)
    net.inputs = {"target": (1, 3, "height", "width")}  # type: ignore[dict-item]
    net.conv(4)
    monkeypatch.setattr(subject, "apart", None)
    assert _kinds(prepare(net.model(), _CPU).network("CPU"))["Conv"] == 1
    assert not caplog.records


def test_a_network_without_a_source_is_rewritten_whole() -> None:
    net = Network(0, 3, 8)
    net.inputs = {"target": (1, 3, 8, 8)}
    net.conv(4)
    net.norm()
    made = net.model()
    prepared = prepare(made, _CPU)
    assert prepared.half is None
    assert _kinds(prepared.network("CPU"))["InstanceNormalization"] == 1
    assert off(_output(prepared, feeds(made)), run(made, feeds(made))) < 1e-5


def test_an_open_batch_is_one_and_other_open_sizes_leave_the_model_alone(caplog: pytest.LogCaptureFixture) -> None:
    net = Network(0, 3, 8)
    net.inputs = {"target": ("batch", 3, 8, 8)}  # type: ignore[dict-item]
    net.norm()
    made = net.model()
    assert _kinds(prepare(made, _CPU).network("CPU"))["InstanceNormalization"] == 1
    net.inputs = {"target": (1, 3, "height", "width")}  # type: ignore[dict-item]
    with caplog.at_level(logging.WARNING):
        parts = prepare(net.model(), _CPU).network("CPU")
    assert _kinds(parts)["InstanceNormalization"] == 0
    assert "not all of its sizes are known" in caplog.text


@pytest.mark.parametrize(("inputs", "cut"), [(("target", "source"), True), (("input", "onnx::Gemm_1"), True), (("a", "b"), True)])
def test_the_source_is_known_by_its_name_or_as_the_vector_beside_a_picture(inputs: tuple[str, str], cut: bool) -> None:
    net = Network(0, 3, 8)
    net.style()
    made = net.model()
    for node in made.graph.node:
        node.input[:] = [dict(zip(("target", "source"), inputs, strict=True)).get(name, name) for name in node.input]
    for port, name in zip(made.graph.input, inputs, strict=True):
        port.name = name
    assert (prepare(made, _CPU).half is not None) == cut


@pytest.mark.usefixtures("_always")
def test_memory_bounds_what_weights_grow_by(small: Path) -> None:
    without = prepare(small, _CPU, memory=0).network("CPU")
    assert _kinds(without)["Conv"] == 20
    some = prepare(small, _CPU, memory=1 << 20).network("CPU")
    assert 2 < _kinds(some)["Conv"] < 20
    sizes = [sum(array.nbytes for array in parts[1].values()) for parts in (without, some)]
    # What transforms and tables take is not counted.
    assert sizes[1] - sizes[0] < 1.3 * (1 << 20)


@pytest.mark.parametrize("content", [b"\x08\x07\x12" + b"nonsense" * 9])
def test_what_is_no_model_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"damaged\.onnx"):
        prepare(path, _CPU)


def test_a_provider_that_nobody_knows_gets_what_onnx_itself_can_say() -> None:
    net = Network(0, 3, 8)
    net.norm()
    graph = Graph(net.model())
    suited(graph, "Another", 1 << 40)
    assert {node.op_type for node in graph.nodes} == {"InstanceNormalization", "Identity"}


def test_outputs_are_the_same_to_a_ten_thousandth_of_their_range() -> None:
    truth = [np.linspace(0, 10, 100, dtype=np.float32)]
    assert apart([truth[0] + np.float32(0.0009)], truth) == ""
    assert "off by" in apart([truth[0] + np.float32(0.0011)], truth)
    assert "nan" in apart([truth[0] * np.float32(np.nan)], truth)
    assert "has the shape" in apart([truth[0][:50]], truth)
    assert apart([np.zeros(3, np.float32)], [np.zeros(3, np.float32)]) == ""
    # Of values that are nearly the same, or nearly nothing, rounding is all that differs.
    for nearly in ([np.float32([1, 1.000001])], [np.float32([0, 1e-6])]):
        assert apart([nearly[0] + np.float32(1e-6)], nearly) == ""
        assert "off by" in apart([nearly[0] + np.float32(1e-5)], nearly)
