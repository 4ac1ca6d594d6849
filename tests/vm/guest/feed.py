"""Plays the first three seconds of a clip into /dev/video0 for ever, as a webcam that shows it: YUYV, 640x480, 25 frames per second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np
import pyvirtualcam
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 640, 480, 25


def pictures(path: str) -> Iterator[NDArray[np.uint8]]:
    while True:
        with av.open(path) as clip:
            for frame in islice(clip.decode(video=0), 3 * RATE):
                yield np.ascontiguousarray(frame.reformat(WIDTH, HEIGHT, "yuyv422").to_ndarray()).reshape(-1)


camera = pyvirtualcam.Camera(WIDTH, HEIGHT, RATE, device="/dev/video0", fmt=pyvirtualcam.PixelFormat.YUYV)
due = time.monotonic()
for picture in pictures(sys.argv[1]):
    camera.send(picture)
    due = max(due + 1 / RATE, time.monotonic() - 1)
    time.sleep(max(0.0, due - time.monotonic()))
