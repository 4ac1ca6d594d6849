"""What is found on whatever machine runs the tests; tests/vm looks at a machine with known cameras."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.machine import loopback
from realtime.machine.devices import Mode, cameras, summary

_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="device files are Linux's")


@_LINUX
def test_every_camera_has_a_device_file_and_a_name() -> None:
    for camera in cameras():
        assert camera.path == f"/dev/video{camera.index}"
        assert camera.name
        assert camera.modes or camera.problem


@_LINUX
def test_what_is_no_video_device_is_no_loopback() -> None:
    assert loopback.look("/dev/null") is None
    assert loopback.look("/dev/no-such-device") is None
    assert loopback.format_now("/dev/null") is None
    assert {device.path for device in loopback.loopbacks()} <= set(loopback.nodes())


@_LINUX
def test_users_of_a_file_are_named(tmp_path: Path) -> None:
    """Another process holds the file open; this one does not count."""
    import subprocess

    path = tmp_path / "device"
    path.touch()
    program = f"import sys; f = open({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with path.open() as _, subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (user,) = loopback.users(str(path))
        assert f"(process {process.pid})" in user
        process.communicate()
    assert loopback.users(str(path)) == ()


def test_a_summary_shows_the_largest_sizes_of_each_format() -> None:
    sizes = ((640, 480), (320, 240), (1920, 1080), (1280, 720))
    modes = [Mode("MJPG", *size, (60.0, 30.0)) for size in sizes] + [Mode("YUYV", 640, 480, (30.0,)), Mode("GREY", 64, 48)]
    assert summary(modes) == "MJPG 1920x1080 at 60, 1280x720 at 60, 640x480 at 60; YUYV 640x480 at 30; GREY 64x48"
    assert summary([]) == "tells no modes"
