"""What a training run is made of: the file that `swapcam train run --config` reads."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

# The side of what is exported.
_EXPORTED = 128


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    colour: float = Field(30.0, ge=0)


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

    seed: int = Field(0, ge=0, lt=2**32)
    widths: tuple[int, ...] = (16, 32, 64, 96)
    average: float = Field(0.999, ge=0, lt=1)
    phases: tuple[Phase, ...] = (
        Phase(side=64, until=4000, rate=1.5e-3),
        Phase(side=128, until=6000, batch=12, rate=8e-4),
        Phase(side=128, until=16000, batch=12, rate=6e-4, adversarial=0.02, identity=0.6, steady=3.0),
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
        unit = 2 ** len(self.widths)
        sides = [phase.side for phase in self.phases if phase.side % unit]
        if _EXPORTED % unit or sides:
            got = "at the most seven" if _EXPORTED % unit else f"sides to be multiples of {unit}, got {sides[0]}"
            raise ValueError(f"got {len(self.widths)} widths, each of which halves the picture, expected {got}")
        return self

    def starts(self) -> list[int]:
        """The step at which each phase begins."""
        return [0, *(phase.until for phase in self.phases[:-1])]

    def phase(self, step: int) -> Phase:
        """The phase that a step belongs to; after the last one, the last."""
        return next((phase for phase in self.phases if step < phase.until), self.phases[-1])


def read(path: Path | None) -> TrainSettings:
    """The settings of a YAML or JSON file, the defaults for none.  Raises ValueError that names the file and each mistake, OSError."""
    if path is None:
        return TrainSettings()
    try:
        # A loader is safe where it builds no more than the safe one.
        found: Any = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(f"{path}{f', line {mark.line + 1}' if mark else ''}: cannot be read as YAML ({what})") from error
    return checked({} if found is None else found, f"{path}: ")


def checked(data: object, place: str) -> TrainSettings:
    """The settings of plain data.  place: put before what is said of it.  Raises ValueError that names the key of each mistake."""
    try:
        return TrainSettings.model_validate(data)
    except ValidationError as error:
        said = [_told(line["loc"], line["type"], line["msg"], line["input"]) for line in error.errors()]
        raise ValueError(place + "; ".join(said)) from None


def _told(keys: Sequence[int | str], kind: str, words: str, found: object) -> str:
    where = ".".join(map(str, keys)) or "settings"
    if kind == "value_error":
        return f"{where}: {words.removeprefix('Value error, ')}"
    if kind == "extra_forbidden":
        return f"{where}: unknown key" + (f"; known: {', '.join(TrainSettings.model_fields)}" if len(keys) == 1 else "")
    return f"{where}: {words}, got {str(found)[:60]}"


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in names[:number]:
                raise yaml.constructor.ConstructorError(None, None, f'the key "{key.value}" is there twice', key.start_mark)
        return super().construct_mapping(node, deep)


__all__ = ["Phase", "Shares", "TrainSettings", "Weights", "checked", "read"]
