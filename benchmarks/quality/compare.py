"""Two reports beside each other: what got better and what got worse, beyond noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.quality.figures import cost
from realtime.frame import RealtimeError

# A change below this share of a figure is nobody's, however steadily it shows.
_LEAST = 0.005
# What is measured once in a clip says nothing of its own noise.
_UNKNOWN = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both reports, as means over the cases that both have.

    noise: what the difference may be by chance (two standard errors).  verdict: better, worse, same, or changed for a
    figure that is neither good nor bad.
    """

    name: str
    before: float
    after: float
    noise: float
    verdict: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every figure of the cases (engine, clip, source) that both reports have; raises RealtimeError where there are none."""
    old, new = ({(row["engine"], row["clip"], row["source"]): row for row in found["rows"]} for found in (before, after))
    common = [key for key in old if key in new]
    if not common:
        raise RealtimeError("The two reports have no case (engine, clip and source) in common, so there is nothing to compare.")
    result = []
    for name in dict.fromkeys(name for key in common for name in old[key]["metrics"]):
        keys = [key for key in common if name in old[key]["metrics"] and name in new[key]["metrics"]]
        if keys:
            result.append(_change(name, [old[key] for key in keys], [new[key] for key in keys]))
    return result


def say(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Print what got better and worse, then how many figures did not move; raises RealtimeError."""
    found = changes(before, after)
    for verdict in ("better", "worse", "changed"):
        rows = [[change.name, *(f"{value:.4g}" for value in _values(change))] for change in found if change.verdict == verdict]
        if rows:
            report.show(verdict.capitalize(), ["figure", "before", "after", "difference", "noise"], rows)
    same = sum(change.verdict == "same" for change in found)
    report.say(f"{same} of {len(found)} figures are the same within noise.")


def _values(change: Change) -> tuple[float, ...]:
    return change.before, change.after, change.after - change.before, change.noise


def _change(name: str, old: list[Mapping[str, Any]], new: list[Mapping[str, Any]]) -> Change:
    first, second = (np.array([row["metrics"][name] for row in rows], np.float64) for rows in (old, new))
    before, after = float(first.mean()), float(second.mean())
    known = [row["errors"][name] for row in (*old, *new) if name in row["errors"]]
    within = float(np.sqrt(np.sum(np.square(known)))) / len(old) if len(known) == 2 * len(old) else _UNKNOWN / 2 * abs(before)
    # The same frames stand in both reports, so what all cases share in direction is no chance even where frames scatter.
    paired = float((second - first).std(ddof=1) / np.sqrt(len(old))) if len(old) > 3 else None
    noise = max(2 * (within if paired is None else paired), _LEAST * abs(before))
    worse = [cost(name, value) for value in (before, after)]
    if abs(after - before) <= noise:
        verdict = "same"
    elif worse[0] is None or worse[1] is None:
        verdict = "changed"
    else:
        verdict = "better" if worse[1] < worse[0] else "worse"
    return Change(name, before, after, noise, verdict)


__all__ = ["Change", "changes", "say"]
