"""A swapper as large as inswapper_128, as it is and rewritten, on every provider that works here."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import report
from benchmarks.ceiling import ceiling
from benchmarks.footprint import footprint
from benchmarks.twin import EMAP, MULTIPLY_ADDS, PARAMETERS, cost, recogniser, twin
from models.network import Array, NetworkError
from models.rewrite.prepare import Prepared, prepare
from models.running.binding import accept
from models.running.material import Material, Model
from models.running.providers import NAMES, ProviderError, Runtime, Variant, order, variants
from models.running.trial import Opened
from models.session import open_variant, usable

_COLUMNS = ("graph", "median ms", "p95 ms", "x naive", "GFLOP/s", "of ceiling", "off by", "opened in s")
_LEAST, _MOST = 5, 500
"""Rounds."""
_LOOPS = (("1080p", 60.0), ("720p", 30.0))


@dataclass
class _Way:
    """One way to run the twin, and how long its runs took in ms; or why it could not run."""

    name: str
    variant: Variant
    model: Model
    feeds: dict[str, Array]
    opened: Opened | None = None
    opening: float = 0.0
    reason: str = ""
    output: Array | None = None
    times: list[float] = field(default_factory=list)

    def open(self, runtime: Runtime) -> None:
        begin = time.perf_counter()
        try:
            self.opened = open_variant(self.variant, Material(self.model, self.name), runtime, True)
            # The first run allocates, the second records a CUDA graph, and both choose algorithms.
            for _ in range(2):
                self.run()
        except (ProviderError, NetworkError) as error:
            self.opened, self.reason = None, str(error)
        self.opening = time.perf_counter() - begin

    def run(self) -> None:
        if self.opened is None:
            return
        begin = time.perf_counter()
        (output,) = self.opened(accept(self.opened.inputs, self.feeds))
        self.times.append((time.perf_counter() - begin) * 1e3)
        if self.output is None:
            self.output = output.copy()


def engines(
    provider: Annotated[str, typer.Option(help="tensorrt, cuda, directml, coreml, openvino or cpu; else all that work here.")] = "",
    seconds: Annotated[float, typer.Option(min=0, help="How long all graphs take turns on a provider.")] = 30.0,
    threads: Annotated[int, typer.Option(min=0, help="Of the processor; 0: as many as help.")] = 0,
    width: Annotated[float, typer.Option(min=0.03, max=1, help="Of the network's layers, as a share of inswapper_128's.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Also the whole loop with it as the engine, at 1080p60 and 720p30.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure a random-weight twin of inswapper_128, as it is against rewritten, per provider."""
    try:
        wanted = order([provider], {}) if provider else order((), usable())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with report.plainly("engines"), _quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "twin.onnx"
        figures: dict[str, Any] = {"twin": _make(path, width), "providers": {}}
        for name in wanted:
            if not usable().get(name):
                report.say(f"{name} not run: no such provider here.")
                figures["providers"][name] = "not run: no such provider here"
                continue
            figures["providers"][name] = _provider(path, name, threads, seconds, figures["twin"]["multiply_adds"])
        for name in NAMES if not provider else ():
            figures["providers"].setdefault(name, "not run: no such provider here")
        if loop:
            figures["loop"] = _loop(path, wanted, threads, seconds)
    if json:
        report.write(json, figures)


@contextmanager
def _quiet() -> Iterator[None]:
    """What models log of graphs that are slow on purpose is left out meanwhile."""
    logger = logging.getLogger("models")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _make(path: Path, width: float) -> dict[str, Any]:
    """Write the twin and say what it is; raises RuntimeError where a full one is not as large and as dear as the original."""
    import onnx

    parameters, multiply_adds = cost(twin(width, seed=None))
    if width == 1 and (parameters, multiply_adds) != (PARAMETERS, MULTIPLY_ADDS):
        raise RuntimeError(f"got {parameters} parameters and {multiply_adds} multiply-adds, expected {PARAMETERS} and {MULTIPLY_ADDS}")
    onnx.save(twin(width), path)
    machine, versions = report.machine(), report.versions()
    report.say(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}")
    report.say(", ".join(f"{name} {version}" for name, version in versions.items() if name in ("python", "numpy") or "onnx" in name))
    about = f"{parameters:,} parameters and {EMAP:,} of its matrix for faces, {multiply_adds / 1e9:.1f} G multiply-adds a picture"
    report.say(f"The twin has {about}; a GFLOP counts the original's, however a graph computes them.")
    return {"width": width, "parameters": parameters, "multiply_adds": multiply_adds, "bytes": path.stat().st_size}


def _provider(path: Path, provider: str, threads: int, seconds: float, multiply_adds: int) -> dict[str, Any]:
    runtime = Runtime((provider,), "fp32", threads)
    # Before this process has grown, for what a child has at most is never less than what its parent had.
    memory = {kind: footprint(path, runtime, kind == "rewritten") for kind in ("naive", "rewritten")}
    ways = _ways(path, provider, runtime)
    # Those that shared a product's time would be slower than it is.
    rates = {half: _ceiling(Variant(provider, half), runtime) for half in sorted({way.variant.half for way in ways})}
    for way in ways:
        way.open(runtime)
    running = [way for way in ways if way.opened]
    for way in running:
        way.times.clear()
    end = time.perf_counter() + seconds
    while running and len(running[0].times) < _MOST and (time.perf_counter() < end or len(running[0].times) < _LEAST):
        for way in running:
            way.run()
    for way in running:
        assert way.opened is not None
        way.opened.close()
    rates = {half: max(rate, _ceiling(Variant(provider, half), runtime)) for half, rate in rates.items()}
    rows = {way.name: _figures(way, ways[0], rates[way.variant.half], multiply_adds) for way in ways}
    _show(provider, rows, rates, memory)
    return {"ceiling_gflops": {"fp16" if half else "fp32": rate for half, rate in rates.items()}, "memory_mb": memory, "graphs": rows}


def _ceiling(variant: Variant, runtime: Runtime) -> float:
    try:
        return round(ceiling(variant, runtime)[0], 1)
    except ProviderError:
        return 0.0


def _ways(path: Path, provider: str, runtime: Runtime) -> list[_Way]:
    """All ways to run the twin on a provider, the naive one first: as the file is, in fp32, everything fed in every frame."""
    random = np.random.default_rng(0)
    side = 128
    source = random.standard_normal((1, 512)).astype(np.float32)
    fed = {"target": random.random((1, 3, side, side)).astype(np.float32), "source": source / np.linalg.norm(source)}
    chosen = sorted(variants(provider, "fp16", True, True) + variants(provider, "fp32", True, True), key=lambda way: (way.half, way.graph))
    chosen = list(dict.fromkeys(chosen))
    prepared = prepare(path, runtime)
    ways = [_Way(_named("naive", way), way, path, fed) for way in chosen if not way.graph]
    across = {"target": fed["target"], **_latent(prepared, fed["source"])}
    if provider == "CPU":
        without = prepare(path, runtime, memory=0)
        ways.append(_Way("cut at the source, instance norm", Variant("CPU"), without.network, across))
    return ways + [_Way(_named("rewritten", way), way, prepared.network, across) for way in chosen]


def _named(name: str, way: Variant) -> str:
    return name + ", fp16" * way.half + ", CUDA graph" * way.graph


def _latent(prepared: Prepared, source: Array) -> dict[str, Array]:
    """What the source half gives; nobody may write it, so that a device gets it once."""
    assert prepared.half is not None
    half = open_variant(Variant("CPU"), Material(prepared.half, "source"), Runtime(("CPU",), "fp32", 1), True)
    made = {port.name: value.copy() for port, value in zip(half.outputs, half({"source": source}), strict=True)}
    half.close()
    for value in made.values():
        value.flags.writeable = False
    return made


def _figures(way: _Way, naive: _Way, rate: float, multiply_adds: int) -> dict[str, Any]:
    if not way.times or way.output is None:
        return {"not run": way.reason}
    gflops = 2 * multiply_adds / np.median(way.times) / 1e6
    result = {
        "median_ms": round(float(np.median(way.times)), 3),
        "p95_ms": round(float(np.percentile(way.times, 95)), 3),
        "gflops": round(float(gflops), 1),
        "of_ceiling": round(float(gflops / rate), 3) if rate else None,
        "opening_s": round(way.opening, 1),
        "runs": len(way.times),
    }
    if naive.times and naive.output is not None:
        # Round by round, so that what else the machine did falls on both.
        result["times_naive"] = round(float(np.median(np.divide(naive.times, way.times))), 3)
        result["off_by"] = float(np.abs(way.output - naive.output).max() / np.ptp(naive.output))
    return result


def _show(provider: str, rows: dict[str, dict[str, Any]], rates: dict[bool, float], memory: dict[str, Any]) -> None:
    keys = ("median_ms", "p95_ms", "times_naive", "gflops", "of_ceiling", "off_by", "opening_s")
    shown = [
        (name, *(f"{row[key]:.1e}" if key == "off_by" and key in row else row.get(key) for key in keys)) for name, row in rows.items()
    ]
    report.show(f"The twin on {provider}", _COLUMNS, shown)
    for name, row in rows.items():
        if "not run" in row:
            report.say(f"{name}: not run: {row['not run']}")
    for half, rate in rates.items():
        report.say(f"Its own matrix products reach {rate:.0f} GFLOP/s in {'fp16' if half else 'fp32'}.")
    for kind, sizes in memory.items():
        if sizes:
            report.say(f"Memory {kind}: {sizes['running']:.0f} MB, at most {sizes['peak']:.0f} MB while it opens.")


def _loop(path: Path, providers: Sequence[str], threads: int, seconds: float) -> list[dict[str, Any]]:
    """The whole loop with the twin as its engine, who wears whom known from a recogniser that sees next to nothing."""
    import onnx

    from benchmarks import latency

    reads = path.with_name("recogniser.onnx")
    onnx.save(recogniser(), reads)
    changes = [f"swap.engine={path}", f"swap.recogniser={reads}", f"models.threads={threads}"]
    changes.append(f"models.providers=[{', '.join(name.lower() for name in providers)}]")
    rows = [latency.measure(max(seconds, 3.0), size, 1, fps, changes=changes) | {"asked": fps} for size, fps in _LOOPS]
    columns = ("loop", "frames", "fps", "p50 ms", "p95 ms", "p99 ms", "cpu ms a frame")
    shown = [
        (
            f"{row['size']} at {row['asked']:.0f} fps",
            row["frames"],
            row["fps"],
            *(row["latency_ms"][key] for key in ("p50", "p95", "p99")),
            row["cpu_ms_per_frame"],
        )
        for row in rows
    ]
    report.show("The whole loop with the twin", columns, shown)
    return rows


__all__ = ["engines"]
