"""Each part of the engine off by itself: what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.quality import store
from benchmarks.quality.figures import KEPT, STEADY, overall
from realtime.config import Settings

# The settings that switch a part; those that this version has are used.
_OFF = (
    ("swap", "shape", 0),
    ("swap", "light", 0),
    ("swap", "eyes", 0),
    ("swap", "occlusion", 0),
    ("swap", "glasses", 0),
    ("swap", "iris", 0),
    ("blend", "seam", 0),
    ("blend", "grain", 0),
)
_IDENTITY = ("source", "target", "distance")


def variants() -> list[tuple[str, list[str]]]:
    """(name, settings) of every part that can be switched off."""
    return [
        (f"{section}.{key}={value}", [f"{section}.{key}={value}"])
        for section, key, value in _OFF
        if key in type(getattr(Settings(), section)).model_fields
    ]


def table(document: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Columns and lines: everything as set, then each part off, as means over all cases."""
    judges = [judge["name"] for judge in document["judges"]]
    wanted = [(f"{judge}.{name}", f"{judge} {name}") for judge in judges for name in _IDENTITY] + [*KEPT, *STEADY]
    means = {"as set": overall(document["rows"])}
    means |= {_short(name): overall(rows) for name, rows in document["ablation"].items() if rows}
    there = [(name, heading) for name, heading in wanted if name in means["as set"]]
    lines: list[list[object]] = []
    for name, found in means.items():
        lines.append([name, *(_cell(key, found.get(key)) for key, _ in there)])
    return ["", *(heading for _, heading in there)], lines


def show(document: dict[str, Any], markdown: Path | None) -> None:
    """Print the table, transposed so that it fits a page, and write it as Markdown where wanted; raises RealtimeError."""
    columns, lines = table(document)
    turned = [[heading, *(line[number] for line in lines)] for number, heading in enumerate(columns) if number]
    headings = ["figure", *(str(line[0]) for line in lines)]
    report.show("Each part off by itself", headings, turned)
    if markdown:
        rule = "|".join(["---", *("---:" for _ in lines)])
        body = "\n".join("| " + " | ".join(report.cell(value) for value in row) + " |" for row in turned)
        store.write(markdown, f"`{report.command()}`\n\n| {' | '.join(headings)} |\n|{rule}|\n{body}\n")


def _short(name: str) -> str:
    """`no shape` for `swap.shape=0`, so that a terminal has room for all of them."""
    return f"no {name.partition('.')[2].partition('=')[0]}"


def _cell(key: str, value: float | None) -> object:
    return value if value is None or "." not in key else f"{value:.3f}"


__all__ = ["show", "table", "variants"]
