"""The settings of a training run: a YAML file's, over them those of --set; every mistake is told with its place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from realtime.frame import RealtimeError

if TYPE_CHECKING:
    from models.training.settings import TrainSettings


def recipe(config: Path | None, changes: Sequence[str], stored: TrainSettings | None = None) -> TrainSettings:
    """The settings: of the file, else those a run was `stored` with, else the defaults; `changes` are key=value.  Raises RealtimeError."""
    from models.training.settings import checked, read

    try:
        if stored is None or config is not None:
            stored = read(config)
        data = stored.model_dump(mode="json")
        for change in changes:
            _change(data, change)
            stored = checked(data, f"--set {change}: ")
    except ValueError as error:
        raise RealtimeError(f"{error}.") from None
    except OSError as error:
        raise RealtimeError(f"The settings {config} cannot be read: {error.strerror}.") from None
    return stored


def _change(data: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RealtimeError(f"--set {text}: expected key=value, for example --set phases.0.batch=8.")
    *above, last = name.strip().split(".")
    here: Any = data
    for key in above:
        here = here[_key(here, key, text)]
    try:
        here[_key(here, last, text)] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise RealtimeError(f"--set {text}: {value!r} is no value.") from None


def _key(here: Any, key: str, text: str) -> str | int:
    """The key as what it leads into has it."""
    if isinstance(here, list):
        if key.isdecimal() and int(key) < len(here):
            return int(key)
        raise RealtimeError(f"--set {text}: there are {len(here)} entries, counted from 0; got {key}.")
    if isinstance(here, dict):
        if key in here:
            return key
        near = difflib.get_close_matches(key, here, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(here)}."
        raise RealtimeError(f'--set {text}: unknown key "{key}"; {hint}')
    raise RealtimeError(f"--set {text}: what stands before {key} is a single value.")


__all__ = ["recipe"]
