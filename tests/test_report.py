"""The benchmarks' report: complete, plain, and silent about this machine's folders and name."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from benchmarks import report


def test_a_report_holds_machine_versions_command_and_figures(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    report.write(path, {"fps": 30.0})
    document = json.loads(path.read_text())
    assert document["fps"] == 30.0
    assert set(document["machine"]) == {"cpu", "cores", "memory_gb", "system"}
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["memory_gb"] > 0
    assert document["versions"]["numpy"].startswith("1.26")
    assert document["command"].startswith("python -m benchmarks")


def test_a_report_names_neither_the_computer_nor_its_folders(tmp_path: Path) -> None:
    secret = tmp_path / "private" / "out.json"
    command = report.command(["latency", "--json", str(secret), f"--plot={secret}"])
    assert command == "python -m benchmarks latency --json out.json --plot=out.json"
    text = json.dumps([report.machine(), report.versions()])
    assert str(Path.home()) not in text
    assert not platform.node() or platform.node() not in text


def test_a_table_is_plain_text_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report.show("Title", ["stage", "ms"], [("detect", 3.14159), ("track", 123.4), ("none", None)])
    text = capsys.readouterr().out
    assert "\x1b" not in text
    for part in ("Title", "detect", "3.14", "123", "none"):
        assert part in text


@pytest.mark.parametrize(("value", "text"), [(0.123, "0.12"), (12.34, "12.3"), (1234.5, "1234"), (7, "7"), (None, ""), ("x", "x")])
def test_cells_have_as_many_places_as_mean_something(value: object, text: str) -> None:
    assert report.cell(value) == text


def test_a_plot_is_drawn_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    figure, axes = report.canvas(2)
    axes[1].plot([1, 2], [3, 4])
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
