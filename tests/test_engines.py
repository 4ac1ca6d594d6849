"""The benchmark of engines: figures that are right for a narrow twin, and plain words for what does not run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import ceiling, engines
from benchmarks.__main__ import app
from benchmarks.footprint import footprint
from benchmarks.twin import recogniser, twin
from models.network import NetworkError
from models.running.material import Material
from models.running.providers import ProviderError, Runtime, Variant
from models.session import Session, open_variant
from tests.graphs import feeds, run

_CPU = Runtime(("CPU",), "fp32", 1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "_SIZES", {False: (64, 128), True: (64, 128)})
    monkeypatch.setattr(ceiling, "_SECONDS", 0.02)
    monkeypatch.setattr(engines, "footprint", lambda *_: {"running": 100.0, "peak": 200.0})


def test_the_command_says_machine_figures_and_what_did_not_run(tmp_path: Path) -> None:
    path = tmp_path / "engines.json"
    result = CliRunner().invoke(app, ["engines", "--width", "0.0625", "--seconds", "0", "--threads", "1", "--json", str(path)])
    assert result.exit_code == 0, result.output
    for part in ("cores", "onnxruntime", "1,282,019 parameters", "The twin on CPU", "rewritten", "GFLOP/s in fp32", "Memory naive: 100 MB"):
        assert part in result.output
    document = json.loads(path.read_text())
    assert document["providers"]["DirectML"] == "not run: no such provider here"
    found = document["providers"]["CPU"]
    naive, rewritten = found["graphs"]["naive"], found["graphs"]["rewritten"]
    assert naive["runs"] == rewritten["runs"] >= 5
    assert (naive["times_naive"], naive["off_by"]) == (1, 0)
    assert rewritten["off_by"] < 1e-4
    assert naive["median_ms"] <= naive["p95_ms"]
    assert naive["gflops"] == pytest.approx(2 * document["twin"]["multiply_adds"] / naive["median_ms"] / 1e6, rel=0.01)
    assert naive["of_ceiling"] == pytest.approx(naive["gflops"] / found["ceiling_gflops"]["fp32"], abs=0.01)


def test_a_provider_that_is_not_here_is_said_to_be_not_run() -> None:
    result = CliRunner().invoke(app, ["engines", "--width", "0.0625", "--provider", "directml"])
    assert result.exit_code == 0
    assert "DirectML not run: no such provider here." in result.output
    result = CliRunner().invoke(app, ["engines", "--provider", "abacus"])
    assert result.exit_code == 2
    assert "got provider 'abacus'" in result.output


def test_on_a_graphics_processor_every_way_has_its_row_and_a_failing_one_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[tuple[str, Variant]] = []

    def pretend(variant: Variant, material: Material, runtime: Runtime, fixed: bool) -> Any:
        """The processor under another name, which fails for recorded graphs of the original."""
        opened.append((material.title, variant))
        if variant.graph and not variant.half:
            raise ProviderError("no memory for another graph")
        return open_variant(Variant("CPU"), material, _CPU, fixed)

    for module in (engines, ceiling):
        monkeypatch.setattr(module, "open_variant", pretend)
    monkeypatch.setattr(engines, "usable", lambda: {"CUDA": True, "CPU": True})
    path = tmp_path / "engines.json"
    result = CliRunner().invoke(app, ["engines", "--width", "0.0625", "--seconds", "0", "--provider", "cuda", "--json", str(path)])
    assert result.exit_code == 0, result.output
    rows = json.loads(path.read_text())["providers"]["CUDA"]["graphs"]
    kinds = ["", ", CUDA graph", ", fp16", ", fp16, CUDA graph"]
    assert list(rows) == ["naive", "naive, fp16", *(f"rewritten{kind}" for kind in kinds)]
    assert rows["rewritten, CUDA graph"] == {"not run": "no memory for another graph"}
    assert "rewritten, CUDA graph: not run: no memory for another graph" in result.output
    assert rows["rewritten, fp16, CUDA graph"]["off_by"] < 1e-4
    assert {variant.half for title, variant in opened if " x " in title} == {False, True}


def test_matrix_products_are_what_they_are_said_to_be() -> None:
    made = ceiling.products(32)
    (matrix, row) = (np.frombuffer(tensor.raw_data, np.float32) for tensor in made.graph.initializer)
    wanted = np.ones((32, 1)) * row
    for _ in range(4):
        wanted = wanted @ matrix.reshape(32, 32)
    (got,) = run(made, {"x": np.ones((32, 1), np.float32)})
    assert got == pytest.approx(wanted.max(), rel=1e-4)
    rate, size = ceiling.ceiling(Variant("CPU"), _CPU)
    assert rate > 0.1
    assert size in (64, 128)


def test_memory_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "twin.onnx"
    onnx.save(twin(1 / 8), path)
    sizes = footprint(path, _CPU, True)
    assert 20 < sizes["running"] <= sizes["peak"] < 2000
    path.write_bytes(b"no model")
    assert footprint(path, _CPU, False) == {}
    with pytest.raises(NetworkError):
        Session(path, _CPU)


def test_the_recogniser_tells_faces_apart_and_looks_like_arcface() -> None:
    from models.families.recognisers import open_recogniser

    made = recogniser()
    assert open_recogniser(Session(made, _CPU)).family.name == "arcface"
    first, second = (run(made, feeds(made, seed))[0] for seed in (0, 1))
    assert first.shape == (1, 512)
    assert np.abs(first - second).max() > 0.01


@pytest.mark.slow
def test_the_whole_loop_runs_with_the_twin(tmp_path: Path) -> None:
    path = tmp_path / "engines.json"
    result = CliRunner().invoke(
        app, ["engines", "--width", "0.0625", "--seconds", "0", "--loop", "--threads", "1", "--provider", "cpu", "--json", str(path)]
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(path.read_text())["loop"]
    assert [(row["size"], row["asked"]) for row in rows] == [("1080p", 60), ("720p", 30)]
    assert all(row["frames"] > 5 for row in rows)


def test_models_may_be_heard_again_afterwards() -> None:
    logger = logging.getLogger("models")
    before = logger.level
    with engines._quiet():
        assert logger.level == logging.ERROR
    assert logger.level == before
