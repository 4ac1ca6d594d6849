"""A prepared set in one small file, to train on where nothing but torch, numpy and cv2 is installed.

Pictures are WebP files one after the other; landmarks, in 1/128 px, are those that zones and the teacher's crop are made from.
Whole sources (a face with all that it is drawn on) are taken in turns from every person, as many as fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.training.batches import Batches
from models.training.judges import open_judges
from models.training.settings import TrainSettings
from models.training.trainer import Judges
from models.training.unpack import FINE, FORMAT, POINTS
from models.whole import replacing

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Arrays = dict[str, Array]
# Bytes of an .npz besides its arrays; of a pair, a photo and a source besides their pictures.
_FRAME, _PAIR, _PHOTO, _SOURCE = 64_000, 28, 8 + 4 * len(POINTS), 512


@dataclass(slots=True)
class _Taken:
    """Pairs that fit, with their guides' pictures and masks; photos and sources that they need, by row."""

    pairs: list[int] = field(default_factory=list)
    guides: list[bytes] = field(default_factory=list)
    photos: dict[int, bytes] = field(default_factory=dict)
    sources: dict[int, None] = field(default_factory=dict)


def pack(
    folder: Path, out: Path, settings: TrainSettings, megabytes: float = 60.0, quality: int = 90,
    advance: Callable[[int, int], None] | None = None,
) -> int:
    """Pack a set with its encoder and, where it is installed, its teacher; returns how many pairs fitted.

    quality: of the pictures, 1 to 100.  advance: told how many pairs of all were taken.
    Raises ValueError where the set is broken or nothing fits, NetworkError without an encoder, OSError.
    """
    data, judges = Batches(folder, settings.shares), open_judges(folder, torch.device("cpu"))
    about = {"format": FORMAT, "settings": settings.model_dump(mode="json"), "set": {**data.about(), "encoder": judges.check()}}
    fixed = {**_weights(judges.encoder, "encoder"), **_weights(judges.teacher, "teacher")}
    fixed["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    taken = _take(data, megabytes * 1e6 - _FRAME - sum(array.nbytes for array in fixed.values()), quality, advance)
    if not taken.pairs:
        raise ValueError(f"{out}: got {megabytes} MB, in which not one pair fits beside the encoder and the teacher; expected more")
    with replacing(out, None) as file:
        np.savez(file, **fixed, **_arrays(data, judges, taken))
    return len(taken.pairs)


def _take(data: Batches, room: float, quality: int, advance: Callable[[int, int], None] | None) -> _Taken:
    """As many pairs as fit into so many bytes."""
    taken, order = _Taken(), _order(data)
    for pair in order:
        source, target = int(data.source[pair]), int(data.target[pair])
        drawn = data.pairs.take("guide", np.array([pair]))[0]
        guide = [_written(drawn[..., :3], quality), _written(drawn[..., 3], quality)]
        room -= sum(map(len, guide)) + _PAIR + (source not in taken.sources) * _SOURCE
        crop = taken.photos.get(target)
        if crop is None:
            crop = _written(data.photos.take("crop", np.array([target]))[0], quality)
            room -= len(crop) + _PHOTO
        if room < 0:
            break
        taken.pairs.append(int(pair))
        taken.guides += guide
        taken.photos[target] = crop
        taken.sources[source] = None
        if advance:
            advance(len(taken.pairs), len(order))
    return taken


def _order(data: Batches) -> NDArray[np.int64]:
    """All pairs, a source's one after the other; first one source of every person, then a second of each that has one ..."""
    random = np.random.default_rng(0)
    person = data.photos.column("person")
    sources = random.permutation(np.unique(data.source))
    turns, met = [], dict[int, int]()
    for source in sources:
        who = int(person[source])
        turns.append(met.get(who, 0) if who >= 0 else 0)
        met[who] = met.get(who, 0) + 1
    place = np.zeros(len(data.photos), np.int64)
    place[sources[np.argsort(turns, kind="stable")]] = np.arange(len(sources))
    return np.argsort(place[data.source], kind="stable")


def _arrays(data: Batches, judges: Judges, taken: _Taken) -> Arrays:
    pairs, photos, sources = (np.array(list(rows)) for rows in (taken.pairs, taken.photos, taken.sources))
    number = np.zeros((2, len(data.photos)), np.int32)
    number[0, sources], number[1, photos] = np.arange(len(sources)), np.arange(len(photos))
    points = data.photos.take("landmarks", photos)[:, POINTS, :2] * FINE
    made: Arrays = {
        "source": number[0, data.source[pairs]], "target": number[1, data.target[pairs]],
        "true": data.true[pairs], "itself": data.itself[pairs],
        "points": np.clip(np.rint(points), -32768, 32767).astype(np.int16),
        "vectors": judges.vectors[sources].numpy().astype(np.float16),
        **_joined("crops", taken.photos.values()), **_joined("guides", taken.guides),
    }
    if judges.wanted is not None:
        made |= {"wanted": judges.wanted[sources].numpy().astype(np.float16), "mean": judges.wanted.mean(dim=0).numpy()}
    return made


def _written(image: Bytes, quality: int) -> bytes:
    return bytes(cv2.imencode(".webp", np.ascontiguousarray(image), (cv2.IMWRITE_WEBP_QUALITY, quality))[1])


def _joined(name: str, files: Iterable[bytes]) -> Arrays:
    whole = list(files)
    return {name: np.frombuffer(b"".join(whole), np.uint8), f"{name}_ends": np.cumsum([len(file) for file in whole])}


def _weights(network: nn.Module | None, name: str) -> Arrays:
    """Filters in half precision, what is small as it is."""
    values = {key: value.detach().cpu().numpy() for key, value in network.state_dict().items()} if network else {}
    return {f"{name}/{key}": value.astype(np.float16) if value.size > 1000 else value for key, value in values.items()}


__all__ = ["pack"]
