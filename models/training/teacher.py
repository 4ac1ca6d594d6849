"""A frozen recogniser that tells the training how alike two people are, and the crop that it looks at: dlib's, in PyTorch.

`python -m models.training.teacher OUT.onnx` writes it as ONNX.  King, "High Quality Face Recognition with Deep Metric Learning", 2017.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import Conv2d, Module, ModuleList
from torch.nn import functional as F  # noqa: N812  as everybody calls it

from models.align import DLIB, DLIB_POINTS, DLIB_TEMPLATE
from models.network import NetworkError
from models.training.dlib_file import SIDE, Convolution, Weights, read, weights_file


class Teacher(Module):
    """dlib's ResNet: pictures (n, 3, 150, 150) float32 RGB 0..255 in dlib's crop -> descriptors (n, 128) float32, not normed.

    Two descriptors nearer than 0.6 are one person's.  Its weights are frozen; gradients reach the pictures.
    """

    mean: Tensor
    last: Tensor

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(weights.mean).reshape(1, 3, 1, 1))
        self.register_buffer("last", torch.from_numpy(weights.last.copy()))
        self.stem = _convolution(weights.stem)
        self.blocks = ModuleList(_Block(*block) for block in weights.blocks)
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def open(cls) -> Teacher:
        """With the weights of the installed extra `eval`; raises NetworkError without it, ValueError for another file there."""
        return cls(read(weights_file()))

    def forward(self, pictures: Tensor) -> Tensor:
        """The descriptors; raises ValueError for pictures of another shape."""
        return self.describe(self.features(pictures))

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What stands before each halving, and last: (n, 32, 35, 35), (n, 64, 17, 17), (n, 128, 8, 8), (n, 256, 4, 4), (n, 256, 2, 2)."""
        if pictures.ndim != 4 or pictures.shape[1:] != (3, SIDE, SIDE):
            raise ValueError(f"got pictures {tuple(pictures.shape)}, expected (n, 3, {SIDE}, {SIDE})")
        maps = F.max_pool2d(F.relu(self.stem((pictures - self.mean) / 256)), 3, 2)
        found = []
        for block in self.blocks:
            if cast(_Block, block).halves:
                found.append(maps)
            maps = block(maps)
        return [*found, maps]

    def describe(self, features: list[Tensor]) -> Tensor:
        """The descriptors (n, 128) of what `features` gave."""
        return features[-1].mean(dim=(2, 3)) @ self.last


class _Block(Module):
    """Two convolutions and what they started from, added."""

    def __init__(self, first: Convolution, second: Convolution) -> None:
        super().__init__()
        self.first, self.second = _convolution(first), _convolution(second)
        self.halves = first.stride == 2

    def forward(self, maps: Tensor) -> Tensor:
        made = self.second(F.relu(self.first(maps)))
        kept = F.avg_pool2d(maps, 2) if self.halves else maps
        if made.shape[1:] != kept.shape[1:]:
            # dlib adds zeros behind the last channel, row and column of whichever has fewer.
            sizes = [max(pair) for pair in zip(made.shape[1:], kept.shape[1:], strict=True)]
            made, kept = _grown(made, sizes), _grown(kept, sizes)
        return F.relu(made + kept)


def _grown(maps: Tensor, sizes: list[int]) -> Tensor:
    channels, rows, columns = (size - old for size, old in zip(sizes, maps.shape[1:], strict=True))
    return F.pad(maps, (0, columns, 0, rows, 0, channels)) if channels or rows or columns else maps


def _convolution(given: Convolution) -> Conv2d:
    """A convolution that has the scale and shift after it in its own filters."""
    out, channels, side, _ = given.filters.shape
    made = Conv2d(channels, out, side, given.stride, given.padding)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(given.filters * given.gamma[:, None, None, None]))
        cast(Tensor, made.bias).copy_(torch.from_numpy(given.bias * given.gamma + given.beta))
    return made


def dlib_grid(landmarks: Tensor, side: int = DLIB) -> Tensor:
    """Where each pixel of dlib's crop lies: (n, side, side, 2) px x, y, counted from the centre of the picture's first pixel.

    landmarks: (n, 478, 2 or more) px.  side: of the crop in pixels; another than 150 shows the same part of the face.
    Raises ValueError when landmarks are not finite or in one place.  The same fit as models.align.similarity, for a batch.
    """
    points = landmarks[:, DLIB_POINTS, :2].double()
    goals = torch.from_numpy(DLIB_TEMPLATE).to(points.device)
    middle, goal = points.mean(dim=1), goals.mean(dim=0)
    given, wanted = points - middle[:, None], goals - goal
    size = (wanted**2).sum()
    # The fit goes from the landmarks to the crop; what is needed is its inverse, and both are one complex number.
    along = (given * wanted).sum(dim=(1, 2))
    across = (given[..., 0] * wanted[:, 1] - given[..., 1] * wanted[:, 0]).sum(dim=1)
    spread = (given**2).sum(dim=(1, 2))
    length = along**2 + across**2
    if not bool(torch.isfinite(points).all()) or bool((spread < 1e-9).any()) or bool((length < 1e-9 * size).any()):
        raise ValueError("got landmarks that are not finite or all in one place, expected finite faces")
    cosine, sine = along * spread / length, -across * spread / length
    steps = (torch.arange(side, dtype=points.dtype, device=points.device) + 0.5) * (DLIB / side) - 0.5
    x, y = (steps - goal[0])[None, None, :], (steps - goal[1])[None, :, None]
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    where = torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)
    return where + middle[:, None, None]


def look(images: Tensor, landmarks: Tensor) -> Tensor:
    """dlib's crop of pictures, differentiable: (n, 3, h, w) RGB 0..1 -> (n, 3, 150, 150) RGB 0..255, black beyond the picture.

    landmarks: (n, 478, 2 or more) px of these pictures.  Raises ValueError as dlib_grid.  As models.align.dlib_crop cuts it; faces
    more than twice as large as the crop are averaged over the whole pixels that the smallest face of the batch allows.
    """
    grid = dlib_grid(landmarks.detach())
    steps = (grid[:, 0, 1] - grid[:, 0, 0]).norm(dim=-1)
    whole = max(1, min(int(steps.min() + 1e-6), *images.shape[2:]))
    if whole > 1:
        images = F.avg_pool2d(images, whole)
    lobes = ((steps / whole) ** 2 - 1) / 8
    if bool((lobes > 0.02).any()):
        images = _smoothed(images, torch.where(lobes > 0.02, lobes, 0).to(images.dtype))
    sizes = torch.tensor([images.shape[3], images.shape[2]], dtype=grid.dtype, device=grid.device)
    shares = (grid + 0.5) / whole / sizes
    return 255 * F.grid_sample(images, (2 * shares - 1).to(images.dtype), align_corners=False)


def _smoothed(images: Tensor, lobes: Tensor) -> Tensor:
    """Each picture with what its lobe (n,) leaves of a pixel, and a lobe of each neighbour, down and across."""
    lobe = lobes[:, None, None, None]
    wide = F.pad(images, (1, 1, 1, 1), mode="reflect")
    tall = wide[:, :, 1:-1] * (1 - 2 * lobe) + (wide[:, :, :-2] + wide[:, :, 2:]) * lobe
    return tall[..., 1:-1] * (1 - 2 * lobe) + (tall[..., :-2] + tall[..., 2:]) * lobe


def export_onnx(path: Path) -> None:
    """Write the teacher as ONNX: `pictures` (n, 3, 150, 150) -> `descriptors` (n, 128); raises as Teacher.open."""
    with warnings.catch_warnings():
        # PyTorch's newer exporter needs a package that nothing else here needs.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Teacher.open(), (torch.zeros(1, 3, SIDE, SIDE),), str(path), input_names=["pictures"], output_names=["descriptors"],
            dynamic_axes={"pictures": {0: "n"}, "descriptors": {0: "n"}}, opset_version=17, dynamo=False,
        )


__all__ = ["Teacher", "dlib_grid", "export_onnx", "look"]

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m models.training.teacher OUT.onnx")
    try:
        export_onnx(Path(sys.argv[1]))
    except NetworkError as error:
        raise SystemExit(str(error)) from None
