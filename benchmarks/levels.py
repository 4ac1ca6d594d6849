"""What each level of quality costs: drawing and blending the same frames, level after level in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from realtime.frame import Frame

_RATE = 30.0
COLUMNS = ("level", "face px", "swap", "blend", "p95", "cpu", "looks cpu", "cpu of best")
"""Milliseconds a frame: medians of both stages, 95th percentile of their sum, and the mean of their processor time and of the search's."""


def measure(width: int, height: int, people: int, frames: int, repeats: int) -> list[dict[str, Any]]:
    """A row with COLUMNS for each level and face size: as the portrait sits in the frame, and twice as near.

    Levels take turns over the same frames, so that whatever else the machine does falls on all of them alike.
    """
    import cv2

    from models.detector import Detector
    from models.knobs import LEVELS
    from models.landmarks import Landmarker
    from realtime.config import DetectSettings, TrackSettings
    from realtime.people.enrol import enrol
    from realtime.portraits import portrait
    from realtime.stages.detect import Detect
    from realtime.stages.track import Track

    cv2.setNumThreads(1)
    detector, landmarker = Detector(), Landmarker()
    atlas = enrol("collins", [portrait("collins")], detector, landmarker, None, None).atlas
    rows = []
    for zoom in (1, 2):
        pictures = _pictures(width, height, people, frames, zoom)
        detect, track = Detect(detector, DetectSettings(interval=0.0)), Track(landmarker, TrackSettings())
        detect(pictures[0])
        begin = time.process_time()
        found = detect(pictures[0])
        look = (time.process_time() - begin) * 1e3
        followed = [track(found), *map(track, pictures[1:])]
        seen = [frame for frame in followed if any(face.landmarks is not None for face in frame.faces)]
        if not seen:
            continue
        side = round(float(np.median([np.max(face.box[2:] - face.box[:2]) for frame in seen for face in frame.faces])))
        costs = _turns(seen, atlas, repeats)
        apart = {name: DetectSettings().interval * effort.search * _RATE for name, effort in LEVELS.items()}
        whole = {name: float(costs[name]["cpu"].mean()) + look / apart[name] for name in LEVELS}
        for name in LEVELS:
            figures = costs[name]
            both = np.percentile(figures["swap"] + figures["blend"], 95)
            medians = [float(np.median(figures[stage])) for stage in ("swap", "blend")]
            values = (name, side, *medians, float(both), float(figures["cpu"].mean()), look / apart[name], whole[name] / whole["best"])
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    for part in (landmarker, detector):
        part.close()
    return rows


def _pictures(width: int, height: int, people: int, frames: int, zoom: int) -> list[Frame]:
    """Frames of the portrait, cut out of the middle of pictures so many times as large."""
    from realtime.config import AnimatedInput
    from realtime.portraits import portrait
    from realtime.sources.animated import Animated

    source = Animated(
        AnimatedInput(path=str(portrait("hopper")), width=width * zoom, height=height * zoom, people=people, realtime=False)
    )
    left, top = (width * zoom - width) // 2, (height * zoom - height) * 2 // 5
    stream = iter(source)
    large = [next(stream) for _ in range(frames)]
    source.close()
    return [replace(f, image=np.ascontiguousarray(f.image[top : top + height, left : left + width])) for f in large]


def _turns(frames: list[Frame], atlas: Any, repeats: int) -> dict[str, dict[str, Any]]:
    """Milliseconds of swap, blend and both stages' processor time for every frame, by level; a first round warms up."""
    from models.knobs import LEVELS
    from models.mesh.engine import MeshEngine
    from realtime.config import BlendSettings, SwapSettings
    from realtime.stages.blend import Blend
    from realtime.stages.swap import Swap

    rows: dict[str, dict[str, list[float]]] = {name: {"swap": [], "blend": [], "cpu": []} for name in LEVELS}
    for turn in range(repeats + 1):
        for name, effort in LEVELS.items():
            swap, blend = Swap({"collins": MeshEngine(atlas)}, SwapSettings(sources=("collins",), faces="all")), Blend(BlendSettings())
            swap.effort = blend.effort = effort
            for frame in frames:
                used = time.thread_time()
                swapped, drawing = _timed(swap, frame)
                _, blending = _timed(blend, swapped)
                if turn:
                    for key, value in (("swap", drawing), ("blend", blending), ("cpu", (time.thread_time() - used) * 1e3)):
                        rows[name][key].append(value)
    return {name: {key: np.array(values) for key, values in row.items()} for name, row in rows.items()}


def _timed(stage: Callable[[Frame], Frame], frame: Frame) -> tuple[Frame, float]:
    begin = time.perf_counter()
    result = stage(frame)
    return result, (time.perf_counter() - begin) * 1e3


__all__ = ["COLUMNS", "measure"]
