"""Is a network in fp16 still the same network: what to feed it, and how far its outputs may lie apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.network import Array, Port

_MEAN, _MAXIMUM = 2 / 255, 8 / 255
_FLOATS = ("float16", "float32", "float64")
_KNOTS = 5


def likely(ports: Sequence[Port]) -> dict[str, Array] | None:
    """Feeds for a network, the same ones every time: pictures that change smoothly in 0..1, zeros for integers.

    An open first size is a batch of one; None where another size is open, which nobody can guess.
    """
    if any(size is None for port in ports for size in port.shape[1:]):
        return None
    return {port.name: _smooth(tuple(size or 1 for size in port.shape), port.type, seed) for seed, port in enumerate(ports)}


def _smooth(shape: tuple[int, ...], kind: str, seed: int) -> Array:
    if kind not in _FLOATS:
        return np.zeros(shape, kind)
    random = np.random.default_rng(seed)
    if len(shape) < 3:
        # Latents and weights are no pictures.
        return random.random(shape).astype(kind)
    # Along every long axis only a few random numbers, and straight lines between them.
    values = random.random(tuple(min(size, _KNOTS) for size in shape))
    for axis, size in enumerate(shape):
        if size > _KNOTS:
            at = np.linspace(0, _KNOTS - 1, size)
            low = np.minimum(at.astype(int), _KNOTS - 2)
            part = (at - low).reshape([-1 if place == axis else 1 for place in range(len(shape))])
            values = values.take(low, axis) * (1 - part) + values.take(low + 1, axis) * part
    return np.ascontiguousarray(values, kind)


def apart(outputs: Sequence[Array], reference: Sequence[Array]) -> str:
    """How outputs differ from the reference beyond what may be, in words; "" where they are the same for the eye.

    May be: 2/255 in the mean and 8/255 at most of the range that an output of the reference spans, as an 8-bit picture would
    show it; any whole number the same.
    """
    for number, (got, want) in enumerate(zip(outputs, reference, strict=True)):
        if got.shape != want.shape:
            return f"output {number} has the shape {got.shape}, not {want.shape}"
        if not want.size:
            continue
        if want.dtype.name not in _FLOATS:
            if not np.array_equal(got, want):
                return f"output {number} differs"
            continue
        if not np.isfinite(got).all():
            return f"output {number} is not finite"
        reach = float(np.ptp(want.astype(np.float64))) or max(abs(float(want.flat[0])), 1e-6)
        difference = np.abs(got.astype(np.float64) - want) / reach
        mean, most = float(difference.mean()), float(difference.max())
        if mean > _MEAN or most > _MAXIMUM:
            return f"output {number} is off by {mean:.1%} of its range in the mean, {most:.1%} at most"
    return ""


__all__ = ["apart", "likely"]
