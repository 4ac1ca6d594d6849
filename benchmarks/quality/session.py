"""A session: all cases, engines and variants of one command, one after another, with progress and what was done before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.quality import ablation, objects, scale, store
from benchmarks.quality.cases import Case, Source, gather, people
from benchmarks.quality.codec import CALLS, Call
from benchmarks.quality.figures import overall
from benchmarks.quality.folders import labelled
from benchmarks.quality.judges import Embedding, Judge, open_judges
from benchmarks.quality.run import Jury, run
from benchmarks.quality.stills import photographed
from models.network import NetworkError
from models.shelf.store import find, locate
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.networks import BUILT_IN, NEURAL
from realtime.settings import Draft


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for; see the command's options."""

    clips: Sequence[str]
    sources: Sequence[str]
    judges: Sequence[str]
    engines: Sequence[str]
    every: int
    seconds: float | None
    changes: Sequence[str]
    people: Sequence[Path]
    gallery: Sequence[str]
    resume: Path | None
    call: str | None


@dataclass
class Session:
    """What is to be run, checked and loaded.

    targets: what the judges saw in the untouched frames, by clip; neither source nor engine nor any part of it changes that.
    """

    wish: Wish
    cases: Sequence[Case]
    others: Sequence[Source]
    jury: Jury
    call: Call | None
    code: str
    targets: dict[str, dict[tuple[str, int], Embedding]] = field(default_factory=dict)

    @classmethod
    def open(cls, wish: Wish, folder: Path) -> Session:
        """Check everything and load the judges, before anything long begins; `folder` may be filled.  Raises RealtimeError."""
        calls = {known.name: known for known in CALLS}
        if wish.call is not None and wish.call not in calls:
            raise RealtimeError(f"--call {wish.call}: expected {' or '.join(calls)}.")
        if wish.resume is not None and wish.resume.is_file():
            raise RealtimeError(f"--resume {wish.resume} is a file; give a folder, which is made where there is none.")
        for engine in wish.engines:
            settings = _settings([*wish.changes, f"swap.engine={engine}"])
            if engine not in BUILT_IN:
                find(engine, settings.models.licence)
            _own(engine)
        cases = photographed(gather(wish.clips, wish.sources, wish.seconds), folder)
        everyone = list({case.source.name: case.source for case in cases}.values())
        known = {store.digest(photo) for source in everyone for photo in source.photos}
        others = [other for name in wish.gallery for other in people(name)]
        others = [other for other in others if not known & {store.digest(photo) for photo in other.photos}]
        opened = open_judges(list(wish.judges), list(wish.engines))
        scales = _scales(wish, opened)
        jury = Jury.assemble(opened, scales, everyone, others)
        return cls(wish, cases, others, jury, calls[wish.call] if wish.call else None, store.code())

    def measure(self, ablate: bool, occlusion: bool) -> dict[str, Any]:
        """Run everything; the document that reports are made of.

        A case that cannot be run is left out, and why stands under `troubles`.  Raises RealtimeError when none can.
        """
        variants = ablation.variants() if ablate else []
        moving = [case for case in reversed(self.cases) if case.clip.input["kind"] != "image"]
        firsts = list({case.clip.name: case for case in moving}.values())[::-1] if occlusion else []
        total = len(self.cases) * len(self.wish.engines) * (1 + len(variants)) + len(firsts)
        troubles: dict[str, None] = {}
        document: dict[str, Any] = {"every": self.wish.every, "seconds": self.wish.seconds, "settings": list(self.wish.changes)}
        document["call"] = self.call.name if self.call else None
        document["judges"] = [
            {"name": judge.name, "sha256": judge.sha256, "distances": judge.distances, "scale": asdict(known) if known else None}
            for judge, known in zip(self.jury.judges, self.jury.scales, strict=True)
        ]
        with _progress(total) as tell:
            document["rows"] = self._rows([], tell, troubles)
            if not document["rows"]:
                raise RealtimeError("\n".join(troubles))
            parts = {name: self._rows(changes, tell, troubles, bare=True) for name, changes in variants}
            covered = [found for case in firsts if (found := self._covered(case, tell, troubles))]
        document["troubles"] = list(troubles)
        if covered:
            document["occlusion"] = covered
        document["overall"] = {
            engine: overall([row for row in document["rows"] if row["engine"] == engine]) for engine in self.wish.engines
        }
        if ablate:
            document["ablation"] = parts
        return document

    def _rows(
        self, more: Sequence[str], tell: Callable[[str], None], troubles: dict[str, None], bare: bool = False
    ) -> list[dict[str, Any]]:
        rows = []
        names = list(dict.fromkeys(case.source.name for case in self.cases))
        for case in sorted(self.cases, key=lambda case: [other.clip.name for other in self.cases].index(case.clip.name)):
            for engine in self.wish.engines:
                changes = [*self.wish.changes, f"swap.engine={engine}", *more]
                tell(f"{case.clip.name} + {case.source.name}" + (f", {' '.join(more)}" if more else ""))
                name = self._key(case, changes)
                try:
                    found = store.load(self.wish.resume, name)
                    if found is None:
                        known = self.targets.setdefault(case.clip.name, {})
                        mine = names.index(case.source.name)
                        found = run(case, changes, self.jury, mine, self.wish.every, self.wish.seconds, known, self.call)
                        store.save(self.wish.resume, name, found)
                    rows.append({"engine": engine} | (_bare(found) if bare else found))
                except RealtimeError as error:
                    troubles[str(error)] = None
        return rows

    def _covered(self, case: Case, tell: Callable[[str], None], troubles: dict[str, None]) -> dict[str, Any] | None:
        """The occlusion figures of a case's clip."""
        tell(f"{case.clip.name}, objects before the face")
        name = self._key(case, ["occlusion"])
        try:
            found = store.load(self.wish.resume, name)
            if found is None:
                found = objects.measure(case, self.wish.seconds)
                store.save(self.wish.resume, name, found)
            return found
        except RealtimeError as error:
            troubles[str(error)] = None
            return None

    def _key(self, case: Case, changes: Sequence[str]) -> str:
        everyone = [*(case.source for case in self.cases), *self.others]
        photos = {source.name: [store.digest(photo) for photo in source.photos] for source in everyone}
        settings = None if changes == ["occlusion"] else _settings(changes)
        return store.key(
            {
                "clip": store.digest(case.clip.file),
                "input": {name: value for name, value in case.clip.input.items() if name != "path"},
                "source": [case.source.name, store.digest(Path(case.source.given))],
                "gallery": photos,
                "settings": settings and settings.model_dump(mode="json", exclude={"input", "outputs", "overlay"}),
                "models": _models(settings) if settings else [],
                "judges": [[judge.name, judge.sha256] for judge in self.jury.judges],
                "scales": [asdict(known) if known else None for known in self.jury.scales],
                "every": self.wish.every,
                "seconds": self.wish.seconds,
                "call": self.call.name if self.call else None,
                "code": self.code,
                "names": [case.clip.name, case.source.name],
            }
        )


def _scales(wish: Wish, judges: Sequence[Judge]) -> list[scale.Scale | None]:
    """Of each judge the scale measured on the people given, or the known one, or none."""
    if not wish.people:
        return [scale.known(judge) for judge in judges]
    name = store.key({"scale": [judge.sha256 for judge in judges], "people": [store.digest(path) for path in wish.people]})
    kept = store.load(wish.resume, name)
    if kept is None:
        report.say(f"Measuring the scale of {len(judges)} judge(s) on labelled people, once.")
        origin = f"pairs from {', '.join(path.name for path in wish.people)}"
        kept = {"scales": [asdict(found) for found in scale.measure(judges, labelled(wish.people), origin)]}
        store.save(wish.resume, name, kept)
    return [scale.Scale(**found) for found in kept["scales"]]


def _settings(changes: Sequence[str]) -> Settings:
    draft = Draft()
    for change in changes:
        draft.assign(change)
    return draft.check()


def _models(settings: Settings) -> list[tuple[str, int, int]]:
    """The files that the settings name as models: name, size and time of change, which tell another file of the same name."""
    swap = settings.swap
    names = {swap.engine, *swap.masks, swap.enhancer, swap.points, swap.recogniser, settings.detect.model} - BUILT_IN
    paths = {name: locate(name) for name in sorted(names)} | {path.name: path for path in _own(swap.engine)}
    stats = [(name, path.stat()) for name, path in paths.items()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _own(engine: str) -> tuple[Path, ...]:
    """The files of a built-in engine; raises RealtimeError where they are missing."""
    from models.generator.shipped import files

    try:
        return files() if engine == NEURAL else ()
    except NetworkError as error:
        raise RealtimeError(str(error)) from error


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("stills", "series")}


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """What to call with the name of each case when it begins: a bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():
        count = iter(range(1, total + 1))
        yield lambda name: report.say(f"{next(count)} of {total}: {name}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, start=True)
        count = iter(range(total))
        yield lambda name: bar.update(task, completed=next(count), description=name)


__all__ = ["Session", "Wish"]
