"""The loop from a real webcam to a real virtual camera, watched by other programs, with both pulled out and put back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.portraits import portrait

Boot = Callable[..., Any]
_LOOP = (str(Path(__file__).with_name("guest") / "loop.py"),)
_RUN = ("-m", "realtime", "run", "--source", str(portrait("collins")), "--input", "camera:0", "--output", "virtual-camera")
_MODE = ("--set", "input.width=640", "--set", "input.height=360")


@pytest.mark.parametrize(
    ("command", "kernel"),
    [pytest.param(_LOOP, "prebuilt-debian12", id="loop-old"), pytest.param((*_RUN, *_MODE), "prebuilt", id="program-new")],
)
def test_from_the_webcam_to_the_virtual_camera(boot: Boot, command: tuple[str, ...], kernel: str) -> None:
    visit = boot("run.py", kernel=kernel, arguments=command, parameters="max_buffers=8")
    facts = visit.report
    print(facts["log"])
    assert facts["running"], facts["log"]
    seen = facts["opencv"]
    assert seen["size"] == [640, 360]
    assert seen["frames"] == 75
    # One CPU holds the camera, the loop and the reader.
    assert seen["rate"] > 10
    assert seen["error"] < 8
    assert seen["moves"] > 0.01
    assert seen["label"] > 150
    if facts["ffmpeg"] is not None:
        assert facts["ffmpeg"] == {"frames": 20, "size": [640, 360]}

    assert facts["unplugged"]["frames"] == 40, "it must keep sending without a camera"
    assert facts["unplugged"]["error"] > 20, "a card is to be seen, not the last picture"
    assert facts["unplugged"]["label"] > 100
    assert facts["camera back"] is not None, facts["log"]
    assert facts["virtual camera back"] is not None, facts["log"]
    assert facts["again"]["frames"] == 40
    assert facts["again"]["error"] < 8
    assert facts["alive"]
    for word in ("is gone", "is back", "The virtual camera is gone", "The virtual camera /dev/video10 is back"):
        assert word in facts["log"]

    assert facts["status"] == 0, facts["log"]
    assert facts["ended"] < 3
    assert facts["afterwards"] == ["free"]


@pytest.mark.parametrize(
    ("command", "kernel"),
    [pytest.param(_LOOP, "prebuilt-debian12", id="loop-old"), pytest.param((*_RUN, *_MODE), "prebuilt", id="program-new")],
)
def test_a_person_in_front_of_the_webcam(boot: Boot, shared: Path, detector: Any, command: tuple[str, ...], kernel: str) -> None:
    """The background is the webcam's; the face is another one where the program swaps it; the label is there."""
    arguments = (str(shared.resolve() / "clips" / "address.mp4"), *command)
    visit = boot("clip.py", kernel=kernel, webcam="loopback", arguments=arguments, parameters="max_buffers=8")
    facts = visit.report
    assert facts["running"], facts["log"]
    assert facts["status"] == 0, facts["log"]
    assert facts["virtual"]["frames"] == 75
    assert facts["virtual"]["size"] == [640, 480]
    assert facts["virtual"]["rate"] > 8
    assert facts["virtual"]["moves"] > 0.5
    names = ("webcam-average", "virtual-average", "webcam-last", "virtual-last")
    before, after, first, last = (np.asarray(cv2.imread(str(visit.folder / f"{name}.png")), np.float32) for name in names)
    (face,) = detector(first.astype(np.uint8)).boxes
    assert len(detector(last.astype(np.uint8)).boxes) == 1, "the result must still show a person"
    difference = np.abs(before - after).mean(axis=2)
    left, top, right, bottom = (round(float(edge)) for edge in face)
    inside = difference[top:bottom, left:right].mean()
    difference[top - 80 : bottom + 60, left - 60 : right + 60] = np.nan
    difference[-60:] = np.nan
    outside = np.nanmean(difference)
    assert outside < 4
    if command is not _LOOP:
        assert inside > 3 * outside
        assert inside > 4, (inside, outside)
    assert last[-40:-10, 10:110].max() - last[-40:-10, 10:110].min() > 150
