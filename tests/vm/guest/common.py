"""What the guest's scripts share: the test card that is sent and read, and the report to the host."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

OUT = Path(os.environ["VM_OUT"])
COLOURS = ((30, 30, 200), (30, 180, 40), (200, 60, 30), (128, 128, 128), (235, 235, 235), (20, 20, 20), (40, 200, 220), (150, 100, 190))
BITS = 12


def card(index: int, width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    """Eight colours in the middle, a bar that moves below them, and the frame's number in bits at the top."""
    image = np.full((height, width, 3), 90, np.uint8)
    step = width // len(COLOURS)
    for place, colour in enumerate(COLOURS):
        image[height // 3 : height * 2 // 3, place * step : (place + 1) * step] = colour
    bit = width // BITS
    for place in range(BITS):
        image[: height // 8, place * bit : (place + 1) * bit] = 235 if index >> place & 1 else 20
    x = index * 8 % (width - 40)
    image[height * 2 // 3 + 10 : height * 3 // 4, x : x + 40] = (255, 255, 255)
    return image


def number(image: NDArray[np.uint8]) -> int:
    """The frame's number on the card."""
    height, width = image.shape[:2]
    bit = width // BITS
    return sum(1 << place for place in range(BITS) if image[height // 16, place * bit + bit // 2].mean() > 128)


def colour_error(image: NDArray[np.uint8]) -> float:
    """The largest difference between the eight colours sent and those read."""
    height, width = image.shape[:2]
    step = width // len(COLOURS)
    errors = []
    for place, colour in enumerate(COLOURS):
        patch = image[height // 3 + 8 : height * 2 // 3 - 8, place * step + 8 : (place + 1) * step - 8].reshape(-1, 3)
        errors.append(np.abs(patch.mean(axis=0) - colour).max())
    return float(max(errors))


def report(facts: dict[str, Any]) -> None:
    """Leave facts for the test on the host."""
    (OUT / "report.json").write_text(json.dumps(facts, indent=1))


def another_program(code: str, *arguments: str) -> str:
    """What a second Python program prints; it must end well."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        raise RuntimeError(f"{code[:200]}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def ffmpeg_reads(frames: int, path: str = "/dev/video10") -> list[NDArray[np.uint8]]:
    """Frames that ffmpeg gets from the device, BGR."""
    size = subprocess.run(
        ["ffprobe", "-v", "error", "-f", "v4l2", "-show_entries", "stream=width,height", "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split(",")
    width, height = int(size[0]), int(size[1])
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "v4l2",
        "-i",
        path,
        "-vsync",
        "passthrough",
        "-frames:v",
        str(frames),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "bgr24",
        "-",
    ]
    data = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    return list(np.frombuffer(data, np.uint8).reshape(-1, height, width, 3))


def opencv_reads(frames: int, path: str = "/dev/video10") -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Frames that OpenCV, in this process, gets from the device, and when."""
    import time

    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    images, times = [], []
    for _ in range(frames):
        good, image = capture.read()
        if not good:
            break
        images.append(np.asarray(image, np.uint8))
        times.append(time.perf_counter())
    capture.release()
    return images, times


def mean_difference(images: Sequence[NDArray[np.uint8]]) -> float:
    """How much one picture differs from the next, grey levels."""
    pairs = itertools.pairwise(images)
    return float(np.mean([np.abs(first.astype(int) - second).mean() for first, second in pairs]))
