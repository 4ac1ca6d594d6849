"""Durations counted in bounded memory, and the snapshot of figures that the loop hands out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.frame import RealtimeError
from realtime.levels import Levels

_SHORTEST = 1e-5
_STEP = math.log(1.01)
_BUCKETS = int(math.log(1e7) / _STEP) + 2
_RECENT = 64


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took: seconds at the 50th, 95th and 99th percentile, the longest, the mean, and how often it ran."""

    p50: float
    p95: float
    p99: float
    max: float
    mean: float
    count: int


class Meter:
    """Durations of one step: a histogram over the whole run, and a ring of the latest ones.

    Buckets are 1 % wide from 10 microseconds to 100 seconds, so percentiles are right to 0.5 % and an endless run
    needs no more memory than a short one.  One thread adds, any other may read.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self._ring = np.zeros(_RECENT)
        self._sum = 0.0
        self._max = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one duration; what is shorter than 10 microseconds counts as that."""
        bucket = int(math.log(seconds / _SHORTEST) / _STEP) + 1 if seconds > _SHORTEST else 0
        self._counts[min(bucket, _BUCKETS - 1)] += 1
        self._ring[self.count % _RECENT] = seconds
        self.count += 1
        self._sum += seconds
        self._max = max(self._max, seconds)

    def recent(self) -> float:
        """Median of the latest 64 durations in seconds; 0 before the first."""
        filled = min(self.count, _RECENT)
        return float(np.median(self._ring[:filled])) if filled else 0.0

    def spread(self) -> Spread:
        """The figures of the whole run; zeros before the first duration."""
        counts = self._counts.copy()
        total = int(counts.sum())
        if not total:
            return Spread(0.0, 0.0, 0.0, 0.0, 0.0, 0)
        ranks = np.searchsorted(counts.cumsum(), np.ceil(np.array([0.5, 0.95, 0.99]) * total))
        p50, p95, p99 = np.minimum(_SHORTEST * np.exp((ranks - 0.5) * _STEP), self._max).tolist()
        return Spread(p50, p95, p99, self._max, self._sum / total, total)


class Pace:
    """Times of the latest events, for a rate; one thread adds, any other may read."""

    def __init__(self) -> None:
        self._ring = np.zeros(_RECENT)
        self.count = 0
        self.first = 0.0
        self.last = 0.0

    def add(self, time: float) -> None:
        """Count one event at `time` seconds."""
        if not self.count:
            self.first = time
        self._ring[self.count % _RECENT] = time
        self.last = time
        self.count += 1

    def rate(self, now: float) -> float:
        """Events per second over the latest 64; falls towards 0 while nothing comes."""
        filled = min(self.count, _RECENT)
        if filled < 2:
            return 0.0
        oldest = self._ring[self.count % _RECENT] if self.count >= _RECENT else self._ring[0]
        span = self.last - float(oldest)
        silence = now - self.last - span / (filled - 1)
        return (filled - 1) / max(span + max(silence, 0.0), 1e-9)

    def mean(self) -> float:
        """Events per second from the first to the last."""
        return (self.count - 1) / max(self.last - self.first, 1e-9) if self.count > 1 else 0.0


@dataclass(frozen=True, slots=True)
class StageTimes:
    """One step of the loop: its name, its thread, its durations in seconds, and the median of the latest ones."""

    name: str
    thread: str
    spread: Spread
    recent: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a thread of stages has done since the start: frames finished, seconds at work, and frames that gave way before it."""

    frames: int = 0
    seconds: float = 0.0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """The loop's figures at one moment.

    seconds: since the start.  frames: handed to the first sink.  fps: over the whole run; fps_now: over the latest.
    latency: seconds from capture (live) or from leaving the source (file) until the frame is handed to the first sink;
    what the sink then does with it is the time of that stage.
    latencies: the same for every sink.  dropped: by the place where a newer frame took over; a frame that two sinks
    missed counts twice.  repeated: by sink.  age: seconds since the newest frame delivered was captured, None for a file.
    cpu: seconds of processor time by thread.  quality: None where nobody chooses it.
    """

    seconds: float
    frames: int
    fps: float
    fps_now: float
    latency: Spread
    latencies: Mapping[str, Spread]
    dropped: Mapping[str, int]
    repeated: Mapping[str, int]
    stages: tuple[StageTimes, ...]
    age: float | None
    cpu: Mapping[str, float]
    quality: Levels | None = None

    @property
    def dropped_total(self) -> int:
        """Frames that were replaced by newer ones, over all places."""
        return sum(self.dropped.values())


def lines(statistics: Statistics) -> list[str]:
    """The figures as short lines for the panel in the preview."""
    latency = statistics.latency
    return [
        f"{statistics.fps_now:.1f} fps   {statistics.frames} frames",
        f"latency {latency.p50 * 1e3:.0f} / {latency.p95 * 1e3:.0f} ms (p50 / p95)",
        f"dropped {_dropped(statistics)}",
        *([statistics.quality.line()] if statistics.quality else []),
        *(f"{stage.name} {stage.recent * 1e3:.1f} ms" for stage in statistics.stages),
    ]


def summary(statistics: Statistics) -> list[str]:
    """What is said at the end of a run."""
    latency, others = statistics.latency, list(statistics.latencies.items())[1:]
    return [
        f"Frames   {statistics.frames} in {statistics.seconds:.1f} s, {statistics.fps:.1f} fps",
        f"Latency  p50 {latency.p50 * 1e3:.1f} ms, p95 {latency.p95 * 1e3:.1f} ms, p99 {latency.p99 * 1e3:.1f} ms",
        *(f"         p50 {other.p50 * 1e3:.1f} ms, p95 {other.p95 * 1e3:.1f} ms at {name}" for name, other in others),
        f"Dropped  {_dropped(statistics)}",
        *([statistics.quality.history()] if statistics.quality else []),
    ]


def _dropped(statistics: Statistics) -> str:
    where = ", ".join(f"{name} {count}" for name, count in statistics.dropped.items() if count)
    return f"{statistics.dropped_total}" + (f" ({where})" if where else "")


def figures(statistics: Statistics) -> dict[str, object]:
    """The figures under plain names, for JSON; times in milliseconds."""
    return {
        "seconds": round(statistics.seconds, 3),
        "frames": statistics.frames,
        "fps": round(statistics.fps, 2),
        "dropped": statistics.dropped_total,
        "dropped_at": {name: count for name, count in statistics.dropped.items() if count},
        "repeated": sum(statistics.repeated.values()),
        "latency_ms": milliseconds(statistics.latency),
        "latency_ms_at": {name: milliseconds(spread) for name, spread in statistics.latencies.items()},
        "stages_ms": {stage.name: milliseconds(stage.spread) for stage in statistics.stages},
        "quality": statistics.quality and statistics.quality.figures(),
    }


def write(path: Path, statistics: Statistics) -> None:
    """Write the figures as JSON; raises RealtimeError."""
    try:
        path.write_text(json.dumps(figures(statistics), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror}.") from None


def milliseconds(spread: Spread) -> dict[str, float]:
    """p50, p95, p99 and max in milliseconds."""
    return {name: round(getattr(spread, name) * 1e3, 3) for name in ("p50", "p95", "p99", "max")}


__all__ = ["Meter", "Pace", "Spread", "StageTimes", "Statistics", "Work", "figures", "lines", "milliseconds", "summary", "write"]
