"""Running cases: one source on one clip through the real loop, and what came of it as plain figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality import attributes, identity, realism, sheets, temporal
from benchmarks.quality.cases import Case, Source
from benchmarks.quality.codec import Call, Line, Link
from benchmarks.quality.judges import Embedding, Judge
from benchmarks.quality.meanings import merge
from benchmarks.quality.scale import Scale
from benchmarks.quality.watch import Entering, Leaving
from models.detector import Detector
from models.finding import faces, height
from models.landmarks import Landmarker
from realtime.frame import RealtimeError
from realtime.settings import Draft
from realtime.sources.photo import read_photo

MEASURES = (attributes.light, attributes.background, realism.measure, temporal.measure)
_SPREAD, _EXTREME = 10, 4
_BLOCK = 8


@dataclass(frozen=True)
class Jury:
    """The judges, and what each knows: its scale, and an embedding of every source."""

    judges: Sequence[Judge]
    scales: Sequence[Scale | None]
    gallery: dict[str, list[Embedding]]

    @classmethod
    def assemble(
        cls, judges: Sequence[Judge], scales: Sequence[Scale | None], sources: Sequence[Source], others: Sequence[Source] = ()
    ) -> Jury:
        """Show every source's photos to every judge, then those of other people, who only make finding the source harder.

        Raises RealtimeError for a photo in which no face is found.
        """
        gallery: dict[str, list[Embedding]] = {judge.name: [] for judge in judges}
        with closing(Detector()) as detector, closing(Landmarker()) as landmarker:
            for source in (*sources, *others):
                views = []
                for photo in source.photos:
                    image = read_photo(photo)
                    found = faces(image, detector, landmarker)
                    if not found:
                        raise RealtimeError(f"{photo}: no face was found; give a photo that shows the whole face from the front.")
                    views.append((image, max(found, key=height)))
                for judge in judges:
                    seen = [judge(image, landmarks) for image, landmarks in views]
                    gallery[judge.name].append(np.mean(seen, axis=0))
        return cls(judges, scales, gallery)


def run(
    case: Case,
    changes: Sequence[str],
    jury: Jury,
    mine: int,
    every: int,
    seconds: float | None,
    targets: dict[tuple[str, int], Embedding],
    call: Call | None = None,
) -> dict[str, Any]:
    """What one case came to: counts, `metrics` by name, `errors` (their standard errors), `frames` (series) and `stills`.

    changes: settings as `section.key=value`.  mine: the source's number in the jury's gallery.  targets: see Leaving.
    call: what stands between the loop and the judges; None: nothing.
    Raises RealtimeError, also for a clip in which no face was ever swapped.
    """
    from realtime.build import build

    draft = Draft()
    draft.put(("input",), dict(case.clip.input), "--clips")
    draft.put(("outputs",), [{"kind": "none"}], "benchmark")
    draft.put(("swap", "sources"), [case.source.given], "--sources")
    for change in changes:
        draft.assign(change)
    entering = Entering()
    with closing(Landmarker()) as landmarker:
        leaving = Leaving(entering, landmarker, jury.judges, MEASURES, every, seconds, lambda: None, targets)
        with build(draft.check(), around=(entering, leaving)) as loop:
            leaving.done = loop.pipeline.quit
            if call:
                size, rate = loop.source.size, loop.source.rate  # type: ignore[attr-defined]
                leaving.line = Line(Link(call, size, rate), Link(call, size, rate))
            loop.pipeline.run()
        leaving.finish()
    if not leaving.counts.worn:
        raise RealtimeError(f"{case.clip.name}: no face was found in {leaving.counts.frames} frames; give a clip that shows one.")
    return _result(case, jury, mine, leaving)


def _result(case: Case, jury: Jury, mine: int, seen: Leaving) -> dict[str, Any]:
    counts = seen.counts
    metrics = {"worn": counts.worn / counts.frames, "lost": counts.lost / counts.frames}
    errors: dict[str, float] = {}
    series: dict[str, list[float]] = {"index": [still.index for still in seen.stills]}
    for judge, scale in zip(jury.judges, jury.scales, strict=True):
        found = seen.seen.get(judge.name)
        if found is None:
            continue
        gallery = jury.gallery[judge.name]
        figures = identity.measure(found, gallery, mine, judge.distances, scale)
        metrics |= {f"{judge.name}.{name}": value for name, value in figures.items()}
        rows = identity.per_frame(found, gallery[mine], judge.distances)
        series |= {f"{judge.name}.{name}": np.round(values, 4).tolist() for name, values in rows.items()}
        series["yaw"] = np.round(found.yaws, 1).tolist()
        rows |= identity.parts(rows, np.array(found.yaws))
        errors |= {f"{judge.name}.{name}": _error(values) for name, values in rows.items()}
        if scale:
            errors[f"{judge.name}.rescaled"] = errors[f"{judge.name}.source"] / (scale.same - scale.stranger)
    windows, window_errors = _windows(seen)
    metrics |= windows | attributes.geometry([before for before, _ in seen.faces], [after for _, after in seen.faces])
    return {
        "clip": case.clip.name,
        "source": case.source.name,
        "frames": counts.frames,
        "judged": len(seen.stills),
        "unseen": counts.unseen,
        "metrics": metrics,
        "errors": errors | window_errors,
        "series": series,
        "stills": _stills(seen, jury, series),
    }


def _windows(seen: Leaving) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of all windows together, and the standard error of each where there are several."""
    errors = {}
    for name in dict.fromkeys(name for _, figures in seen.figures for name in figures):
        values = np.array([figures[name] for _, figures in seen.figures if name in figures])
        if len(values) > 1:
            errors[name] = float(values.std(ddof=1) / np.sqrt(len(values)))
    return merge([(figures, length) for length, figures in seen.figures]), errors


def _error(values: Embedding) -> float:
    """Standard error of a mean over frames, of which neighbours are alike: by the means of blocks of eight."""
    blocks = [values[start : start + _BLOCK].mean() for start in range(0, len(values) - _BLOCK // 2, _BLOCK)]
    spread = np.array(blocks) if len(blocks) > 2 else values
    return float(spread.std(ddof=1) / np.sqrt(len(spread))) if len(spread) > 1 else 0.0


def _stills(seen: Leaving, jury: Jury, series: dict[str, list[float]]) -> dict[str, Any]:
    """Frames to look at: evenly spread ones, and those in which the first judge sees least and most of the source."""
    judge = jury.judges[0].name
    margin = np.array(series.get(f"{judge}.source", [])) - np.array(series.get(f"{judge}.target", []))
    order = np.argsort(margin)
    chosen = {
        "spread": sheets.evenly(len(seen.stills), _SPREAD),
        "worst": order[:_EXTREME].tolist(),
        "best": order[: -_EXTREME - 1 : -1].tolist(),
    }
    keep = sorted({position for positions in chosen.values() for position in positions})
    pictures = {str(i): {"target": sheets.text(seen.stills[i].target), "result": sheets.text(seen.stills[i].result)} for i in keep}
    return chosen | {"pictures": pictures}


__all__ = ["MEASURES", "Jury", "run"]
