"""What the generator is asked for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.training.batches import Batch, blur, skin_light
from models.training.networks import IdentityEncoder
from models.training.settings import Weights

# Two photos of one person do not match hair by hair: finer than this share of the crop they are not compared pixel by pixel.
_BLURRED = 1 / 48


class Made(NamedTuple):
    """face (n, 3, s, s), alpha (n, 1, s, s), and whole (n, 3, s, s): the face set into the target."""

    face: Tensor
    alpha: Tensor
    whole: Tensor


def compose(face: Tensor, alpha: Tensor, batch: Batch) -> Made:
    """The generator's output set into the target by the guide's mask: by its own alpha it would be rewarded for showing the target."""
    return Made(face, alpha, torch.lerp(batch.target, face, batch.mask))


def losses(made: Made, batch: Batch, encoder: IdentityEncoder) -> dict[str, Tensor]:
    """Each loss by the name of its weight, without those that need another network.

    pixels: a photo on itself must become itself.  blurred: on another of the same person, that one, without the finest detail.
    light: the skin has the target's light and colour, whoever it is.  features: the identity encoder's first maps agree with the truth's.
    alpha: covers what the guide covers.  structure: fine detail is the guide's, most of all in eyes and mouth.  residual: small.
    """
    inside = batch.mask
    difference = (made.face - batch.target).abs() * inside
    side = made.face.shape[-1]
    soft = blur((made.face - batch.target) * inside, side * _BLURRED).abs()
    lit = batch.skin * batch.mask
    light = (skin_light(made.face, lit) - skin_light(batch.target, lit)).abs()
    fine = _fine(made.face) - _fine(batch.view[:, 3:6])
    kept = (fine.abs() * inside * (1 + 2 * batch.feature)).mean(dim=(1, 2, 3))
    other = batch.true * (1 - batch.itself)
    residual = blur(made.face, side / 16) - made.face - (blur(batch.view[:, 3:6], side / 16) - batch.view[:, 3:6])
    found = {
        "pixels": _mean(difference.mean(dim=(1, 2, 3)), batch.itself),
        "blurred": _mean(soft.mean(dim=(1, 2, 3)), other),
        "light": (light * inside).mean(),
        "alpha": functional.binary_cross_entropy(made.alpha, batch.mask),
        "structure": _mean(kept, 1 - batch.itself),
        "residual": (residual.abs() * inside).mean(),
    }
    with torch.no_grad():
        wanted = encoder.features(batch.target)[:3]
    features = sum((a - b).abs().mean(dim=(1, 2, 3)) for a, b in zip(encoder.features(made.whole)[:3], wanted, strict=True))
    assert isinstance(features, Tensor)
    found["features"] = _mean(features, batch.true)
    return found


def total(found: dict[str, Tensor], weights: Weights) -> Tensor:
    """The weighted sum."""
    return torch.stack([value * getattr(weights, name) for name, value in found.items()]).sum()


def likeness(embedded: Tensor, source: Tensor) -> Tensor:
    """1 - cosine of embeddings (n, k), mean over the batch."""
    return 1 - functional.cosine_similarity(embedded, source, dim=1).mean()


def hinge(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """What the discriminator is asked for: Lim and Ye, "Geometric GAN", arXiv 1705.02894."""
    return torch.stack([functional.relu(1 - a).mean() + functional.relu(1 + b).mean() for a, b in zip(real, made, strict=True)]).mean()


def convincing(made: list[Tensor]) -> Tensor:
    """What the generator is asked for by the discriminator."""
    return -torch.stack([a.mean() for a in made]).mean()


def _fine(picture: Tensor) -> Tensor:
    """Detail against its own brightness: other light leaves it as it is."""
    soft = blur(picture, picture.shape[-1] / 40)
    return (picture - soft) / (soft + 0.1)


def _mean(values: Tensor, say: Tensor) -> Tensor:
    """Mean of values (n,) weighted by (n,); 0 without any weight."""
    return (values * say).sum() / say.sum().clamp_min(1.0)


__all__ = ["Made", "compose", "convincing", "hinge", "likeness", "losses", "total"]
