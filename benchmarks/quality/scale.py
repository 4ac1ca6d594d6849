"""The scale of a judge: what it says of strangers, and of two photos of one person."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.judges import Embedding, Judge, cosine
from realtime.frame import Image, RealtimeError

if TYPE_CHECKING:
    from benchmarks.quality.folders import Person

# What others say of themselves, by cosine between source and result; printed beside ours for orientation only.
QUOTED = (
    ("a commercial service, by its own evaluation", "0.94"),
    ("open models, by the same evaluation", "0.6 - 0.7"),
    ("SimSwap, judged by recognisers it was and was not trained with", "0.48 - 0.61"),
    ("inswapper_128, judged by CosFace", "0.73"),
)
CAVEAT = (
    "Judges, people and pictures differ between all of these, and each judge has its own floor (dlib gives strangers 0.84), "
    "so compare figures of one judge only, or the rescaled ones."
)


@dataclass(frozen=True, slots=True)
class Scale:
    """stranger, same: mean cosine between photos of different people, and between photos of one.

    accuracy: share of those pairs told apart rightly by the best limit.  pairs: of each kind.  origin: where it was measured.
    """

    stranger: float
    same: float
    accuracy: float
    pairs: int
    origin: str

    def rescaled(self, value: float) -> float:
        """A cosine where strangers are 0 and photos of one person 1 on average; may lie beyond both."""
        return (value - self.stranger) / (self.same - self.stranger)


_LFW = "300 pairs of each kind from LFW, seed 0"
# Measured with measure() over the 11,685 aligned LFW crops, faces that the detector missed (2 %) left out.
_KNOWN = {
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30": Scale(0.8360, 0.9548, 0.988, 286, _LFW),  # dlib
    "0c9ad2a83969fc82155706f7020e6926b4a1a90a5476fff4a5588dfe207f64a4": Scale(0.0135, 0.6580, 0.998, 286, _LFW),  # mobilefacenet
}


def known(judge: Judge) -> Scale | None:
    """The scale that was measured before for these weights."""
    return _KNOWN.get(judge.sha256)


def measure(judges: Sequence[Judge], people: Mapping[str, Person], origin: str, pairs: int = 300, seed: int = 0) -> list[Scale]:
    """The scale of each judge over random pairs of photos of labelled people; the same pairs for all of them.

    Photos without a face are left out.  Raises RealtimeError for too few people.
    """
    same, strangers = choose(people, pairs, seed)
    wanted = sorted({photo for pair in (*same, *strangers) for photo in pair})
    seen = _look(judges, people, wanted)
    return [_scale(found, same, strangers, origin) for found in seen]


Photo = tuple[str, int]
Pairs = list[tuple[Photo, Photo]]


def choose(people: Mapping[str, Person], pairs: int, seed: int) -> tuple[Pairs, Pairs]:
    """Random pairs of photos (name, number) of one person each, and of two; raises RealtimeError for too few people."""
    several = sorted(name for name, person in people.items() if len(person) > 1)
    if len(people) < 2 or not several:
        raise RealtimeError(
            f"A scale needs photos of at least two people, and two of one; got {len(people)} people, {len(several)} with two photos."
        )
    dice, names = random.Random(seed), sorted(people)
    same, strangers = [], []
    for _ in range(pairs):
        name = dice.choice(several)
        first, second = dice.sample(range(len(people[name])), 2)
        same.append(((name, first), (name, second)))
        one, other = dice.sample(names, 2)
        strangers.append(((one, dice.randrange(len(people[one]))), (other, dice.randrange(len(people[other])))))
    return same, strangers


def _look(judges: Sequence[Judge], people: Mapping[str, Person], wanted: Sequence[Photo]) -> list[dict[Photo, Embedding]]:
    from models.detector import Detector
    from models.finding import faces
    from models.landmarks import Landmarker

    found: list[dict[Photo, Embedding]] = [{} for _ in judges]
    with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
        for name, number in wanted:
            image: Image = people[name][number]()
            middle = np.array(image.shape[1::-1]) / 2
            seen = faces(image, detector, landmarker)
            if not seen:
                continue
            # Crops for recognition show their person in the middle.
            face = min(seen, key=lambda landmarks: float(np.abs(landmarks[:, :2].mean(axis=0) - middle).sum()))
            for judge, embeddings in zip(judges, found, strict=True):
                embeddings[name, number] = judge(image, face)
    return found


def _scale(seen: Mapping[Photo, Any], same: Pairs, strangers: Pairs, origin: str) -> Scale:
    alike, unlike = (
        np.array([float(cosine(seen[one], seen[other])) for one, other in pairs if one in seen and other in seen])
        for pairs in (same, strangers)
    )
    if not len(alike) or not len(unlike):
        raise RealtimeError(f"No faces were found in the photos of {origin}, so there is no scale; give photos that show faces.")
    accuracy = max(((alike > limit).mean() + (unlike <= limit).mean()) / 2 for limit in np.concatenate([alike, unlike]))
    return Scale(float(unlike.mean()), float(alike.mean()), float(accuracy), min(len(alike), len(unlike)), origin)


__all__ = ["CAVEAT", "QUOTED", "Scale", "choose", "known", "measure"]
