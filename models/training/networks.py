"""The networks: who it is (identity encoder), what of the moment is kept (attribute encoder), and the generator that joins both.

Li et al., "FaceShifter: Towards High Fidelity And Occlusion Aware Face Swapping", arXiv 1912.13457: in every layer an attention
mask chooses between denormalising by identity and by attributes (AAD).  Ours is given the mesh engine's drawing as well, so that
it relights and composes rather than invents, and is small enough for one processor core.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generator.view import CHANNELS

IDENTITY = 128
"""Length of the identity vector, of length 1."""
GAIN, RESIDUAL = 1.2, 0.5
"""The gain that the generator may put on the guide, as a power of e, and the largest residual, of a range of 1."""


class Residual(nn.Module):
    """Two convolutions and a shortcut, (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class IdentityEncoder(nn.Module):
    """Who a face is: crop "ffhq_512" (n, 3, 128, 128) RGB 0..1 -> vector (n, 128) of length 1."""

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        first = nn.Conv2d(3, widths[0], 4, stride=4, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.ReLU(), Residual(widths[0]))
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 2, stride=2, bias=False), nn.BatchNorm2d(b), nn.ReLU(), Residual(b))
            for a, b in itertools.pairwise(widths)
        )
        self.flat = nn.Sequential(nn.Conv2d(widths[-1], 64, 1, bias=False), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64 * 16, IDENTITY))

    def features(self, image: Tensor) -> list[Tensor]:
        """Maps of every level, the finest first."""
        maps = [self.stem(image - 0.5)]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps

    def forward(self, image: Tensor) -> Tensor:
        return functional.normalize(self.flat(self.features(image)[-1]), dim=1)


class AttributeEncoder(nn.Module):
    """What of the moment is kept: a view (n, 7, s, s) -> maps of widths at s/2, s/4, s/8, s/16, the finest first."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        first = nn.Conv2d(4 * CHANNELS, widths[0], 3, padding=1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.ReLU(), Residual(widths[0]))
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), Residual(b))
            for a, b in itertools.pairwise(widths)
        )

    def forward(self, view: Tensor) -> list[Tensor]:
        maps = [self.stem(functional.pixel_unshuffle(view - 0.5, 2))]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps


class Denormalise(nn.Module):
    """AAD: normalised activations (n, c, h, w), denormalised by attributes or by identity as an attention mask chooses."""

    def __init__(self, width: int, attributes: int, identity: int = IDENTITY) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.by_attributes = nn.Conv2d(attributes, 2 * width, 1)
        self.by_identity = nn.Linear(identity, 2 * width)
        self.attention = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
        x = self.norm(x)
        gain_a, bias_a = self.by_attributes(attributes).chunk(2, dim=1)
        gain_i, bias_i = self.by_identity(identity)[..., None, None].chunk(2, dim=1)
        kept = x * (1 + gain_a) + bias_a
        own = x * (1 + gain_i) + bias_i
        mask = torch.sigmoid(self.attention(x))
        return torch.lerp(kept, own, mask)


class Block(nn.Module):
    """Two AAD layers, each with a convolution, and a shortcut: (n, a, h, w) -> (n, b, h, w)."""

    def __init__(self, inner: int, outer: int, attributes: int) -> None:
        super().__init__()
        self.first, self.second = Denormalise(inner, attributes), Denormalise(outer, attributes)
        self.in_conv = nn.Conv2d(inner, outer, 3, padding=1)
        self.out_conv = nn.Conv2d(outer, outer, 3, padding=1)
        self.shortcut = nn.Conv2d(inner, outer, 1, bias=False) if inner != outer else nn.Identity()

    def forward(self, x: Tensor, attributes: Tensor, identity: Tensor) -> Tensor:
        inner = self.in_conv(functional.relu(self.first(x, attributes, identity)))
        made: Tensor = self.shortcut(x) + self.out_conv(functional.relu(self.second(inner, attributes, identity)))
        return made


class Generator(nn.Module):
    """View (n, 7, s, s) RGB 0..1 and identity (n, 128) -> face (n, 3, s, s) RGB 0..1 and alpha (n, 1, s, s) 0..1; s a multiple of 16.

    The face is the guide under a smooth gain and shift, plus a residual.  Before training it is the guide itself.
    """

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.attributes = AttributeEncoder(widths)
        self.start = nn.Conv2d(widths[-1], widths[-1], 1)
        ladder = list(widths)[::-1]
        self.blocks = nn.ModuleList(
            Block(inner, outer, kept) for inner, outer, kept in zip([ladder[0], *ladder[:-1]], ladder, ladder, strict=True)
        )
        self.light = nn.Conv2d(widths[1], 6, 3, padding=1)
        self.detail = nn.Conv2d(widths[0], 16, 3, padding=1)
        for head in (self.light, self.detail):
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def forward(self, view: Tensor, identity: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.attributes(view)
        x = self.start(maps[-1])
        fields = x
        for step, (block, kept) in enumerate(zip(self.blocks, maps[::-1], strict=True)):
            if step:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, kept, identity)
            if step == len(self.blocks) - 2:
                fields = self.light(functional.relu(x))
        fields = functional.interpolate(fields, scale_factor=4.0, mode="bilinear", align_corners=False)
        gain, shift = fields.chunk(2, dim=1)
        fine = functional.pixel_shuffle(self.detail(functional.relu(x)), 2)
        guide, mask = view[:, 3:6], view[:, 6:7]
        face = guide * torch.exp(GAIN * torch.tanh(gain)) + RESIDUAL * torch.tanh(shift) + RESIDUAL * torch.tanh(fine[:, :3])
        # Starts as the guide's own mask, which lies within 1 percent of 0 and 1 where it is sure.
        alpha = torch.sigmoid(8 * mask - 4 + 4 * fine[:, 3:])
        return face.clamp(0, 1), alpha


class Discriminator(nn.Module):
    """Whether patches of a picture (n, 3, s, s) RGB 0..1 are photos, at two scales: list of maps, above 0 for photos.

    Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", arXiv 1711.11585.
    """

    def __init__(self, widths: Sequence[int] = (24, 48, 96), scales: int = 2) -> None:
        super().__init__()
        self.judges = nn.ModuleList(_patches(widths) for _ in range(scales))

    def forward(self, image: Tensor) -> list[Tensor]:
        found = []
        for judge in self.judges:
            found.append(judge(image - 0.5))
            image = functional.avg_pool2d(image, 2)
        return found


def _patches(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip([3, *widths[:-1]], widths, strict=True):
        layers += [nn.utils.spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.utils.spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1)))


__all__ = ["IDENTITY", "AttributeEncoder", "Denormalise", "Discriminator", "Generator", "IdentityEncoder"]
