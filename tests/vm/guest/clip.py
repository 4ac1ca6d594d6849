"""A clip in front of the webcam: feeds /dev/video0, runs a program from there to /dev/video10, averages what both show.

Arguments: the clip, then the program's command line.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import OUT, mean_difference, opencv_reads, report

from realtime.machine import loopback

FRAMES = 75
clip, *program_line = sys.argv[1:]
facts: dict[str, Any] = {}


def watch(path: str, name: str) -> None:
    """Average and last picture of a device, and the rate."""
    images, times = opencv_reads(FRAMES, path)
    facts[name] = {
        "frames": len(images),
        "size": [images[0].shape[1], images[0].shape[0]],
        "rate": 1 / float(np.mean(np.diff(times[5:]))),
        "moves": mean_difference(images[::5]),
    }
    cv2.imwrite(str(OUT / f"{name}-last.png"), images[-1])
    cv2.imwrite(str(OUT / f"{name}-average.png"), np.mean(np.stack(images), axis=0, dtype=np.float32))


def showing(path: str, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a loopback device carries pictures."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        device = loopback.look(path)
        if device and device.state == "busy":
            return True
        time.sleep(0.1)
    return False


log = (OUT / "program.log").open("w")
feeder = subprocess.Popen([sys.executable, str(Path(__file__).with_name("feed.py")), clip])
program = None
try:
    facts["fed"] = showing("/dev/video0", feeder, 30)
    # Before, not meanwhile: the driver has one reader only (0.15), or stumbles when the other one goes (0.12.7).
    watch("/dev/video0", "webcam")
    program = subprocess.Popen([sys.executable, "-u", *program_line], stdout=log, stderr=subprocess.STDOUT)
    facts["running"] = showing("/dev/video10", program, 90)
    if facts["running"]:
        time.sleep(2)
        watch("/dev/video10", "virtual")
        program.send_signal(signal.SIGINT)
        facts["status"] = program.wait(20)
finally:
    feeder.kill()
    if program:
        program.kill()
log.close()
facts["log"] = (OUT / "program.log").read_text()
report(facts)
