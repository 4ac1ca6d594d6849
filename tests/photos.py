"""Folders of real photos to prepare: the two portraits, cut out as data sets have them, and things that are no faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.align import crop
from models.generator.view import placing

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def cut_outs(image: Bytes, landmarks: Floats, count: int) -> list[Bytes]:
    """The face of a portrait in pictures of several sizes and turns, in other light each."""
    found = []
    for number in range(count):
        matrix = placing(landmarks, 180 + 8 * number)
        matrix[:, 2] += (number % 3) * 2
        picture = crop(image, matrix, 180 + 8 * number, cv2.BORDER_REPLICATE)
        found.append(np.asarray(np.clip(picture.astype(np.float32) * (1 - 0.03 * number), 0, 255), np.uint8))
    return found


def write_people(folder: Path, people: dict[str, list[Bytes]]) -> Path:
    """A data folder in LFW's layout."""
    for name, pictures in people.items():
        (folder / name).mkdir(parents=True)
        for number, picture in enumerate(pictures, 1):
            assert cv2.imwrite(str(folder / name / f"{name}_{number:04d}.jpg"), picture)
    return folder
