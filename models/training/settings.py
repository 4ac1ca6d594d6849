"""What a training run is made of: the file that `swapcam train run --config` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(_Part):
    """side: px of the pictures, a multiple of 16 up to 128.  until: the step at which the next phase begins.

    adversarial, identity, steady: weights of losses that would disturb the first steps.
    """

    side: int = Field(128, ge=32, le=128, multiple_of=16)
    until: int = Field(ge=1)
    batch: int = Field(16, ge=1)
    rate: float = Field(1e-3, gt=0)
    adversarial: float = Field(0.0, ge=0)
    identity: float = Field(0.0, ge=0)
    steady: float = Field(0.0, ge=0)


class Weights(_Part):
    """How much each loss counts."""

    pixels: float = Field(4.0, ge=0)
    blurred: float = Field(6.0, ge=0)
    light: float = Field(4.0, ge=0)
    features: float = Field(0.5, ge=0)
    alpha: float = Field(0.3, ge=0)
    structure: float = Field(2.0, ge=0)
    residual: float = Field(0.1, ge=0)
    rim: float = Field(4.0, ge=0)
    colour: float = Field(8.0, ge=0)


class Shares(_Part):
    """What a batch is made of: a photo on itself, on another of the same person, on a stranger; the rest is strangers."""

    itself: float = Field(0.2, ge=0, le=1)
    same: float = Field(0.4, ge=0, le=1)

    @model_validator(mode="after")
    def _one_in_all(self) -> Shares:
        if self.itself + self.same > 1 + 1e-9:
            raise ValueError(f"got shares of {self.itself} and {self.same}, expected no more than 1 in all")
        return self


class TrainSettings(_Part):
    """seed: of everything random.  widths: channels of the generator, the finest first.  average: of the EMA, per step.

    threads: of the processor, 0 for as many as torch takes.  compile: the networks, on CUDA alone.
    other_set: go on from a checkpoint that was trained on other photos.
    """

    seed: int = 0
    widths: tuple[int, ...] = (16, 32, 64, 96)
    average: float = Field(0.999, ge=0, lt=1)
    phases: tuple[Phase, ...] = (
        Phase(side=64, until=4000, rate=1.5e-3),
        Phase(side=128, until=6000, batch=12, rate=8e-4),
        Phase(side=128, until=16000, batch=12, rate=6e-4, adversarial=0.02, identity=0.9, steady=2.0),
    )
    weights: Weights = Weights()
    shares: Shares = Shares()
    save_every: int = Field(200, ge=1)
    show_every: int = Field(500, ge=1)
    threads: int = Field(0, ge=0)
    compile: bool = False
    other_set: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> TrainSettings:
        ends = [phase.until for phase in self.phases]
        if not ends or ends != sorted(set(ends)):
            raise ValueError(f"got phases that end at {ends}, expected at least one, each to end later than the one before it")
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"got widths {list(self.widths)}, expected at least two, all positive")
        return self

    def phase(self, step: int) -> Phase:
        """The phase that a step belongs to; after the last one, the last."""
        return next((phase for phase in self.phases if step < phase.until), self.phases[-1])


def read(path: Path | None) -> TrainSettings:
    """The settings of a YAML or JSON file, the defaults for none.  Raises ValueError that names the file and each mistake, OSError."""
    import yaml

    if path is None:
        return TrainSettings()
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TrainSettings.model_validate({} if found is None else found)
    except ValidationError as error:
        said = {".".join(map(str, line["loc"])) or "settings": line["msg"].removeprefix("Value error, ") for line in error.errors()}
        raise ValueError(f"{path}: {'; '.join(f'{place}: {what}' for place, what in said.items())}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as YAML ({str(error).splitlines()[0]})") from error


__all__ = ["Phase", "Shares", "TrainSettings", "Weights", "read"]
