"""The whole loop over a real-time source: latency, rate, drops, age of the newest frame, memory over time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from benchmarks import report
from benchmarks.footprint import peak

_SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080)}
_QUALITIES = ("auto", "fast", "balanced", "best")
_SETTLE = 2.0
"""Seconds before memory is read for the first time."""


def latency(
    seconds: Annotated[float, typer.Option(min=3, help="Length of the run.")] = 60.0,
    size: Annotated[str, typer.Option(help="480p, 720p or 1080p.")] = "720p",
    people: Annotated[int, typer.Option(min=1, max=4)] = 1,
    fps: Annotated[float, typer.Option(min=1, max=240)] = 30.0,
    sweep: Annotated[bool, typer.Option("--sweep", help="Also every size with 1, 2 and 4 faces.")] = False,
    sweep_seconds: Annotated[float, typer.Option(min=3)] = 10.0,
    quality: Annotated[str, typer.Option(help="fast, balanced, best or auto.")] = "auto",
    set: Annotated[list[str] | None, typer.Option(help="One setting: section.key=value. Repeatable.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Also as fast as possible, every frame, as with a file.")] = False,
    trace: Annotated[Path | None, typer.Option(help="Write every frame's way through the threads, for Perfetto.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures as PNG.")] = None,
) -> None:
    """Measure the whole loop over a moving portrait at the pace of a webcam."""
    if size not in _SIZES:
        raise typer.BadParameter(f"got {size}, expected one of {', '.join(_SIZES)}")
    if quality not in _QUALITIES:
        raise typer.BadParameter(f"got {quality}, expected one of {', '.join(_QUALITIES)}")
    with report.plainly("latency"):
        changes = set or []
        figures = measure(seconds, size, people, fps, quality=quality, trace=trace, changes=changes)
        _show([("realtime", figures)])
        more: dict[str, Any] = {"source_ms_per_frame": source_cost(size, people)}
        report.say(f"Making one synthetic frame costs {more['source_ms_per_frame']:.2f} ms of processor time, contained in the column cpu.")
        if offline:
            more["offline"] = measure(min(seconds, 20.0), size, people, fps, quality=quality, realtime=False, changes=changes)
            _show([("offline", more["offline"])])
        if sweep:
            cases = [(name, count) for name in _SIZES for count in (1, 2, 4)]
            more["sweep"] = [measure(sweep_seconds, name, count, fps, quality=quality, changes=changes) for name, count in cases]
            _show([(f"{row['size']}, {row['people']} faces", row) for row in more["sweep"]])
        if json:
            report.write(json, figures | more)
        if plot:
            _plot(plot, figures, more.get("sweep", []))


def measure(
    seconds: float,
    size: str,
    people: int,
    fps: float,
    *,
    quality: str = "auto",
    realtime: bool = True,
    trace: Path | None = None,
    changes: Sequence[str] = (),
) -> dict[str, Any]:
    """The loop's figures over an Animated source; times in milliseconds, memory in MB.

    changes: settings as `section.key=value`.
    rss_mb: start and end are samples of the settled loop, max is the peak since the process began, loading included.
    """
    from realtime.build import build
    from realtime.portraits import portrait
    from realtime.settings import Draft

    width, height = _SIZES[size]
    moving = {"kind": "animated", "path": str(portrait("hopper")), "width": width, "height": height, "fps": fps, "seconds": seconds}
    draft = Draft()
    draft.put(("input",), moving | {"people": people, "realtime": realtime}, "benchmark")
    draft.put(("outputs",), [{"kind": "none"}], "benchmark")
    draft.put(("swap",), {"sources": [str(portrait("collins"))], "faces": "all"}, "benchmark")
    draft.put(("quality",), quality, "--quality")
    for change in changes:
        draft.assign(change)
    settings = draft.check()
    samples: list[dict[str, float]] = []
    process = psutil.Process()
    with build(settings, trace=trace) as loop:
        begin, cpu = time.perf_counter(), time.process_time()

        def between() -> None:
            now = time.perf_counter() - begin
            if now >= len(samples) + 1:
                figures = loop.pipeline.statistics()
                samples.append(
                    {
                        "second": round(now, 2),
                        "rss_mb": round(process.memory_info().rss / 2**20, 1),
                        "age_ms": round((figures.age or 0.0) * 1e3, 2),
                        "frames": figures.frames,
                        "dropped": figures.dropped_total,
                    }
                )

        loop.run(between)
        cpu = time.process_time() - cpu
    return {"size": size, "people": people, "realtime": realtime} | _figures(loop.statistics(), cpu, samples)


def source_cost(size: str, people: int, frames: int = 60) -> float:
    """Processor time in milliseconds that the synthetic source needs for a frame."""
    from realtime.config import AnimatedInput
    from realtime.sources.animated import Animated

    width, height = _SIZES[size]
    source = Animated(AnimatedInput(width=width, height=height, people=people, realtime=False))
    stream = iter(source)
    for _ in range(5):
        next(stream)
    begin = time.process_time()
    for _ in range(frames):
        next(stream)
    cost = (time.process_time() - begin) / frames * 1e3
    source.close()
    return round(cost, 3)


def _figures(figures: Any, cpu: float, samples: list[dict[str, float]]) -> dict[str, Any]:
    from realtime.meter import figures as plain

    settled = [sample["rss_mb"] for sample in samples if sample["second"] >= _SETTLE] or [sample["rss_mb"] for sample in samples] or [0.0]
    ages = sorted(sample["age_ms"] for sample in samples) or [0.0]
    return plain(figures) | {
        "cpu_ms_per_frame": round(cpu / max(figures.frames, 1) * 1e3, 3),
        "cpu_ms_per_frame_by_thread": {name: round(used / max(figures.frames, 1) * 1e3, 3) for name, used in figures.cpu.items()},
        "rss_mb": {"start": settled[0], "end": settled[-1], "max": _peak(samples)},
        "age_ms": {"median": ages[len(ages) // 2], "max": ages[-1]},
        "samples": samples,
    }


def _peak(samples: list[dict[str, float]]) -> float:
    """The most memory that this process ever held, in MB; where the system does not count it, the most that was sampled."""
    sampled = max((sample["rss_mb"] for sample in samples), default=0.0)
    return max(sampled, round(peak() / 2**20, 1))


def _show(rows: list[tuple[str, dict[str, Any]]]) -> None:
    report.show(
        "Whole loop (latency and cpu in ms, rss in MB)",
        ["run", "quality", "frames", "dropped", "fps", "p50", "p95", "p99", "max", "age", "cpu", "rss", "rss max"],
        [
            (
                name,
                _level(row["quality"]),
                row["frames"],
                row["dropped"],
                row["fps"],
                *(row["latency_ms"][key] for key in ("p50", "p95", "p99", "max")),
                row["age_ms"]["median"],
                row["cpu_ms_per_frame"],
                row["rss_mb"]["end"],
                row["rss_mb"]["max"],
            )
            for name, row in rows
        ],
    )


def _level(quality: dict[str, Any]) -> str:
    """The setting, and where auto ended and in how many changes it got there."""
    return f"{quality['level']} ({quality['changes']})" if quality["setting"] == "auto" else str(quality["setting"])


def _plot(path: Path, figures: dict[str, Any], sweep: list[dict[str, Any]]) -> None:
    figure, axes = report.canvas(3 if sweep else 2)
    seconds = [sample["second"] for sample in figures["samples"]]
    axes[0].plot(seconds, [sample["rss_mb"] for sample in figures["samples"]])
    axes[0].set(ylabel="RSS (MB)", ylim=(0, None), title=f"{figures['size']}, {figures['people']} face(s), {figures['fps']} fps")
    axes[1].plot(seconds, [sample["age_ms"] for sample in figures["samples"]], ".", label="age of the newest frame")
    for key in ("p50", "p95"):
        axes[1].axhline(figures["latency_ms"][key], linestyle="--", linewidth=0.8, label=f"latency {key}")
    axes[1].set(xlabel="seconds", ylabel="ms", ylim=(0, None))
    axes[1].legend()
    if sweep:
        names = [f"{row['size']}\n{row['people']}" for row in sweep]
        axes[2].bar(names, [row["latency_ms"]["p95"] for row in sweep], label="p95")
        axes[2].bar(names, [row["latency_ms"]["p50"] for row in sweep], label="p50")
        axes[2].set(ylabel="latency (ms)", xlabel="size, faces")
        axes[2].legend()
    figure.savefig(path)


__all__ = ["latency", "measure", "source_cost"]
