"""The cost table: the counts are the graphs' own, everything is measured in turns, and what is quoted says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import benchmarks.generator as table
from benchmarks.__main__ import app
from benchmarks.twin import cost, simswap
from models.network import NetworkError


def _missing(folder: Path | None = None) -> tuple[Path, Path]:
    raise NetworkError("engine neural: its weights are not in this installation.")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny generator in the place of the shipped one: 12 weights in fp16, used for every pixel, and two biases."""
    nodes = [
        helper.make_node("Cast", ["half"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["view", "weights", "bias"], ["face"], kernel_shape=[1, 1]),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 8, 8]) for name, channels in (("view", 6), ("face", 2))]
    constants = {"half": np.ones((2, 6, 1, 1), np.float16), "bias": np.ones(2, np.float32)}
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], [numpy_helper.from_array(value, name) for name, value in constants.items()])
    path = tmp_path / "generator.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    monkeypatch.setattr(table, "files", lambda: (path, path))
    return path


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["generator", "--width", "0.03", "--seconds", "0", *arguments])


def test_weights_in_half_are_counted_once_and_used_as_what_they_become(shipped: Path) -> None:
    assert cost(onnx.load(shipped)) == (14, 12 * 64)


def test_the_stand_in_is_of_the_published_generators_size() -> None:
    # Nine blocks of two 512 x 512 x 3 x 3 and two 512 -> 1024 styles, and what leads there and back.
    assert cost(simswap(seed=None)) == (55_048_963, 48_120_594_432)
    onnx.checker.check_model(simswap(1 / 32, 32), full_check=True)


def test_everybody_is_measured_with_each_number_of_threads(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_TURN", 0.0)
    result = _run("--threads", "1,2", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert list(figures["networks"]) == ["ours", "SimSwap's size", "inswapper_128 twin"]
    for row in figures["networks"].values():
        for count in ("1", "2"):
            times = row["threads"][count]
            assert times["runs"] == 5
            assert 0 < times["median_ms"] <= times["p95_ms"]
            assert times["cpu_ms"] > 0
    assert figures["networks"]["ours"]["bytes"] == shipped.stat().st_size
    assert figures["networks"]["ours"]["multiply_adds"] == 768
    assert "threads" not in figures["published"]["MobileFaceSwap *"]
    assert "not measured here" in result.output
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()


def test_without_weights_an_untrained_network_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    monkeypatch.setattr(table, "files", _missing)
    made = table._ours()
    assert made.name == table.UNTRAINED
    assert 0.8e6 < made.parameters < 0.9e6
    assert 0.2e9 < made.multiply_adds < 0.25e9


def test_without_weights_and_torch_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "files", _missing)
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    result = _run()
    assert result.exit_code == 2
    assert "pip install 'swapcam[train]'" in result.output


@pytest.mark.parametrize("threads", ["0", "one", "1,,2", ""])
def test_numbers_of_threads_are_numbers(threads: str) -> None:
    result = _run("--threads", threads)
    assert result.exit_code == 2
    assert "expected numbers" in result.output
