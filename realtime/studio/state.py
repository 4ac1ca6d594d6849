"""What a page is told of the studio, as plain data for JSON; keys and passwords in addresses are masked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from realtime.config import Settings
from realtime.meter import Statistics, milliseconds
from realtime.steering.show import Show
from realtime.studio.secrecy import hidden, scrubbed


def loop(show: Show) -> dict[str, str]:
    """Whether it runs, and what is wrong."""
    return {"state": show.state, "problem": scrubbed(show.problem)}


def settings(show: Show) -> dict[str, Any]:
    """The settings, and whether there is something to undo or to do again."""
    return {"settings": plain(show.settings), "history": {"undo": show.undoable, "redo": show.redoable}}


def plain(wanted: Settings) -> dict[str, Any]:
    """Settings as a page sees them."""
    data: dict[str, Any] = hidden(wanted.model_dump(mode="json"))
    return data


def outputs(show: Show) -> list[dict[str, Any]]:
    """The sinks."""
    # A sentence that begins with an address is more than that.
    return [hidden(asdict(output)) | {"problem": scrubbed(output.problem)} for output in show.outputs()]


def faces(show: Show) -> list[dict[str, Any]]:
    """Everybody in the newest frame."""
    return [asdict(face) for face in show.faces()]


def figures(statistics: Statistics | None) -> dict[str, Any]:
    """The loop's figures now; times in milliseconds, nothing but zeros where it does not run."""
    if statistics is None:
        return {"fps": 0.0, "latency": None, "dropped": {}, "stages": [], "quality": None, "age": None, "frames": 0, "seconds": 0.0}
    spread = milliseconds(statistics.latency)
    return {
        "fps": round(statistics.fps_now, 2),
        "latency": {name: spread[name] for name in ("p50", "p95", "p99")},
        "dropped": {name: count for name, count in statistics.dropped.items() if count},
        "stages": [{"name": step.name, "thread": step.thread, "ms": round(step.recent * 1e3, 3)} for step in statistics.stages],
        "quality": statistics.quality and {"setting": statistics.quality.setting, "now": statistics.quality.now},
        "age": statistics.age and round(statistics.age * 1e3, 1),
        "frames": statistics.frames,
        "seconds": round(statistics.seconds, 1),
    }


__all__ = ["faces", "figures", "loop", "outputs", "plain", "settings"]
