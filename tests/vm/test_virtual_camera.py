"""The virtual camera on a real v4l2loopback, new and old; each test is one boot of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Boot = Callable[..., Any]
KERNELS = pytest.mark.parametrize("kernel", ["prebuilt", "prebuilt-debian12"])


@KERNELS
def test_other_programs_see_what_is_sent(boot: Boot, kernel: str) -> None:
    """Size, rate, order, colours and label, as OpenCV and as ffmpeg get them."""
    visit = boot("send.py", kernel=kernel, parameters="max_buffers=8")
    facts = visit.report
    assert facts["said"] == []
    assert facts["driver"] == "YU12:640x360@25000/1000" or facts["driver"].endswith("@25")
    seen = facts["opencv"]
    assert seen["size"] == [640, 360]
    assert seen["frames"] == 100
    assert seen["rate"] == pytest.approx(25, rel=0.1)
    assert seen["colour_error"] <= 4
    steps = np.diff(seen["numbers"])
    assert (steps >= 1).all()
    assert steps.mean() < 1.1
    pictures = [visit.folder / "opencv.png"]
    if facts["ffmpeg"] is not None:
        assert facts["ffmpeg"]["size"] == [640, 360]
        assert facts["ffmpeg"]["frames"] == 30
        assert facts["ffmpeg"]["colour_error"] <= 4
        assert len(set(facts["ffmpeg"]["numbers"])) > 20
        pictures.append(visit.folder / "ffmpeg.png")
    for picture in pictures:
        assert has_label(cv2.imread(str(picture)))


def has_label(image: NDArray[np.uint8]) -> bool:
    """Whether the plate with its white letters stands at the bottom left, on the card's grey of 90."""
    plate = image[image.shape[0] - 25 : image.shape[0] - 10, 10:80]
    return bool(plate.min() < 60 and plate.max() > 200 and image[-3:, 300:400].std() < 3)


@KERNELS
def test_it_opens_again_whatever_happened_before(boot: Boot, kernel: str) -> None:
    """v4l2loopback 0.12.7 with exclusive_caps=1 lets pyvirtualcam open the device only once; this is the cure's test."""
    facts = boot("reopen.py", kernel=kernel).report
    assert facts["modern"] == (kernel == "prebuilt")
    assert facts["again"] == ["free"] * 3
    assert facts["left by pyvirtualcam"] == ("free" if kernel == "prebuilt" else "stuck")
    assert facts["after that"] == "free"
    assert facts["killed"] == [True, "free"]
    assert facts["reader stays"] == "free"
    assert facts["held"] == ["YU12", 640, 360], "the reader's format must be kept"
    assert facts["bytes"][0] == facts["bytes"][1] == 640 * 360 * 3 // 2
    assert facts["other"] == "opened"
    assert "in use by another program" in facts["busy"]
    assert f"(process {facts['busy process']})" in facts["busy"]
    assert facts["other ended"] == "free"
    gone, back = facts["said"]
    assert "gone" in gone
    assert "/dev/video10 is back" in back
    assert facts["let go"]
    assert facts["back"] == ["YU12", 640, 360]
    assert facts["video files"] == []


@KERNELS
def test_what_the_machine_has_is_listed(boot: Boot, kernel: str) -> None:
    facts = boot("look.py", kernel=kernel).report
    webcam = facts["cameras"][0]
    assert (webcam["path"], webcam["driver"]) == ("/dev/video0", "vivid")
    modes = {(mode["format"], mode["width"], mode["height"]): mode["rates"] for mode in webcam["modes"]}
    assert 30.0 in modes["YUYV", 640, 360]
    (device,) = facts["loopbacks"]
    assert (device["path"], device["label"]) == ("/dev/video10", "VM virtual camera")
    checks = {check["name"]: check for check in facts["checks"]}
    assert checks["camera"]["state"] == "ok"
    assert "YUYV 3840x2160" in checks["camera"]["text"]
    assert checks["virtual camera"]["state"] == "ok"
    assert "VM virtual camera" in checks["virtual camera"]["text"]
    assert ("0.12.7" in checks["virtual camera"]["text"]) == (kernel == "prebuilt-debian12")


def test_a_device_without_exclusive_caps_is_a_warning(boot: Boot) -> None:
    facts = boot("look.py", parameters="exclusive_caps=0").report
    check = next(check for check in facts["checks"] if check["name"] == "virtual camera")
    assert check["state"] == "warn"
    assert "exclusive_caps=1" in check["fix"]
