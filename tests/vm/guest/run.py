"""Runs a program that takes /dev/video0 to /dev/video10, watches what comes out, unplugs and replugs both, ends it.

Arguments: the program's command line.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import OUT, ffmpeg_reads, mean_difference, opencv_reads, report
from numpy.typing import NDArray

from realtime.machine import loopback

CAMERA, VIRTUAL = "/dev/video0", "/dev/video10"
VIVID = Path("/sys/bus/platform/drivers/vivid")


def wait(done: Callable[[], object], seconds: float) -> float | None:
    """Seconds until something is so, None when it does not become so."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        if done():
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def showing() -> bool:
    """Whether the virtual camera carries frames; the driver (0.15) knows its format a little before the first one."""
    device = loopback.look(VIRTUAL)
    return device is not None and device.state == "busy"


def still(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What stands still in the pictures."""
    return np.median(np.stack(images[-9:]), axis=0).astype(np.uint8)


def webcam() -> NDArray[np.uint8]:
    """What the webcam shows to a program that asks for the same mode."""
    capture = cv2.VideoCapture(CAMERA, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"YUYV"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, 640)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, 360)
    images = [np.asarray(capture.read()[1], np.uint8) for _ in range(12)]
    capture.release()
    return still(images)


def seen(name: str, frames: int = 25) -> dict[str, Any]:
    """Facts about what a second program gets from the virtual camera now."""
    images, times = opencv_reads(frames, VIRTUAL)
    if len(images) < 12:
        return {"frames": len(images)}
    cv2.imwrite(str(OUT / f"{name}.png"), images[-1])
    picture = still(images)
    # The lower half without the label: bars that do not move.
    error = np.abs(picture[200:320, 200:].astype(int) - reference[200:320, 200:]).mean(axis=(0, 1))
    return {
        "frames": len(images),
        "size": [picture.shape[1], picture.shape[0]],
        "rate": 1 / float(np.mean(np.diff(times[5:]))),
        "error": float(error.max()),
        "moves": mean_difference(images[5:]),
        "label": int(picture[-30:-10, 10:85].max()) - int(picture[-30:-10, 10:85].min()),
    }


reference = webcam()
cv2.imwrite(str(OUT / "webcam.png"), reference)
facts: dict[str, Any] = {}
log = (OUT / "program.log").open("w")
command = [sys.executable, "-u", *sys.argv[1:]]
with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as program:
    try:
        facts["started"] = wait(lambda: showing() or program.poll() is not None, 90)
        facts["running"] = program.poll() is None
        facts["opencv"] = seen("opencv", 75)
        facts["ffmpeg"] = None
        if shutil.which("ffmpeg"):
            ffmpeg = ffmpeg_reads(20)
            facts["ffmpeg"] = {"frames": len(ffmpeg), "size": [ffmpeg[0].shape[1], ffmpeg[0].shape[0]]}

        (VIVID / "unbind").write_text("vivid.0")
        time.sleep(3)
        facts["unplugged"] = seen("unplugged", 40)
        (VIVID / "bind").write_text("vivid.0")
        facts["camera file"] = wait(Path(CAMERA).exists, 10)
        facts["camera back"] = wait(lambda: seen("replugged").get("error", 99) < 8, 20)

        Path(VIRTUAL).unlink()
        # Unloading the driver needs the program to have let the device go, which it notices within a second.
        time.sleep(2.5)
        subprocess.run(["/run/vm-reset-cameras"], check=True, timeout=30)
        facts["virtual camera back"] = wait(showing, 10)
        facts["again"] = seen("again", 40)
        facts["alive"] = program.poll() is None

        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        program.wait(20)
        facts["ended"] = time.monotonic() - begin
        facts["status"] = program.returncode
    finally:
        program.kill()
log.close()
facts["log"] = (OUT / "program.log").read_text()
facts["afterwards"] = [device.state for device in loopback.loopbacks()]
report(facts)
