"""What the generator costs beside its peers: parameters, multiply-adds, size and time on this processor, in one run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import report
from benchmarks.twin import cost, simswap, twin
from models.generator.shipped import files
from models.network import Array, NetworkError
from models.running.binding import accept
from models.running.material import Material
from models.running.precision import likely
from models.running.providers import Runtime, Variant
from models.running.trial import Opened
from models.session import open_variant

OURS, UNTRAINED = "ours", "ours, untrained"
_LEAST = 5
"""Rounds."""
_TURN = 0.25
"""Seconds that a network runs in a round, or once."""
_QUOTED = {
    "MobileFaceSwap *": {"parameters": 500_000, "multiply_adds": 330_000_000},
    "SimSwap *": {"parameters": 107_000_000, "multiply_adds": 55_700_000_000},
}
"""Xu et al., "MobileFaceSwap: A Lightweight Framework for Video Face Swapping", arXiv 2201.03808, which says FLOPs."""


@dataclass
class _Network:
    """A network, and by number of threads how long its runs took in ms: on the clock, and of processor time."""

    name: str
    model: Any
    parameters: int
    multiply_adds: int
    size: int
    times: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    opened: Opened | None = None
    feeds: dict[str, Array] = field(default_factory=dict)

    def open(self, threads: int) -> None:
        self.opened = open_variant(Variant("CPU"), Material(self.model, self.name), Runtime(("CPU",), "fp32", threads), True)
        self.feeds = accept(self.opened.inputs, likely(self.opened.inputs) or {})
        # The first run allocates.
        for _ in range(2):
            self.opened(self.feeds)
        self.times[threads] = []

    def turn(self, threads: int) -> None:
        assert self.opened is not None
        end = time.perf_counter() + _TURN
        while True:
            begin, worked = time.perf_counter(), time.process_time()
            self.opened(self.feeds)
            now = time.perf_counter()
            self.times[threads].append(((now - begin) * 1e3, (time.process_time() - worked) * 1e3))
            if now > end:
                return

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
        self.opened = None


def generator(
    threads: Annotated[str, typer.Option(help="Numbers of threads to measure with, such as 1,2.")] = "1,2",
    seconds: Annotated[float, typer.Option(min=0, help="How long all networks take turns with each number of threads.")] = 30.0,
    width: Annotated[float, typer.Option(min=0.03, max=1, help="Of the peers' layers, as a share of the originals'.")] = 1.0,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure the generator's network against random-weight stand-ins of inswapper_128 and SimSwap on this processor."""
    counts = _counts(threads)
    with report.plainly("generator"):
        networks = [_ours(), *_peers(width)]
        for count in counts:
            _measure(networks, count, seconds)
    figures = {
        "networks": {network.name: _figures(network) for network in networks},
        "published": _QUOTED,
        "width": width,
    }
    _show(figures, counts)
    if json:
        report.write(json, figures)


def _counts(threads: str) -> list[int]:
    try:
        counts = [int(part) for part in threads.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise typer.BadParameter(f"got --threads {threads}, expected numbers above 0 with commas between them, such as 1,2")
    return list(dict.fromkeys(counts))


def _ours() -> _Network:
    """The network that is shipped, else one as PyTorch makes it afresh: as large, and as fast."""
    import onnx

    try:
        model, name = onnx.load(files()[0]), OURS
    except NetworkError as error:
        if find_spec("torch") is None:
            raise NetworkError("The generator has no weights here, and PyTorch, which would make some, is not installed; "
                               "pip install 'swapcam[train]'.") from error  # fmt: skip
        from models.training import graphs
        from models.training.networks import Generator

        model, name = graphs.halved(graphs.generator(Generator().eval())).whole(), UNTRAINED
    return _Network(name, model, *cost(model), model.ByteSize())


def _peers(width: float) -> list[_Network]:
    made = {"SimSwap's size": simswap(width), "inswapper_128 twin": twin(width)}
    return [_Network(name, model, *cost(model), model.ByteSize()) for name, model in made.items()]


def _measure(networks: Sequence[_Network], threads: int, seconds: float) -> None:
    """All networks take turns, so that what else the machine does falls on all of them."""
    for network in networks:
        network.open(threads)
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < _LEAST or time.perf_counter() < end:
        for network in networks:
            network.turn(threads)
        rounds += 1
    for network in networks:
        network.close()


def _figures(network: _Network) -> dict[str, Any]:
    times = {}
    for threads, taken in network.times.items():
        clock, worked = np.transpose(taken)
        row = {"median_ms": np.median(clock), "p95_ms": np.percentile(clock, 95), "cpu_ms": np.median(worked)}
        times[str(threads)] = {name: round(float(value), 3) for name, value in row.items()} | {"runs": len(taken)}
    return {"parameters": network.parameters, "multiply_adds": network.multiply_adds, "bytes": network.size, "threads": times}


def _show(figures: dict[str, Any], counts: Sequence[int]) -> None:
    keys = ("median_ms", "p95_ms", "cpu_ms")
    columns = ["network", "M weights", "GMAC", "MB", *(f"{key.removesuffix('_ms')} ({count})" for count in counts for key in keys)]
    rows: list[list[object]] = []
    for name, row in (figures["networks"] | figures["published"]).items():
        size = row["bytes"] / 1e6 if "bytes" in row else None
        times = [row["threads"][str(count)][key] if "threads" in row else None for count in counts for key in keys]
        rows.append([name, row["parameters"] / 1e6, row["multiply_adds"] / 1e9, size, *times])
    machine = report.machine()
    report.say(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}")
    report.show("What a face costs; times in ms", columns, rows)
    report.say("Each file whole and as it is, in fp32, in turns: ours and the twin at 128 px, the stand-in of SimSwap's size at 224 px.")
    report.say("(n): with n threads; cpu: processor time, which hardly depends on what else the machine does.")
    report.say("* as MobileFaceSwap's authors give it, in FLOPs and at 224 px; not measured here.")


__all__ = ["OURS", "UNTRAINED", "generator"]
