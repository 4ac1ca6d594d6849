"""What the generator is asked for.

Where several processes train together, a mean over some of the pictures of a batch is over those of all processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn import functional

from models.training.batches import Batch, skin_light
from models.training.networks import IdentityEncoder
from models.training.smooth import blur
from models.training.teacher import look
from models.training.trainer import Judges, half, processes

if TYPE_CHECKING:
    from models.training.settings import Weights

# Two photos of one person do not match hair by hair: finer than this share of the crop they are not compared pixel by pixel.
_BLURRED = 1 / 48
# So wide is the ring inside the outline in which a seam would show.
_RING = 1 / 32
# A face of uneven hue looks ill long before one of uneven brightness does.
_HUE = 6.0
# Coloured light and make-up part at this share of the crop.
_SMOOTH = 1 / 10
# A moment seen again lies up to so many pixels aside, and differs by this much noise.
_ASIDE, _NOISE = 0.75, 0.01


class Made(NamedTuple):
    """face (n, 3, s, s), alpha (n, 1, s, s), and whole (n, 3, s, s): the face set into the target."""

    face: Tensor
    alpha: Tensor
    whole: Tensor


class Again(NamedTuple):
    """The first k moments of a batch seen again: view (k, 7, s, s), and grid (k, s, s, 2), where each of its pixels was before."""

    view: Tensor
    grid: Tensor


def compose(face: Tensor, alpha: Tensor, batch: Batch) -> Made:
    """The generator's output set into the target by the guide's mask: by its own alpha it would be rewarded for showing the target."""
    return Made(face, alpha, torch.lerp(batch.target, face, batch.mask))


def losses(made: Made, batch: Batch, encoder: IdentityEncoder) -> dict[str, Tensor]:
    """Each loss by the name of its weight, without those that need another network.

    pixels: a photo on itself must become itself.  blurred: on another of the same person, that one, without the finest detail.
    light: the skin has the target's light and colour, whoever it is.  features: the identity encoder's first maps agree with the truth's.
    alpha: covers what the guide covers.  structure: fine detail is the guide's, most of all in eyes and mouth.  residual: small.
    colour: changes smoothly.  rim: along the outline the face is as the target was there, whoever it is.
    """
    inside = batch.mask
    difference = (made.face - batch.target).abs() * inside
    side = made.face.shape[-1]
    soft = blur((made.face - batch.target) * inside, side * _BLURRED).abs()
    lit = batch.skin * batch.mask
    off = skin_light(made.face, lit) - skin_light(batch.target, lit)
    light = off.abs() + _HUE * (off - _brightness(off)).abs()
    fine = _fine(made.face) - _fine(batch.view[:, 3:6])
    kept = (fine.abs() * inside * (1 + 2 * batch.feature)).mean(dim=(1, 2, 3))
    other = batch.true * (1 - batch.itself)
    residual = blur(made.face, side / 16) - made.face - (blur(batch.view[:, 3:6], side / 16) - batch.view[:, 3:6])
    found = {
        "pixels": _mean(difference.mean(dim=(1, 2, 3)), batch.itself),
        "blurred": _mean(soft.mean(dim=(1, 2, 3)), other),
        "light": (light * inside).mean(),
        # Where nothing is a number any more, the other losses say so; this one would end the program.
        "alpha": functional.binary_cross_entropy(made.alpha.nan_to_num(0.5), batch.mask),
        "structure": _mean(kept, 1 - batch.itself),
        "residual": (residual.abs() * inside).mean(),
        "rim": _rim(made.face, batch),
        "colour": _motley(made.face - batch.view[:, 3:6], inside),
    }
    with half(made.whole.device):
        with torch.no_grad():
            wanted = encoder.features(batch.target)[:3]
        got = encoder.features(made.whole)[:3]
    features = torch.stack([(a.float() - b.float()).abs().mean(dim=(1, 2, 3)) for a, b in zip(got, wanted, strict=True)]).sum(dim=0)
    found["features"] = _mean(features, batch.true)
    return found


def total(found: dict[str, Tensor], weights: Weights) -> Tensor:
    """The weighted sum."""
    return torch.stack([value * getattr(weights, name) for name, value in found.items()]).sum()


def likeness(embedded: Tensor, source: Tensor) -> Tensor:
    """1 - cosine of embeddings (n, k), mean over the batch."""
    return 1 - functional.cosine_similarity(embedded, source, dim=1).mean()


def identity(whole: Tensor, batch: Batch, judges: Judges) -> Tensor:
    """How far the teacher finds the results from their sources; mirrored pictures are turned back first.

    Raises ValueError without a teacher.
    """
    if judges.teacher is None or judges.wanted is None:
        raise ValueError("got an identity loss without a teacher, expected the extra `train`, or phases with identity 0")
    # Who it is shows on strangers: on the same person the target itself says it.
    rows = torch.nonzero(batch.true == 0)[:, 0]
    count = _everywhere(torch.tensor(float(len(rows)), device=whole.device))
    if not len(rows):
        return whole.sum() * 0
    # Brightness alone may answer for it: a recogniser is won over by coloured lips and lids, which nobody wants to wear.
    bright = _brightness(whole)
    whole = (whole - bright).detach() + bright
    seen = torch.where(batch.mirrored[rows][:, None, None, None], whole[rows].flip(-1), whole[rows])
    crops = look(seen, batch.landmarks[rows])
    with half(whole.device):
        found = judges.teacher(crops)
    # Less the mean face: raw descriptors of strangers are as alike as 0.84, and next to nothing is left to be asked for.
    mean = (judges.wanted.mean(dim=0) if judges.mean is None else judges.mean).to(whole.device)
    wanted = judges.wanted[batch.source[rows.cpu().numpy()]].to(whole.device)
    return likeness(found.float() - mean, wanted - mean) * (len(rows) / count)


def again(batch: Batch, random: torch.Generator) -> Again:
    """A quarter of the moments of a batch seen again, a fraction of a pixel aside and through other noise."""
    device, rows = batch.view.device, min(len(batch.view), max(2, len(batch.view) // 4))
    shift = torch.zeros(rows, 2, 3, device=device)
    shift[:, 0, 0] = shift[:, 1, 1] = 1
    shift[:, :, 2] = (2 * torch.rand(rows, 2, generator=random, device=device) - 1) * (2 * _ASIDE / batch.view.shape[-1])
    grid = functional.affine_grid(shift, list(batch.view[:rows].shape), align_corners=False)
    seen = functional.grid_sample(batch.view[:rows], grid, padding_mode="border", align_corners=False)
    noise = torch.randn(seen[:, :6].shape, generator=random, device=device)
    return Again(torch.cat([seen[:, :6] + _NOISE * noise, seen[:, 6:]], dim=1), grid)


def steady(face: Tensor, later: Tensor, batch: Batch, seen: Again) -> Tensor:
    """How much what the network adds to the guide changes from a batch's faces to those of its moments seen again, `later`."""
    # The guide's own change is not the network's fault.
    added = face[: len(later)] - batch.view[: len(later), 3:6]
    before = functional.grid_sample(added, seen.grid, padding_mode="border", align_corners=False)
    return (later - seen.view[:, 3:6] - before.detach()).abs().mul(seen.view[:, 6:]).mean()


def hinge(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """What the discriminator is asked for: Lim and Ye, "Geometric GAN", arXiv 1705.02894."""
    pairs = [(a.float(), b.float()) for a, b in zip(real, made, strict=True)]
    return torch.stack([functional.relu(1 - a).mean() + functional.relu(1 + b).mean() for a, b in pairs]).mean()


def convincing(made: list[Tensor]) -> Tensor:
    """What the generator is asked for by the discriminator."""
    return -torch.stack([a.float().mean() for a in made]).mean()


def _rim(face: Tensor, batch: Batch) -> Tensor:
    """How far a face is off the target in the ring just inside the guide's outline, smoothed: there a step would be a seam."""
    side = face.shape[-1]
    reach = 2 * round(side * _RING) + 1
    inner = -functional.max_pool2d(-batch.mask, reach, stride=1, padding=reach // 2)
    ring = batch.mask * (1 - inner)
    off = blur((face - batch.target) * ring, side * _RING / 2) / blur(ring, side * _RING / 2).clamp_min(0.05)
    return (off.abs() * ring).sum() / _everywhere(3 * ring.sum())


def _motley(change: Tensor, inside: Tensor) -> Tensor:
    """How much the colour, not the brightness, of a change (n, 3, s, s) differs from place to place: light does not, make-up does."""
    colour = (change - _brightness(change)) * inside
    smooth = blur(colour, change.shape[-1] * _SMOOTH) / blur(inside, change.shape[-1] * _SMOOTH).clamp_min(0.05)
    return ((colour - smooth).abs() * inside).mean()


def _brightness(picture: Tensor) -> Tensor:
    """Luma (n, 1, s, s) of RGB, BT.601."""
    return 0.299 * picture[:, :1] + 0.587 * picture[:, 1:2] + 0.114 * picture[:, 2:]


def _fine(picture: Tensor) -> Tensor:
    """Detail against its own brightness: other light leaves it as it is."""
    soft = blur(picture, picture.shape[-1] / 40)
    return (picture - soft) / (soft + 0.1)


def _mean(values: Tensor, say: Tensor) -> Tensor:
    """Mean of values (n,) weighted by (n,); 0 without any weight."""
    return (values * say).sum() / _everywhere(say.sum())


def _everywhere(count: Tensor) -> Tensor:
    """How many there are for each process, at least one in all: what sums are divided by, so that their mean over processes is right."""
    if processes() > 1:
        distributed.all_reduce(count)
    return count.clamp_min(1.0) / processes()


__all__ = ["Again", "Made", "again", "compose", "convincing", "hinge", "identity", "likeness", "losses", "steady", "total"]
