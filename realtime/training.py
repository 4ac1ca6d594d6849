"""swapcam train: from folders of photos to weights; prepare, distil, run, show, export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime.gauges import bar, counted, course, going_on, say
from realtime.terminal import plainly
from realtime.trainable import device_of, require_torch, terms_of

# Everything heavy is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(name="train", no_args_is_help=True, help="The generator's weights from photos: prepare, distil, run, show, export.")

Set = Annotated[Path, typer.Argument(metavar="SET", help="A set that `prepare` made.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `run` trained in.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


@app.command()
def prepare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of face photos, or of .tar files of them.")],
    out: Annotated[Path, typer.Option(help="The set: a new folder, or one to go on with or to add to.")],
    terms: Annotated[str, typer.Option(help="The terms that the photos come under; weights made from them carry these.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Processes; what comes out does not depend on it.")] = 2,
    sources: Annotated[int | None, typer.Option(min=1, help="How many photos are drawn on others; else all.")] = None,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Folders of an unknown layout are not one person each.")] = False,
) -> None:
    """Find, check and align the faces of photos, and draw them on one another; goes on where it was interrupted."""
    with _said(needs_torch=False) as console, going_on("What is finished is kept; start it again with the same command."):
        from models.training.data import pairs, register
        from models.training.data import prepare as making
        from models.training.data.layouts import find
        from realtime.frame import RealtimeError
        from realtime.machine.home import expanded

        out = expanded(out)
        with console.status("looking for photos"):
            found = {folder: find(folder, not unlabelled) for folder in map(expanded, folders)}
        known = {origin.folder: origin.terms for origin in register.about(out).origins}
        named = {at: terms or known.get(str(at.resolve()), "") or terms_of(at, photos.layouts) for at, photos in found.items()}
        with register.preparing(out):
            items = []
            for folder, photos in found.items():
                items += register.add(out, folder, photos, named[folder])
                say(f"{folder}: {counted(photos.layouts)}; terms: {named[folder]}")
                for reason, count in photos.left_out.items():
                    say(f"  left out {count:,}: {reason}")
            new = making.fresh(out, items)
            wanted = making.estimate(out, len(new), sources)
            say(f"{len(items):,} photos, {len(new):,} of them new; {wanted / 1e9:.1f} GB to write to {out}")
            making.check_disk(out, wanted)
            with bar(console, "photos") as advance:
                making.photos(out, items, workers, advance)
            register.keep(out, about := register.counted(out))
            if not about.counts.get("kept"):
                raise RealtimeError(f"None of the {len(items):,} photos has a face to train on: {counted(about.counts)}.")
            with bar(console, "pairs") as advance:
                pairs.pairs(out, sources, workers=workers, advance=advance)
            register.keep(out, about := register.counted(out))
            say(f"{out}: {counted(about.counts)}; {about.pairs:,} pairs. Next: swapcam train distil {out}")


@app.command()
def distil(
    folder: Set,
    steps: Annotated[int, typer.Option(min=1, help="Of 32 photos.")] = 3000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the encoder; runs that were trained with it need it.")] = False,
) -> None:
    """Teach the identity encoder of a set what its teacher, dlib's recogniser, sees in its photos."""
    kept = "Kept are what the teacher saw, once it saw all, and every 200th step; start it again with the same command to go on."
    with _said() as console, going_on(kept):
        from models.training import judges
        from models.training.data import shards
        from models.training.distil import describe, unfinished
        from models.training.distil import distil as teach
        from realtime.frame import RealtimeError
        from realtime.machine.home import expanded

        folder = expanded(folder)
        path, held = folder / judges.ENCODER, min(512, max(1, len(shards.open_rows(folder / "photos", shards.PHOTOS)) // 10))
        if path.exists() and not overwrite and not unfinished(folder, steps, seed, held):
            raise RealtimeError(f"{path} is there already, and runs that were trained with it need it; replace it with --overwrite.")
        with bar(console, "teacher") as advance:
            describe(folder, advance)
        last = 0.0
        with bar(console, "encoder") as advance:

            def told(step: int, loss: float, agreement: float) -> None:
                nonlocal last
                last = agreement
                advance(step, steps)

            encoder = teach(folder, steps, seed, held, told)
        judges.save_encoder(path, encoder)
        say(f"{path}: mean cosine {last:.3f} with the teacher on photos it was not taught with.")


@app.command("run")
def train(
    folder: Set,
    out: Annotated[Path, typer.Option(help="Where the run is kept; where there is one, it goes on.")],
    config: Annotated[Path | None, typer.Option(help="Settings file; docs/training.md shows every knob.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="One setting: phases.0.batch=8. Repeatable.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin a run; a folder that has one is refused.")] = False,
) -> None:
    """Train the generator on a set; goes on from the checkpoint in the run's folder, Ctrl-C saves one."""
    with _said() as console:
        import torch

        from models.training import checkpoint, runs
        from models.training import run as loop
        from models.training.batches import Batches
        from models.training.curves import Curves
        from models.training.judges import open_judges
        from realtime.frame import RealtimeError
        from realtime.machine.home import expanded
        from realtime.recipe import recipe

        folder, out, config = expanded(folder), expanded(out), config and expanded(config)
        if fresh and (out / loop.CHECKPOINT).exists():
            raise RealtimeError(f"{out} has a run already; take another folder, delete that one, or go on with it, without --fresh.")
        chosen, before = device_of(device), runs.about(out)
        settings = recipe(config, set or [], before.settled() if before and not config else None)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        data = Batches(folder, settings.shares)
        with bar(console, "judges") as advance:
            judges = open_judges(folder, chosen, advance)
        end = settings.phases[-1].until
        remember = cache(lambda: runs.begin(out, folder, settings))
        with Curves(out, checkpoint.reached(out / loop.CHECKPOINT)) as curves, course(console, settings) as said:

            def told(step: int, figures: dict[str, float]) -> None:
                # A run that refuses these settings, or this set, must not remember them.
                remember()
                said(step, figures)
                curves.tell(step, figures)

            trainer = loop.train(data, judges, out, settings, chosen, told, curves.show)
        if trainer.step < end:
            say(f"Saved at step {trainer.step:,} of {end:,}. Go on with: swapcam train run {folder} --out {out}")
        else:
            say(f"Done, {trainer.step:,} steps. Next: swapcam train export {out} --out FOLDER")


@app.command()
def export(
    folder: Run,
    out: Annotated[Path, typer.Option(help="Where the two ONNX files go; files of those names there are replaced.")],
    precision: Annotated[str, typer.Option(help="float16, float32 or int8; of the weights as they are stored.")] = "float16",
    data: Annotated[Path | None, typer.Option(help="The set, where it lies elsewhere now or the run was not begun with `run`.")] = None,
) -> None:
    """Write the live generator of a run as ONNX, after comparing it with the networks; the terms of the photos go with it."""
    with _said() as console, console.status("exporting"):
        from models.training import checkpoint, runs
        from models.training.export import STORED
        from models.training.export import export as write
        from models.training.judges import ENCODER
        from models.training.run import CHECKPOINT
        from realtime.frame import RealtimeError
        from realtime.machine.home import expanded

        folder, run = expanded(folder), runs.about(expanded(folder))
        if precision not in STORED:
            raise RealtimeError(f"--precision {precision} is unknown; expected {', '.join(STORED)}.")
        if data is None and run is None:
            raise RealtimeError(f"{folder} does not say on which set it was trained; give that with --data.")
        place = expanded(data) if data else Path(run.data if run else ".")
        if not place.is_dir():
            again = "; give the set with --data" if data else " any more; say where it is now with --data"
            raise RealtimeError(f"The set {place} is not there{again}.")
        said = runs.card(run, place, checkpoint.reached(folder / CHECKPOINT))
        report = write(folder, place / ENCODER, expanded(out), said, precision, place)
        for file in (report.generator, report.identity):
            say(f"{file.path}: {file.size / 1e6:.1f} MB, {file.parameters / 1e6:.2f} M parameters, differs from PyTorch by {file.stored}")
        say(f"Step {report.step:,}; compared on {report.faces} faces; terms: {said['terms']}")


@app.command()
def show(folder: Annotated[Path, typer.Argument(metavar="RUN|SET", help="A run's folder, or a set's.")]) -> None:
    """Say what is in a run (step, settings, last figures) or in a set (photos, what was dropped, terms)."""
    with _said(needs_torch=False):
        import yaml

        from models.training import runs
        from models.training.data import register
        from realtime.frame import RealtimeError
        from realtime.machine.home import expanded

        folder = expanded(folder)
        run = runs.about(folder)
        if run is not None:
            require_torch()
            from models.training import checkpoint
            from models.training.curves import figures
            from models.training.run import CHECKPOINT

            last = ", ".join(f"{name} {value:.4g}" for name, value in (figures(folder) or [{}])[-1].items())
            say(f"Run on {run.data}\nTerms of the photos: {'; '.join(run.terms) or 'not stated'}")
            say(f"Saved at step {checkpoint.reached(folder / CHECKPOINT):,} of {run.settled().phases[-1].until:,}")
            say(f"Last figures: {last or 'none yet'}")
            say(yaml.safe_dump(run.settings, sort_keys=False).rstrip())
        elif (folder / "photos").is_dir():
            about = register.counted(folder)
            say(f"Set: {counted(about.counts)}; {about.pairs:,} pairs\nTerms of the photos: {'; '.join(about.terms) or 'not stated'}")
            for origin in about.origins:
                say(f"From {origin.folder}: {counted(origin.layouts)}")
        else:
            raise RealtimeError(f"{folder} is neither a run nor a set; expected what `swapcam train run` or `prepare` made.")


@contextmanager
def _said(needs_torch: bool = True) -> Iterator[Console]:
    """As plainly; also what training finds wrong with the user's files, disk or settings, in one sentence."""
    with plainly() as console:
        from realtime.frame import RealtimeError

        if needs_torch:
            require_torch()
        try:
            yield console
        except (ValueError, FloatingPointError) as error:
            raise RealtimeError(f"{error}.") from error
        except OSError as error:
            raise RealtimeError(f"{error.filename}: {error.strerror}." if error.strerror and error.filename else f"{error}.") from error


__all__ = ["app"]
