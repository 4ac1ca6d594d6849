"""Filling what is not known from what is: push-pull over an image pyramid.

Source: Gortler et al. 1996, "The lumigraph", section 3.4.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def push_pull(values: Floats, weight: Floats) -> Floats:
    """Values (h, w, c) float32 spread smoothly from where `weight` (h, w) is 1 into where it is 0.

    Known pixels keep their value; the rest takes the weighted mean of ever larger surroundings. Where nothing
    at all is known the result is 0.
    """
    height, width = weight.shape
    weight = np.asarray(weight, np.float32)
    carried = np.concatenate([values * weight[..., None], weight[..., None]], axis=2).astype(np.float32)
    if min(height, width) > 2:
        coarse = cv2.resize(carried, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        coarse_weight = coarse[..., -1]
        mean = coarse[..., :-1] / np.maximum(coarse_weight, 1e-8)[..., None]
        below = push_pull(mean, np.minimum(1.0, coarse_weight * 2))
        spread = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
    else:
        whole = carried.sum(axis=(0, 1))
        spread = np.broadcast_to(whole[:-1] / max(float(whole[-1]), 1e-8), values.shape)
    return np.asarray(carried[..., :-1] + spread * (1 - np.minimum(weight, 1.0))[..., None], np.float32)
