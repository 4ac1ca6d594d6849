"""Each stage of the loop alone, on real frames."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import levels as cost
from benchmarks import report
from realtime.frame import Frame


def stages(
    width: Annotated[int, typer.Option(min=64)] = 1280,
    height: Annotated[int, typer.Option(min=64)] = 720,
    people: Annotated[int, typer.Option(min=1, max=4)] = 1,
    frames: Annotated[int, typer.Option(min=10, help="Different frames.")] = 60,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is used.")] = 3,
    levels: Annotated[bool, typer.Option("--levels", help="Instead: what each level of quality costs.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures as PNG.")] = None,
) -> None:
    """Measure each stage alone: median and 95th percentile of the time for a frame, and its processor time."""
    if levels:
        _levels(width, height, people, frames, repeats, json)
        return
    figures = measure(width, height, people, frames, repeats)
    rows = [(name, row["median_ms"], row["p95_ms"], row["cpu_ms"], row["count"]) for name, row in figures.items()]
    report.show(f"Stages at {width}x{height}, {people} face(s), in ms", ["stage", "median", "p95", "cpu", "runs"], rows)
    if json:
        report.write(json, {"size": [width, height], "people": people, "stages": figures})
    if plot:
        figure, axes = report.canvas(1, 4.0)
        names = list(figures)[::-1]
        axes[0].barh(names, [figures[name]["p95_ms"] for name in names], label="p95")
        axes[0].barh(names, [figures[name]["median_ms"] for name in names], label="median")
        axes[0].set(xlabel="ms")
        axes[0].legend()
        figure.savefig(plot)


def _levels(width: int, height: int, people: int, frames: int, repeats: int, json: Path | None) -> None:
    costs = cost.measure(width, height, people, frames, repeats)
    rows = [[row[column] for column in cost.COLUMNS] for row in costs]
    report.show(f"Levels of quality at {width}x{height}, {people} face(s), in ms a frame", cost.COLUMNS, rows)
    report.say("The search is counted at 30 frames a second; finding the landmarks costs the same at every level.")
    if json:
        report.write(json, {"size": [width, height], "people": people, "levels": costs})


def measure(width: int, height: int, people: int, frames: int, repeats: int) -> dict[str, dict[str, float]]:
    """Figures of each stage by its name, in the order of the loop."""
    import cv2

    from models.detector import Detector
    from models.landmarks import Landmarker
    from models.mesh.engine import MeshEngine
    from realtime.config import AnimatedInput, BlendSettings, DetectSettings, OverlaySettings, RecordingOutput, SwapSettings, TrackSettings
    from realtime.people.enrol import enrol
    from realtime.portraits import portrait
    from realtime.sinks.recording import Recording
    from realtime.sources.animated import Animated
    from realtime.stages.blend import Blend
    from realtime.stages.detect import Detect
    from realtime.stages.overlay import Mirror, Overlay
    from realtime.stages.swap import Swap
    from realtime.stages.track import Track

    cv2.setNumThreads(1)
    detector, landmarker = Detector(), Landmarker()
    atlas = enrol("collins", [portrait("collins")], detector, landmarker, None, None).atlas
    source = Animated(AnimatedInput(path=str(portrait("hopper")), width=width, height=height, people=people, realtime=False))
    stream, pictures = iter(source), []
    figures = {"source (synthetic)": time_calls(lambda _: pictures.append(next(stream)), [None] * frames, 1)}
    every_frame = Detect(detector, DetectSettings(interval=0.0))
    finding, found = keep(every_frame)
    figures["detect"] = time_calls(finding, pictures, repeats)
    following, followed = keep(Track(landmarker, TrackSettings()))
    # Faces are found in the first frame of each round, and followed from there, as in the loop.
    figures["track"] = time_calls(following, [found[0], *pictures[1:]], repeats)
    swapping, swapped = keep(Swap({"collins": MeshEngine(atlas)}, SwapSettings(sources=("collins",), faces="all")))
    figures["swap"] = time_calls(swapping, followed[-frames:], repeats)
    blending, blended = keep(Blend(BlendSettings()))
    figures["blend"] = time_calls(blending, swapped[-frames:], repeats)
    figures["overlay"] = time_calls(Overlay(OverlaySettings()), blended[-frames:], repeats)
    figures["mirror"] = time_calls(Mirror(), blended[-frames:], repeats)
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(RecordingOutput(path=str(Path(folder) / "out.mp4")), 30.0)
        figures["recording"] = time_calls(recording.send, [Frame(f.image, i, i / 30) for i, f in enumerate(blended[-frames:])], 1)
        recording.close()
    for part in (source, landmarker, detector):
        part.close()
    return figures


def keep(stage: Callable[[Frame], Frame]) -> tuple[Callable[[Frame], None], list[Frame]]:
    """The stage as something to time, and the list that its results go to."""
    results: list[Frame] = []
    return (lambda frame: results.append(stage(frame))), results


def time_calls(work: Callable[[Any], object], inputs: Sequence[Any], repeats: int) -> dict[str, float]:
    """Times of `work` over the inputs, `repeats` rounds; the first calls warm up and do not count."""
    warm = min(5, len(inputs) // 2)
    walls: list[float] = []
    processor = 0.0
    for turn in range(repeats):
        for number, value in enumerate(inputs):
            used, begin = time.process_time(), time.perf_counter()
            work(value)
            if turn or number >= warm:
                walls.append((time.perf_counter() - begin) * 1e3)
                processor += (time.process_time() - used) * 1e3
    return {
        "median_ms": round(float(np.median(walls)), 3),
        "p95_ms": round(float(np.percentile(walls, 95)), 3),
        "cpu_ms": round(processor / len(walls), 3),
        "count": len(walls),
    }


__all__ = ["keep", "measure", "stages", "time_calls"]
