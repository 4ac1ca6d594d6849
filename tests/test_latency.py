"""The benchmarks run and write what they promise; nothing here is timed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from benchmarks import latency
from benchmarks.__main__ import app
from benchmarks.stages import time_calls


@pytest.mark.slow
def test_latency_writes_figures_plot_and_trace(tmp_path: Path) -> None:
    figures, plot, trace = tmp_path / "latency.json", tmp_path / "latency.png", tmp_path / "trace.json"
    arguments = ["latency", "--seconds", "3", "--size", "480p", "--json", str(figures), "--plot", str(plot), "--trace", str(trace)]
    arguments += ["--quality", "balanced"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    document = json.loads(figures.read_text())
    assert {"machine", "versions", "command", "fps", "frames", "dropped", "latency_ms", "cpu_ms_per_frame", "rss_mb"} <= set(document)
    assert set(document["latency_ms"]) >= {"p50", "p95", "max"}
    assert set(document["rss_mb"]) == {"start", "end", "max"}
    assert document["frames"] + document["dropped"] >= 85
    assert 0 < document["latency_ms"]["p50"] <= document["latency_ms"]["p95"] <= document["latency_ms"]["max"]
    assert document["source_ms_per_frame"] > 0
    assert document["quality"]["level"] == "balanced"
    assert document["quality"]["seconds"]["balanced"] > 2
    assert plot.read_bytes().startswith(b"\x89PNG")
    names = {event["name"] for event in json.loads(trace.read_text())}
    assert {"animated", "track", "swap", "blend", "thread_name"} <= names


@pytest.mark.slow
def test_stages_measures_each_stage_alone(tmp_path: Path) -> None:
    figures, plot = tmp_path / "stages.json", tmp_path / "stages.png"
    arguments = ["stages", "--width", "640", "--height", "360", "--frames", "12", "--repeats", "1"]
    arguments += ["--json", str(figures), "--plot", str(plot)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(figures.read_text())
    assert {"detect", "track", "swap", "blend", "overlay", "recording"} <= set(document["stages"])
    for row in document["stages"].values():
        assert 0 <= row["median_ms"] <= row["p95_ms"]
    # A swap that had no face to work on would cost nothing.
    assert document["stages"]["swap"]["median_ms"] > 0.3
    assert plot.exists()


@pytest.mark.slow
def test_stages_say_what_each_level_of_quality_costs(tmp_path: Path) -> None:
    figures = tmp_path / "levels.json"
    result = CliRunner().invoke(app, ["stages", "--levels", "--frames", "12", "--repeats", "2", "--json", str(figures)])
    assert result.exit_code == 0, result.output
    rows = json.loads(figures.read_text())["levels"]
    assert [row["level"] for row in rows] == ["fast", "balanced", "best"] * 2
    assert rows[3]["face px"] > 1.7 * rows[0]["face px"]
    assert all(row["swap"] > 0.3 for row in rows)
    assert [row["cpu of best"] for row in rows][2::3] == [1.0, 1.0]
    # Counted in processor time of the same frames in turns; fast does half of the work.
    assert all(row["cpu of best"] < 0.9 for row in rows[::3])


def test_an_unknown_quality_is_refused() -> None:
    result = CliRunner().invoke(app, ["latency", "--quality", "fats"])
    assert result.exit_code == 2
    assert "expected one of auto, fast" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count the peak")
def test_the_most_memory_is_the_peak_and_not_a_sample() -> None:
    before = psutil.Process().memory_info().rss / 2**20
    # Gone before anybody could sample it.
    assert np.ones(2**28, np.uint8).all()
    assert latency._peak([{"rss_mb": round(before, 1)}]) >= before + 200


def test_warming_up_does_not_count() -> None:
    assert time_calls(lambda _: None, range(12), 3)["count"] == 12 * 3 - 5
