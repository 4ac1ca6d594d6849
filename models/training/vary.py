"""What photos of the same could have been: another light, another camera, something before the face.

All that is random comes from a torch.Generator on the pictures' device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.training.smooth import blur


def vary(target: Tensor, drawn: Tensor, mask: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Target, guide and mask as another camera, another light and what lies before the face would have made them."""
    count, device = len(target), target.device
    target, drawn = tint(target, random, 0.12, 0.0), tint(drawn, random, 0.06, 0.18)
    drawn = soften(drawn, random)
    mask = mask * (1 - holes(count, mask.shape[-1], random))
    noise = torch.rand(count, 1, 1, 1, generator=random, device=device) * 0.02
    target = (target + noise * torch.randn(target.shape, generator=random, device=device)).clamp(0, 1)
    return target, drawn, mask


def tint(pictures: Tensor, random: torch.Generator, colour: float, field: float) -> Tensor:
    """Another light: factors for each colour, and a smooth field of brightness, with these deviations of their logarithm."""
    count, device = len(pictures), pictures.device
    each = torch.randn(count, 3, 1, 1, generator=random, device=device)
    factors = colour * each + colour * torch.randn(count, 1, 1, 1, generator=random, device=device)
    if field:
        coarse = field * torch.randn(count, 1, 3, 3, generator=random, device=device)
        factors = factors + functional.interpolate(coarse, pictures.shape[-2:], mode="bicubic", align_corners=True)
    return (pictures * torch.exp(factors)).clamp(0, 1)


def soften(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each picture a little softer or sharper, as photos of a source are against the camera."""
    amount = torch.empty(len(pictures), 1, 1, 1, device=pictures.device).uniform_(-0.6, 0.5, generator=random)
    return (pictures + amount * (blur(pictures, 1.0) - pictures)).clamp(0, 1)


def holes(count: int, side: int, random: torch.Generator) -> Tensor:
    """Where something lies before the face, in every third picture: (n, 1, side, side) 0..1, a soft ellipse from its rim inwards."""
    device = random.device
    line = torch.linspace(-1, 1, side, device=device)
    angle, far, turn = (torch.rand(count, 1, 1, generator=random, device=device) for _ in range(3))
    size = 0.1 + 0.25 * torch.rand(count, 2, 1, 1, generator=random, device=device)
    angle, turn = angle * 6.2832, turn * 3.1416
    x = line[None, None, :] - torch.cos(angle) * (0.3 + 0.4 * far)
    y = line[None, :, None] - 0.1 - torch.sin(angle) * (0.3 + 0.4 * far)
    across = (x * torch.cos(turn) + y * torch.sin(turn)) / size[:, 0]
    along = (y * torch.cos(turn) - x * torch.sin(turn)) / size[:, 1]
    there = torch.rand(count, 1, 1, generator=random, device=device) < 0.33
    return (((1.2 - across**2 - along**2) * 4).clamp(0, 1) * there)[:, None]


__all__ = ["holes", "soften", "tint", "vary"]
