"""Gaussian blur of maps, on any device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def blur(x: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of maps (n, c, h, w), their rims repeated outwards; deviation: px."""
    down, across = (_smoothing(size, deviation, x.device).to(x.dtype) for size in x.shape[-2:])
    return down @ x @ across.T


@functools.lru_cache(maxsize=64)
def _smoothing(size: int, deviation: float, device: torch.device) -> Tensor:
    """The blur of a line of pixels as a matrix (size, size): for few channels far faster than a convolution."""
    # What is kept must serve training, too, even when it was first asked for without gradients.
    with torch.inference_mode(False):
        reach = max(1, round(4 * deviation))
        line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
        taps = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)[None]
        return torch.zeros(size, size).scatter_add_(1, taps.clamp(0, size - 1), (line / line.sum()).expand(size, -1)).to(device)


__all__ = ["blur"]
