"""Figures are kept line by line, cut back to the checkpoint, and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("tensorboard", reason="curves need the extra train")

from models.training.curves import FIGURES, Curves, curves, figures, smoothed  # noqa: E402  after the skip


def _told(folder: Path, first: int, last: int, start: int = 0) -> None:
    with Curves(folder, start) as kept:
        for step in range(first, last + 1, 10):
            kept.tell(step, {"light": 1 / step, "adversarial": -0.1})


def test_every_step_told_is_a_line(tmp_path: Path) -> None:
    _told(tmp_path, 10, 50)
    lines = [json.loads(text) for text in (tmp_path / FIGURES).read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50]
    assert set(lines[0]) == {"step", "seconds", "light", "adversarial"}
    assert lines[0]["light"] == 0.1
    assert figures(tmp_path) == lines
    assert any(path.name.startswith("events") for path in (tmp_path / "board").iterdir())


def test_a_run_that_goes_on_cuts_off_what_its_checkpoint_does_not_know(tmp_path: Path) -> None:
    _told(tmp_path, 10, 50)
    before = figures(tmp_path)[2]["seconds"]
    _told(tmp_path, 40, 60, start=30)
    lines = [json.loads(text) for text in (tmp_path / FIGURES).read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50, 60]
    assert all(line["seconds"] >= before for line in lines[3:])


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    _told(tmp_path, 10, 30)
    with (tmp_path / FIGURES).open("a") as file:
        file.write('{"step": 40, "lig')
    assert [line["step"] for line in figures(tmp_path)] == [10, 20, 30]
    _told(tmp_path, 40, 40, start=35)
    assert [line["step"] for line in figures(tmp_path)] == [10, 20, 30, 40]


def test_lines_of_a_start_that_went_back_count_once(tmp_path: Path) -> None:
    """Written by whoever only appends."""
    steps = [10, 20, 30, 20, 30, 40]
    (tmp_path / FIGURES).write_text("".join(json.dumps({"step": step, "at": index}) + "\n" for index, step in enumerate(steps)))
    assert [(line["step"], line["at"]) for line in figures(tmp_path)] == [(10, 0), (20, 3), (30, 4), (40, 5)]


def test_pictures_are_kept(tmp_path: Path) -> None:
    picture = torch.zeros(3, 8, 10)
    picture[0] = 1
    with Curves(tmp_path, 0) as kept:
        kept.show(250, picture)
    assert cv2.imread(str(tmp_path / "sheet-000250.png"))[0, 0].tolist() == [0, 0, 255]


def test_curves_are_drawn(tmp_path: Path) -> None:
    _told(tmp_path, 10, 400)
    image = cv2.imread(str(curves(tmp_path)))
    assert image.shape[0] > 100
    assert image.shape[1] > 600
    # The smoothed line's blue.
    assert (np.abs(image.astype(int) - [180, 119, 31]).max(axis=2) < 12).sum() > 100


def test_a_folder_without_a_run_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got no figures\.jsonl, expected a folder that a run was trained in"):
        curves(tmp_path)


def test_smoothing_keeps_level_and_slope_and_takes_noise_away() -> None:
    np.testing.assert_allclose(smoothed(np.full(50, 3.0)), 3)
    np.testing.assert_allclose(smoothed(np.arange(200.0))[20:-20], np.arange(200)[20:-20])
    noise = np.random.default_rng(0).normal(size=600)
    assert smoothed(noise).std() < 0.35
    assert smoothed(np.array([2.0])).tolist() == [2.0]
