"""The command line: the only place that prints or exits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# Everything heavy is imported where it is used, so that --help and --version answer at once.
if TYPE_CHECKING:
    from rich.console import Console

    from realtime.config import Settings
    from realtime.loop import Loop
    from realtime.meter import Statistics

app = typer.Typer(
    name="swapcam",
    help="Live face swap for video calls: a webcam in, a virtual camera out, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Face = Annotated[int | None, typer.Option("--face", min=1, help="Which face of a photo with several, counted from the left from 1.")]


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


@app.command()
def run(
    source: Annotated[list[str] | None, typer.Option(help="Whose face: a photo, or a name you enrolled. Repeatable.")] = None,
    input: Annotated[str | None, typer.Option(help="camera:0, clip.mp4, photo.jpg, rtsp://..., animated:portrait.jpg")] = None,
    output: Annotated[list[str] | None, typer.Option(help="virtual-camera, window, out.mp4 or none. Repeatable.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; config.yaml shows every knob.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="One setting: section.key=value. Repeatable.")] = None,
    overwrite: Overwrite = False,
    face: Face = None,
    trace: Annotated[Path | None, typer.Option(help="Write what every frame did in every thread, for Perfetto.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the closing figures as JSON.")] = None,
) -> None:
    """Swap the face in front of the camera; by default into a preview window and the virtual camera.

    Keys in the preview: s swap on and off, n next source, l label, i statistics, m mirror, p snapshot, q quit.
    Signals: SIGUSR1 swaps on and off, SIGHUP reads the settings file again, Ctrl-C and SIGTERM end.
    """
    with _plainly() as console:
        from realtime.build import build
        from realtime.frame import RealtimeError

        def settings() -> Settings:
            return _settings(config, source, input, output, set, overwrite)

        if trace and trace.exists() and not overwrite:
            raise RealtimeError(f"The trace {trace} exists; --overwrite replaces it.")
        wanted = settings()
        spare = "outputs" not in wanted.model_fields_set
        with build(wanted, photo_face=face, spare_outputs=spare, trace=trace) as loop:
            _go(loop, console, settings if config else None)
        _summary(loop.pipeline.statistics(), [entry.path for entry in wanted.outputs if entry.kind == "recording"])
        if json:
            _write_json(json, loop.pipeline.statistics())


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Folder for swapcam-demo.mp4 and swapcam-demo.png, replaced where they exist.")] = Path(),
) -> None:
    """See it work without camera, photo or download: one portrait, moved like a person, wears the face of another."""
    with _plainly() as console:
        from realtime.demo import demo as show

        figures, files = show(seconds, out, lambda loop: _go(loop, console, None))
        _summary(figures, [str(path) for path in files])


@app.command()
def doctor() -> None:
    """Say what this machine has of what swapcam needs, and the command that fixes what is missing."""
    with _plainly():
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
    with _plainly():
        from realtime.devices import cameras as find
        from realtime.devices import summary

        found = find()
        for camera in found:
            typer.echo(f"camera:{camera.index}  {camera.name}: {camera.problem or summary(camera.modes)}")
        if not found:
            typer.echo("No camera was found; swapcam doctor says what to do.")


def _settings(
    config: Path | None, source: list[str] | None, input: str | None, output: list[str] | None, changes: list[str] | None, overwrite: bool
) -> Settings:
    """The settings file, then the options, then --set."""
    from realtime import spec
    from realtime.settings import Draft, load

    draft = load(config) if config else Draft()
    spec.apply(draft, input, output or [], overwrite)
    if source:
        draft.put(("swap", "sources"), source, "--source")
    for change in changes or []:
        draft.assign(change)
    spec.pace(draft)
    return draft.check()


def _go(loop: Loop, console: Console, settings: Callable[[], Settings] | None) -> None:
    """Run the loop until it ends, with its signals and, for a file, a progress bar."""
    from realtime.frame import RealtimeError
    from realtime.keys import signals

    marks: set[str] = set()

    def between() -> None:
        if "toggle" in marks:
            marks.discard("toggle")
            loop.press("s")
        if "reload" in marks:
            marks.discard("reload")
            try:
                if settings:
                    loop.change(settings())
                    logging.getLogger("realtime").info("The settings were read again.")
            except RealtimeError as error:
                logging.getLogger("realtime").warning("%s", error)
        advance()

    with signals(loop.pipeline.quit, lambda: marks.add("toggle"), lambda: marks.add("reload")), _progress(loop, console) as advance:
        loop.pipeline.run(between)


@contextmanager
def _progress(loop: Loop, console: Console) -> Iterator[Callable[[], None]]:
    """A bar for a file on a terminal; nothing otherwise."""
    total = getattr(loop.source, "total", None)
    if loop.source.live or not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[fps]:.0f} fps")
    with Progress(BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=total, fps=0.0)

        def advance() -> None:
            figures = loop.pipeline.statistics()
            bar.update(task, completed=figures.frames, fps=figures.fps_now)

        yield advance


def _summary(figures: Statistics, files: list[str]) -> None:
    latency = figures.latency
    where = ", ".join(f"{name} {count}" for name, count in figures.dropped.items() if count)
    typer.echo(f"Frames   {figures.frames} in {figures.seconds:.1f} s, {figures.fps:.1f} fps")
    typer.echo(f"Latency  p50 {latency.p50 * 1e3:.1f} ms, p95 {latency.p95 * 1e3:.1f} ms, p99 {latency.p99 * 1e3:.1f} ms")
    typer.echo(f"Dropped  {figures.dropped_total}" + (f" ({where})" if where else ""))
    for path in files:
        typer.echo(f"Written  {path}")


def _write_json(path: Path, figures: Statistics) -> None:
    import json

    from realtime.frame import RealtimeError
    from realtime.meter import figures as plain

    try:
        path.write_text(json.dumps(plain(figures), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise RealtimeError(f"{path} cannot be written: {error.strerror}.") from None


@contextmanager
def _plainly() -> Iterator[Console]:
    """The log in plain lines on stderr; what the user can fix as one sentence and exit status 2."""
    from rich.console import Console

    from realtime.frame import RealtimeError

    console = Console(stderr=True)

    class Plain(logging.Handler):
        """Prints above a progress bar, where there is one."""

        def emit(self, record: logging.LogRecord) -> None:
            console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)

    logger = logging.getLogger("realtime")
    handler = Plain()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield console
    except RealtimeError as error:
        typer.echo(f"swapcam: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        logger.removeHandler(handler)



__all__ = ["app", "main"]
