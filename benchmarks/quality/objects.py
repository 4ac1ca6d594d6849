"""The occlusion figures of each clip: known objects moved before the face, as `occlusion` measures them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from benchmarks.quality import occlusion
from benchmarks.quality.cases import Case
from models.detector import Detector
from models.landmarks import Landmarker
from realtime.config import AnimatedInput, ImageInput, VideoInput
from realtime.frame import Frame, RealtimeError
from realtime.people.enrol import enrol
from realtime.settings import Draft

SECONDS, MOST = 3.0, 90
"""How much of a clip is used when not told, and how many frames at most: each object goes through all of them once."""


def measure(case: Case, seconds: float | None) -> dict[str, Any]:
    """A clip's occlusion figures under one source; raises RealtimeError for one without a face or with too few frames."""
    frames = _frames(case, seconds or SECONDS)
    if len(frames) < 2:
        raise RealtimeError(f"{case.clip.name} has one frame, in which nothing can move before the face; leave out --occlusion.")
    with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
        atlas = enrol(case.source.name, [case.source.given], detector, landmarker, None).atlas
    try:
        return {"clip": case.clip.name, "metrics": occlusion.measure(frames, atlas)}
    except ValueError as error:
        raise RealtimeError(f"{case.clip.name}: {error}.") from None


def table(found: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[object]]]:
    """Columns and lines: a column for each clip, the last one the mean; a line for each figure."""
    lines: list[list[object]] = []
    for name in found[0]["metrics"]:
        values = [row["metrics"][name] for row in found]
        lines.append([name.replace("_", " ").replace("iou", "IoU"), *values, *([sum(values) / len(values)] if len(values) > 1 else [])])
    return ["figure", *(row["clip"] for row in found), *(["mean"] if len(found) > 1 else [])], lines


def _frames(case: Case, seconds: float) -> list[Frame]:
    draft = Draft()
    draft.put(("input",), dict(case.clip.input), "--clips")
    match draft.check().input:
        case VideoInput() as wanted:
            from realtime.sources.video import Video as Opened
        case ImageInput() as wanted:
            from realtime.sources.video import Image as Opened  # type: ignore[assignment]
        case AnimatedInput() as wanted:
            from realtime.sources.animated import Animated as Opened  # type: ignore[assignment]
        case wanted:
            raise ValueError(f"got an input of kind {wanted.kind}, expected a clip, a photo or a moving portrait")
    frames: list[Frame] = []
    with closing(Opened(wanted)) as source:  # type: ignore[arg-type]
        for frame in source:
            if frame.time >= seconds or len(frames) >= MOST:
                break
            frames.append(frame)
    return frames


__all__ = ["SECONDS", "measure", "table"]
