"""What a run's folder knows of itself beside its checkpoint and figures: the set, the terms of its photos, the settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.training.data import register, shards
from models.training.settings import TrainSettings

ABOUT = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """data: the set's folder.  terms: of all photos that it ever saw, which its weights carry."""

    data: str
    terms: list[str]
    settings: dict[str, Any]

    def settled(self) -> TrainSettings:
        """The settings as such.  Raises ValueError for those of another version."""
        try:
            return TrainSettings.model_validate(self.settings)
        except ValidationError as error:
            raise ValueError(f"the run's settings are of another version ({error.errors()[0]['msg']}); give them with --config") from error


def about(out: Path) -> Run | None:
    """What a run's folder knows; None where it is none yet.  Raises ValueError for a broken file."""
    path = out / ABOUT
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Run(str(stored["data"]), [str(line) for line in stored["terms"]], dict(stored["settings"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: cannot be read ({error!r}); delete it, and go on with the checkpoint beside it") from error


def begin(out: Path, data: Path, settings: TrainSettings) -> None:
    """Note what a run is made of, when it begins and when it goes on.  Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    before = about(out)
    terms = [*(before.terms if before else []), *register.about(data).terms]
    new = Run(str(data.resolve()), list(dict.fromkeys(terms)), settings.model_dump(mode="json"))
    shards.put(out / ABOUT, asdict(new))


def card(run: Run | None, data: Path, step: int) -> dict[str, str]:
    """What weights say of themselves: terms and number of the photos, faces seen.  data: the set; run: None where it was not noted."""
    known = register.about(data)
    photos = ", ".join(f"{layout} {count:,}" for layout, count in known.layouts.items())
    told = {"terms": "; ".join(run.terms if run else known.terms) or "not stated", "data": photos or "not stated"}
    return told | ({"faces_seen": str(seen(run.settled(), step))} if run else {})


def seen(settings: TrainSettings, step: int) -> int:
    """How many faces a run has seen at a step, in one process."""
    spans = zip(settings.phases, settings.starts(), strict=True)
    return sum(max(0, min(step, phase.until) - start) * phase.batch for phase, start in spans)


def work(settings: TrainSettings, step: int) -> float:
    """How many pixels a run has still to see after a step; a step's time is about in proportion to its own."""
    spans = zip(settings.phases, settings.starts(), strict=True)
    return float(sum(max(0, phase.until - max(step, start)) * phase.batch * phase.side**2 for phase, start in spans))


__all__ = ["ABOUT", "Run", "about", "begin", "card", "seen", "work"]
