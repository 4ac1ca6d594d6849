"""Several unwrapped photos of one person made into one: the best view of each place, in one light, without seams or strays."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.fill import push_pull
from models.mesh.topology import TEXTURE_SIZE

Floats = NDArray[np.float32]

# Colours of two photos are compared on a grid this coarse; what is finer is the face's own.
_COARSE = 32
_GAIN = (0.4, 2.5)
# Grey levels away from what most photos show, at which a texel's say is down to a third.
_STRAY = 22.0
_TRANSITION = 5.0
_EDGE = 21


def merge(views: Sequence[tuple[Floats, Floats]], says: Sequence[float]) -> tuple[Floats, Floats]:
    """One texture (512, 512, 3) float32 and how well each texel was seen (512, 512) 0..1.

    views: colours (512, 512, 3) and weight (512, 512) 0..1 of each photo.  says: how far each photo counts, over 0.
    Raises ValueError without views.
    """
    if not views:
        raise ValueError("got no view, expected at least one")
    leader = int(np.argmax([say * float(weight.sum()) for (_, weight), say in zip(views, says, strict=True)]))
    model, model_weight = views[leader]
    best = np.max([weight for _, weight in views], axis=0)
    if len(views) == 1:
        return model, best
    matched = [colours * _gain(colours, weight, model, model_weight) for colours, weight in views]
    weights = _without_strays(matched, [weight for _, weight in views])
    total, over = np.zeros_like(model), np.full(best.shape, 1e-12, np.float32)
    for colours, weight, (_, seen), say in zip(matched, weights, views, says, strict=True):
        # The fourth power lets the best view of a place decide; an even mean of several photos would blur.
        # It fades out before its own edge, so that no step is left where another photo takes over.
        inner = cv2.GaussianBlur(cv2.erode(weight, np.ones((_EDGE, _EDGE), np.uint8)), (0, 0), _TRANSITION)
        part = inner**4 * say * (seen > 0) + 1e-9 * (seen > 0)
        total += colours * part[..., None]
        over += part
    return np.asarray(total / over[..., None], np.float32), np.asarray(best, np.float32)


def _gain(colours: Floats, weight: Floats, model: Floats, model_weight: Floats) -> Floats:
    """Smooth factors (512, 512, 3) that bring a photo's colours to the model's, from where both were seen."""
    both = np.minimum(weight, model_weight)
    size = (_COARSE, _COARSE)
    small = cv2.resize(np.dstack([colours * both[..., None], model * both[..., None], both]), size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.5)
    ratio = np.clip(small[..., 3:6] / np.maximum(small[..., :3], 1e-3), *_GAIN)
    known = np.clip((small[..., 6] - 0.05) / 0.2, 0.0, 1.0)
    if not known.any():
        return np.ones_like(colours)
    field = cv2.GaussianBlur(push_pull(np.asarray(ratio, np.float32), np.asarray(known, np.float32)), (0, 0), 1.0)
    return np.asarray(cv2.resize(field, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_CUBIC), np.float32)


def _without_strays(matched: Sequence[Floats], weights: Sequence[Floats]) -> list[Floats]:
    """The weights, less where a photo shows something that most do not: a strand of hair, glare, a shadow's edge."""
    if len(matched) < 3:
        return list(weights)
    seen = np.stack([weight > 0.15 for weight in weights])
    soft = np.stack([cv2.GaussianBlur(colours, (0, 0), 2.0) for colours in matched])
    order = np.sort(np.where(seen[..., None], soft, np.inf), axis=0)
    count = seen.sum(axis=0)
    rows, columns = np.indices(count.shape)
    middle = order[np.maximum(count - 1, 0) // 2, rows, columns]
    result = []
    for colours, weight in zip(soft, weights, strict=True):
        away = np.abs(colours - np.where(np.isfinite(middle), middle, colours)).mean(axis=2)
        trust = np.where(count >= 3, np.exp(-((away / _STRAY) ** 2)), 1.0)
        result.append(np.asarray(weight * np.maximum(trust, 0.05), np.float32))
    return result
