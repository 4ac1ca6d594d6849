"""The command line: the only place that prints or exits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime.keys import HELP
from realtime.shelf import app as shelf
from realtime.terminal import agreed, heard, plainly, progress
from realtime.training import app as training

# Everything heavy is imported where it is used, so that --help and --version answer at once.
if TYPE_CHECKING:
    from realtime.config import Settings
    from realtime.meter import Statistics

app = typer.Typer(
    name="swapcam",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(shelf)
app.add_typer(training)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Face = Annotated[int | None, typer.Option("--face", min=1, help="Which face of a photo with several, counted from the left from 1.")]
Source = Annotated[list[str] | None, typer.Option(help="Whose face: a photo, or a name you enrolled. Repeatable.")]
Input = Annotated[str | None, typer.Option(help="camera:0, clip.mp4, photo.jpg, rtsp://..., animated:portrait.jpg")]
Config = Annotated[Path | None, typer.Option(help="Settings file; config.yaml shows every knob.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="One setting: section.key=value. Repeatable.")]
Engine = Annotated[str | None, typer.Option(help="mesh or neural, built in, or the name or file of an ONNX swapper.")]


def main() -> None:
    """Run the command line."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"swapcam {version('swapcam')}")
        except PackageNotFoundError:
            typer.echo("swapcam, not installed")
        raise typer.Exit


@app.callback()
def swapcam(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """Live face swap for video calls: a webcam in, a virtual camera out, on your own machine."""


_RUN = f"""Swap the face in front of the camera; by default into a preview window and the virtual camera.

Keys in the preview: {", ".join(f"{key} {what}" for key, what in HELP.items())}.

Signals: SIGUSR1 swaps on and off, Ctrl-C and SIGTERM end, SIGHUP reads the file of --config again and ends without one.
"""


@app.command(help=_RUN)
def run(
    source: Source = None,
    input: Input = None,
    output: Annotated[list[str] | None, typer.Option(help="virtual-camera, window, out.mp4 or none. Repeatable.")] = None,
    config: Config = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play a clip like a webcam; late frames are skipped.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Start a clip again at its end.")] = False,
    set: Set = None,
    overwrite: Overwrite = False,
    face: Face = None,
    quality: Annotated[str | None, typer.Option(help="fast, balanced, best, or auto: as good as the frame rate allows.")] = None,
    engine: Engine = None,
    trace: Annotated[Path | None, typer.Option(help="Write what every frame did in every thread, for Perfetto.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the closing figures as JSON.")] = None,
) -> None:
    """Swap the face in front of the camera."""
    with plainly() as console:
        from realtime.build import build
        from realtime.machine.home import expanded
        from realtime.meter import write
        from realtime.places import check_reports
        from realtime.spec import gather

        config, trace, json = (path and expanded(path) for path in (config, trace, json))
        clip = [name for name, on in (("realtime", realtime), ("loop", loop)) if on]

        def settings() -> Settings:
            return gather(config, source or [], input, output or [], set or [], overwrite, clip, quality, engine)

        wanted = settings()
        check_reports({"--trace": trace, "--json": json}, wanted, overwrite)
        files = [expanded(entry.path) for entry in wanted.outputs if entry.kind in ("recording", "face")]
        before = [_changed(path) for path in files]
        with build(wanted, photo_face=face, spare_outputs=not output, trace=trace) as built:
            figures = built.statistics
            with progress(built.source, figures, console) as advance:
                built.run(advance, settings if config else None)
        if json:
            write(json, figures())
        _summary(figures(), [path for path, then in zip(files, before, strict=True) if _changed(path) != then])


@app.command()
def studio(
    host: Annotated[str, typer.Option(help="Who may reach it: this machine alone, or 0.0.0.0 for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: a free one.")] = 8321,
    token: Annotated[str | None, typer.Option(help="What the links need; auto: made once. Always needed beyond this machine.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file for HTTPS; beyond this machine one of our own is the default.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    source: Source = None,
    input: Input = None,
    output: Annotated[list[str] | None, typer.Option(help="virtual-camera, out.mp4, rtmp://..., none. Repeatable.")] = None,
    config: Config = None,
    set: Set = None,
    folder: Annotated[Path, typer.Option(help="For recordings and snapshots.")] = Path(),
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Steer the loop from a page in the browser, which can be the camera too (/call), and a source for OBS (/source)."""
    with plainly():
        from realtime.machine.home import expanded
        from realtime.spec import gather
        from realtime.steering.keeping import home
        from realtime.studio.hosting import Wish
        from realtime.studio.hosting import host as serve

        config, certificate, key = (path and expanded(path) for path in (config, certificate, key))
        # What the page saved is there again, unless another file is given.
        kept = config or (home() if home().exists() else None)
        settings = gather(kept, source or [], input, output or [], set or [], False)
        serve(settings, Wish(host, port, token, certificate, key, open), config, folder, typer.echo)


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="What to call this face.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos and short videos of one person.")],
    consent: Annotated[bool, typer.Option("--i-have-consent", help="The person agreed; for scripts, asks nothing.")] = False,
    face: Face = None,
    overwrite: Overwrite = False,
) -> None:
    """Check photos and short videos of a person and keep the face under a name, with the statement that the person agreed."""
    with plainly() as console:
        from contextlib import closing

        from models.detector import Detector
        from models.landmarks import Landmarker
        from realtime.frame import RealtimeError
        from realtime.people import identities
        from realtime.people.enrol import enrol as make

        identities.check_name(name)
        if name in identities.names() and not overwrite:
            raise RealtimeError(f"{name} is enrolled already; choose another name, or replace it with --overwrite.")
        with closing(Detector()) as detector, closing(Landmarker()) as landmarker, console.status("") as status:
            identity = make(name, photos, detector, landmarker, None, face, lambda clip, done: status.update(f"{clip}: {done:.0%}"))
        if not agreed(consent, f"{name} was not enrolled."):
            raise RealtimeError(f"{name} was not enrolled.")
        kept = replace(identity, consent=identities.Consent.now())
        typer.echo(f"{name} is enrolled: {identities.save(kept, overwrite)}")


@app.command()
def identities(remove: Annotated[str | None, typer.Option("--remove", help="Delete this one.")] = None) -> None:
    """List everybody enrolled, or delete one."""
    with plainly():
        from realtime.people import identities as store

        if remove:
            store.remove(remove)
            typer.echo(f"{remove} is deleted.")
            return
        for name in store.names():
            known = store.load(name)
            date = known.consent.date[:10] if known.consent else "never"
            typer.echo(f"{name:20} agreed {date}, {len(known.photos)} photo{'s' * (len(known.photos) != 1)}")
        if not store.names():
            typer.echo("Nobody is enrolled yet: swapcam enrol NAME photo.jpg.")


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Folder for swapcam-demo.mp4 and swapcam-demo.png, replaced where they exist.")] = Path(),
    engine: Engine = None,
) -> None:
    """See it work without camera, photo or download: one portrait, moved like a person, wears the face of another."""
    with plainly():
        from realtime.demo import demo as show

        figures, files = show(seconds, out, engine)
        _summary(figures, files)


@app.command()
def doctor() -> None:
    """Say what this machine has of what swapcam needs, and the command that fixes what is missing."""
    with plainly():
        from rich.console import Console

        from realtime.doctor import examine, status

        console = Console(highlight=False, soft_wrap=True)
        styles = {"ok": "green", "warn": "yellow", "fail": "red"}
        checks = examine()
        for check in checks:
            console.print(f"{check.state:5}", style=styles[check.state], end="")
            console.print(f"{check.name:15} {check.text}", markup=False)
            if check.fix:
                console.print(f"{'':5}{'':15} -> {check.fix}", markup=False)
    raise typer.Exit(status(checks))


@app.command()
def cameras() -> None:
    """List the cameras and their modes."""
    with plainly():
        from realtime.machine.devices import cameras as find
        from realtime.machine.devices import summary

        found = find()
        for camera in found:
            typer.echo(f"camera:{camera.index}  {camera.name}: {camera.problem or summary(camera.modes)}")
        if not found:
            typer.echo("No camera was found; swapcam doctor says what to do.")


def _changed(path: Path) -> int | None:
    """When a file was written last; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def _summary(figures: Statistics, files: list[Path]) -> None:
    from realtime.meter import summary

    with heard():
        for line in [*summary(figures), *(f"Written  {path}" for path in files)]:
            typer.echo(line)


__all__ = ["app", "main"]
