"""The demonstration: runs anywhere, leaves a video and a picture that show what was done."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from realtime.cli import app
from realtime.demo import Pairs
from realtime.frame import Face, Frame, Patch


def test_the_demo_leaves_a_video_and_a_picture_and_replaces_older_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    folder = tmp_path / "new" / "folder"
    folder.mkdir(parents=True)
    for name in ("swapcam-demo.mp4", "swapcam-demo.png"):
        (folder / name).write_text("old")
    result = CliRunner().invoke(app, ["demo", "--seconds", "3", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    for word in ("Frames", "Latency", "Dropped", "swapcam-demo.mp4", "swapcam-demo.png"):
        assert word in result.output
    with av.open(str(folder / "swapcam-demo.mp4")) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert frames[0].shape == (720, 1280, 3)
    picture = cv2.imread(str(folder / "swapcam-demo.png"))
    rows = picture.shape[0] // 480
    assert rows >= 1
    assert picture.shape == (480 * rows, 3 * 480, 3)
    for row in range(rows):
        before, after = (picture[480 * row : 480 * row + 480, 480 * column : 480 * column + 480] for column in (1, 2))
        # The same picture, but for a face and a label.
        same = (np.abs(before.astype(int) - after).max(axis=2) < 12).mean()
        assert 0.7 < same < 0.99
    assert sorted(path.name for path in folder.iterdir()) == ["swapcam-demo.mp4", "swapcam-demo.png"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "file" / "folder")])
    assert result.exit_code == 2
    assert "cannot be made" in result.output


def _frame(index: int, swapped: bool = True) -> Frame:
    image = np.full((4, 4, 3), index, np.uint8)
    patch = Patch(image, image[..., 0], np.eye(2, 3))
    face = Face(np.zeros(4, np.float32), patch=patch if swapped else None)
    return Frame(image, index, index / 10, (face,))


def test_pairs_are_of_the_same_frame_also_when_frames_are_dropped_or_not_swapped() -> None:
    pairs = Pairs(interval=1.0)
    for index in range(60):
        frame = pairs.before(_frame(index, swapped=index % 3 != 0))
        if index % 2:
            pairs.after(frame)
    assert len(pairs.pairs) == 3
    assert all(np.array_equal(before, after) for before, after in pairs.pairs)
    moments = [int(before[0, 0, 0]) for before, _ in pairs.pairs]
    assert moments == [5, 17, 29]
