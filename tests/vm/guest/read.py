"""A second program: reads the virtual camera as a video-call program does, prints one JSON line."""

from __future__ import annotations

import json
import shutil
import sys

import cv2
import numpy as np
from common import OUT, colour_error, ffmpeg_reads, number, opencv_reads

program, frames = sys.argv[1], int(sys.argv[2])
if program == "ffmpeg" and shutil.which("ffmpeg") is None:
    print(json.dumps(None))
    sys.exit()
images, times = (ffmpeg_reads(frames), [0.0]) if program == "ffmpeg" else opencv_reads(frames)
cv2.imwrite(str(OUT / f"{program}.png"), images[-1])
gaps = np.diff(times)
print(
    json.dumps(
        {
            "frames": len(images),
            "size": [images[0].shape[1], images[0].shape[0]],
            "numbers": [number(image) for image in images],
            "colour_error": max(colour_error(image) for image in images[2:]),
            "rate": 1 / float(np.mean(gaps)) if len(gaps) else 0.0,
        }
    )
)
