"""One line of the examination of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination.

    state: ok; warn: a part of swapcam is missing or slow; fail: swapcam cannot work here at all.
    fix: the command or step that helps, "" where there is nothing to do.
    """

    name: str
    state: State
    text: str
    fix: str = ""


__all__ = ["Check", "State"]
