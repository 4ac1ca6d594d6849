"""python -m benchmarks quality: the real loop over clips and sources, judged and measured."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from benchmarks import report
from realtime.frame import RealtimeError

_GREEDY = frozenset({"--clips", "--sources", "--judge", "--engines", "--set", "--people", "--gallery"})
_ROW = {"engine", "clip", "source", "metrics", "errors"}
_ENDINGS = {"--plot": (".png", ".svg", ".pdf"), "--sheet": (".jpg", ".jpeg", ".png")}


class Greedy(TyperCommand):
    """A command some of whose options take everything up to the next option, so that a shell's wildcards can follow them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`--clips a b` is read as `--clips a --clips b`."""
        spread: list[str] = []
        current = ""
        for arg in args:
            if arg.startswith("--"):
                current = arg if arg in _GREEDY else ""
                spread += [] if current else [arg]
            else:
                spread += [current, arg] if current else [arg]
        return super().parse_args(ctx, spread)


def quality(
    clips: Annotated[list[str] | None, typer.Option(help="Clips, photos and folders of them; without, two portraits move.")] = None,
    sources: Annotated[
        list[str] | None, typer.Option(help="Photos, folders, or NAME=photo.jpg for somebody enrolled and what judges may see of them.")
    ] = None,
    judge: Annotated[list[str] | None, typer.Option(help="dlib, or an ONNX file of the ArcFace family.")] = None,
    engines: Annotated[list[str] | None, typer.Option(help="Engines to compare, with spaces or commas between.")] = None,
    every: Annotated[int, typer.Option(min=1, max=100, help="Judge every n-th frame; measure 24 frames in a row of each 24 n.")] = 5,
    seconds: Annotated[float | None, typer.Option(min=0.04, help="Of each clip, from its start.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="One setting: section.key=value.")] = None,
    gallery: Annotated[list[str] | None, typer.Option(help="Photos of more people, among whom the source has to be found again.")] = None,
    people: Annotated[
        list[Path] | None, typer.Option(help="Labelled faces (LFW folder or tar files) to measure the judges' scales on.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures as PNG.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one page with figures, worst and best frames.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet as JPEG or PNG.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder for finished cases, which are not run again.")] = None,
    compare: Annotated[tuple[Path, Path] | None, typer.Option(help="Say what got better and worse from one JSON to another.")] = None,
    call: Annotated[str | None, typer.Option(help="Judge and measure what arrives through a video call: 720p or 360p.")] = None,
    occlusion: Annotated[bool, typer.Option("--occlusion", help="Also move known objects before the face of each clip.")] = False,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also with each part of the engine off.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Write the table of --ablate as Markdown.")] = None,
) -> None:
    """Whose face the result shows, what it kept of the target, how steady and how real it looks."""
    with report.plainly("quality"):
        if compare:
            from benchmarks.quality.compare import say

            say(_read(compare[0]), _read(compare[1]))
            return
        if markdown and not ablate:
            raise RealtimeError("--markdown writes the table of --ablate; give both.")
        check_places({"--json": json, "--plot": plot, "--html": html, "--sheet": sheet, "--markdown": markdown})
        from benchmarks.quality.session import Session, Wish

        names = [name for text in engines or ["mesh"] for name in text.split(",") if name]
        with TemporaryDirectory() as folder:
            wish = Wish(
                clips or [], sources or [], judge or ["dlib"], names, every, seconds, set or [], people or [], gallery or [], resume, call
            )
            session = Session.open(wish, Path(folder))
            document = session.measure(ablate, occlusion)
        _tables(document)
        if ablate:
            from benchmarks.quality import ablation

            ablation.show(document, markdown)
        _write(document, json, plot, html, sheet)
        if document["troubles"]:
            raise RealtimeError("Left out:\n" + "\n".join(document["troubles"]))


def check_places(places: dict[str, Path | None]) -> None:
    """Raise RealtimeError for a file that could not be written in the end, before anything long begins."""
    for option, path in places.items():
        if path is None:
            continue
        if not path.parent.is_dir():
            raise RealtimeError(f"{option} {path}: there is no folder {path.parent}; make it first.")
        if path.is_dir():
            raise RealtimeError(f"{option} {path} is a folder; give the name of a file in it.")
        endings = _ENDINGS.get(option, ())
        if endings and path.suffix.lower() not in endings:
            raise RealtimeError(f"{option} {path}: a picture's name has to end in {' or '.join(endings)}.")


def _tables(document: dict[str, Any]) -> None:
    from benchmarks.quality.figures import demands, tables
    from benchmarks.quality.scale import CAVEAT, QUOTED

    for title, columns, lines in tables(document["rows"], [judge["name"] for judge in document["judges"]]):
        report.show(title, columns, lines)
    for title, columns, lines in demands(document):
        report.show(title, columns, lines)
    if "occlusion" in document:
        from benchmarks.quality import objects

        report.show("Objects before the face", *objects.table(document["occlusion"]))
    for judge in document["judges"]:
        known = judge["scale"]
        scale = "scale unknown (--people measures it)"
        if known:
            scale = f"strangers {known['stranger']:.3f}, same person {known['same']:.3f} ({known['origin']})"
        report.say(f"Judge {judge['name']}: {scale}.")
    report.say("Quoted by others: " + "; ".join(f"{who} {value}" for who, value in QUOTED) + ".")
    report.say(CAVEAT)


def _write(document: dict[str, Any], json: Path | None, plot: Path | None, html: Path | None, sheet: Path | None) -> None:
    from benchmarks.quality import page, plots, sheets, store

    if json:
        bare = [{key: value for key, value in row.items() if key != "stills"} for row in document["rows"]]
        store.write(json, report.document(document | {"rows": bare}))
    if plot:
        plots.draw(plot, document["rows"], [judge["name"] for judge in document["judges"]])
    if html:
        page.write(html, document)
    if sheet:
        sheets.contact(sheet, document["rows"])


def _read(path: Path) -> dict[str, Any]:
    """A report of this command; raises RealtimeError for anything else."""
    try:
        found = jsonlib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RealtimeError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise RealtimeError(f"{path} is not JSON; give what --json wrote.") from None
    rows = found.get("rows") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= _ROW for row in rows):
        raise RealtimeError(f"{path} is no report of this command: it has no rows of figures; give what --json wrote.")
    return dict(found)


__all__ = ["Greedy", "check_places", "quality"]
