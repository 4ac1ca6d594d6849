"""The figures as PNG: every case's identity, and how it goes along the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from models.whole import replacing


def draw(path: Path, rows: Sequence[Mapping[str, Any]], judges: Sequence[str]) -> None:
    """Two panels for each judge: result-source and result-target of every case, and result-source minus result-target over frames."""
    figure, axes = report.canvas(2 * len(judges), 3.2)
    names = [f"{row['clip']}\n{row['source']}\n{row['engine']}" for row in rows]
    places = np.arange(len(rows))
    for number, judge in enumerate(judges):
        bars, lines = axes[2 * number], axes[2 * number + 1]
        for shift, key in enumerate(("source", "target", "base")):
            values = [row["metrics"].get(f"{judge}.{key}", np.nan) for row in rows]
            bars.bar(places + (shift - 1) * 0.27, values, 0.25, label={"base": "source - target"}.get(key, f"result - {key}"))
        bars.set(title=f"{judge}: mean cosine", xticks=places)
        many = len(rows) > 10
        bars.set_xticklabels([name.replace("\n", " + ") for name in names] if many else names, fontsize=6, rotation=90 if many else 0)
        low = min((row["metrics"].get(f"{judge}.{key}", 1.0) for row in rows for key in ("source", "target", "base")), default=0.0)
        bars.set_ylim(min(0.0, low - 0.02) if low < 0.4 else low - 0.05, None)
        bars.legend(fontsize=7, ncols=3)
        for row, name in zip(rows, names, strict=True):
            series = row["series"]
            if f"{judge}.source" in series:
                margin = np.array(series[f"{judge}.source"]) - np.array(series[f"{judge}.target"])
                lines.plot(series["index"], margin, linewidth=0.9, label=name.replace("\n", " + ", 1).split("\n")[0])
        lines.axhline(0, color="black", linewidth=0.6)
        lines.set(title=f"{judge}: nearer the source above the line (cosine, source less target)", xlabel="frame")
        if len(rows) <= 12:
            lines.legend(fontsize=6, ncols=3)
    with replacing(path, None) as file:
        figure.savefig(file, dpi=120, format=(path.suffix.lstrip(".") or "png"))


__all__ = ["draw"]
