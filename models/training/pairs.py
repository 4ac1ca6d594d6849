"""Guides to train on: one photo's face drawn on another photo by the mesh engine, as it would be live."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generator.view import SIDE
from models.mesh.atlas import Atlas, build_atlas
from models.mesh.engine import MeshEngine
from models.training.photos import DRAWN, Photo

Bytes = NDArray[np.uint8]


def guide(engine: MeshEngine, photo: Photo) -> Bytes | None:
    """The engine's source on a photo: (128, 128, 4) uint8, BGR and mask; None where it could not be drawn."""
    made = engine(photo.crop, photo.landmarks, engine.meet(), 0.0)
    if made is None:
        return None
    picture, mask, matrix = made
    size = (DRAWN * SIDE, DRAWN * SIDE)
    # Transparent, not black, around the patch: otherwise its rim would darken as it is made smaller.
    whole = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    small = cv2.resize(np.dstack([whole, cover]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def atlas(photos: Sequence[Photo]) -> Atlas | None:
    """One person's atlas, None where a photo shows too little of the face."""
    try:
        return build_atlas([(photo.crop, photo.landmarks) for photo in photos])
    except ValueError:
        return None


def plan(people: NDArray[np.int32], number: int, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """Which photos are drawn on which: (source, targets), `number` sources in all.

    people: (n,) the person in each photo, -1 unknown.  Each source is drawn on itself, on up to two other photos of the same
    person and on one of somebody else.  Whoever is in several photos comes first, no person more than twenty times.
    """
    random = np.random.default_rng(seed)
    of: dict[int, list[int]] = {}
    for index, person in enumerate(people):
        if person >= 0:
            of.setdefault(int(person), []).append(index)
    several = [random.permutation(found)[:20] for found in of.values() if len(found) > 1]
    first = random.permutation(np.concatenate(several)) if several else np.zeros(0, np.int64)
    rest = random.permutation(np.setdiff1d(np.arange(len(people)), first))
    planned = []
    for source in [int(index) for index in np.concatenate([first, rest])[:number]]:
        same = [index for index in of.get(int(people[source]), []) if index != source]
        others = [int(index) for index in random.permutation(same)[:2]] if same else []
        stranger = int(random.integers(len(people)))
        planned.append((source, tuple(dict.fromkeys([source, *others, stranger]))))
    return planned


__all__ = ["atlas", "guide", "plan"]
