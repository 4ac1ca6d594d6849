"""What a run's folder knows of itself beside its checkpoint: the set, its terms, the settings, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models.training import register, shards
from models.training.settings import TrainSettings

ABOUT = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """data: the set's folder.  terms: of its photos, which weights carry.  figures: the last that were told, at `step`."""

    data: str
    terms: str
    settings: dict[str, Any]
    step: int = 0
    figures: dict[str, float] = field(default_factory=dict)

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
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); delete it, the checkpoint beside it is enough to go on from") from error


def begin(out: Path, data: Path, settings: TrainSettings) -> None:
    """Note what a run is made of, when it begins and when it goes on.  Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    before = about(out)
    # Whatever data a run has ever seen is in its weights.
    terms = dict.fromkeys([*(before.terms.split("; ") if before and before.terms else []), *filter(None, [register.about(data).terms])])
    new = Run(str(data.resolve()), "; ".join(terms), settings.model_dump(mode="json"))
    _keep(out, new if before is None else Run(new.data, new.terms, new.settings, before.step, before.figures))


def note(out: Path, step: int, figures: Mapping[str, float]) -> None:
    """Note how far a run is.  Raises OSError."""
    before = about(out)
    if before is not None:
        _keep(out, Run(before.data, before.terms, before.settings, step, dict(figures)))


def picture(out: Path, sheet: NDArray[np.float32]) -> None:
    """Keep the latest sheet, (3, h, w) RGB 0..1, as sheet.png.  Raises OSError."""
    levels = np.rint(np.clip(sheet, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)[..., ::-1]
    part = out / "sheet.part.png"
    part.write_bytes(cv2.imencode(".png", np.ascontiguousarray(levels))[1].tobytes())
    part.replace(out / "sheet.png")


def work(settings: TrainSettings, step: int) -> float:
    """How many pixels a run has still to see after a step; a step's time is about in proportion to its own."""
    starts = [0, *(phase.until for phase in settings.phases)]
    spans = zip(settings.phases, starts, strict=False)
    return float(sum(max(0, phase.until - max(step, start)) * phase.batch * phase.side**2 for phase, start in spans))


def _keep(out: Path, run: Run) -> None:
    shards.put(out / ABOUT, asdict(run))


__all__ = ["ABOUT", "Run", "about", "begin", "note", "picture", "work"]
