"""swapcam models: what there is, what is here, and how it comes, is checked and goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime.terminal import agreed, heard, moving, plainly

# Everything heavy is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    from rich.console import Console

    from models.shelf.fetch import Report
    from models.shelf.listing import Item
    from models.shelf.store import Held
    from models.weights import Licence, Weights

app = typer.Typer(name="models", no_args_is_help=True, help="ONNX models: list, pull, add, verify, remove.")

Terms = Annotated[str, typer.Option("--licence", help="any; permissive: only what may be used commercially.")]
_STYLES = {"here": "green", "unverified": "yellow", "part": "yellow", "missing": "red", "not here": "dim"}


@app.command("list")
def show(
    role: Annotated[str | None, typer.Option(help="detector, landmarks, recogniser, converter, swapper, mask or enhancer.")] = None,
    licence: Terms = "any",
    here: Annotated[bool, typer.Option("--here", help="Only what is here.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models that swapcam knows and your own, with their licences and which of them are here."""
    with plainly():
        from models.shelf.ledger import folder
        from models.shelf.listing import listing

        _choice("--role", role, _roles())
        items = [item for item in listing(_terms(licence)) if role in (None, item.role) and (not here or item.state != "not here")]
        if json:
            _json(items)
        elif items:
            _table(items)
            typer.echo(f"In {folder()}")
        else:
            typer.echo("None is here: swapcam models pull NAME, or swapcam models add FILE.")


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names of the list.")],
    accept: Annotated[bool, typer.Option("--accept-licence", help="Accept the licences; for scripts, asks nothing.")] = False,
    sha256: Annotated[str, typer.Option("--sha256", help="What the file has to be, where the list does not know it.")] = "",
    trust: Annotated[bool, typer.Option("--trust", help="Take a file whose sha256 nobody knows; for scripts, asks nothing.")] = False,
    licence: Terms = "any",
) -> None:
    """Download models, going on where an earlier download broke off; each is checked before anything opens it."""
    with plainly() as console:
        from models.shelf.intake import pull as fetch
        from realtime.frame import RealtimeError

        terms = _terms(licence)
        if sha256 and len(names) > 1:
            raise RealtimeError("--sha256 is of one file; pull one model with it.")

        def say(line: str) -> None:
            console.print(line, markup=False, highlight=False, soft_wrap=True)

        for name in names:
            with _bar(console, name) as report:
                held = fetch(name, _accepting(say, accept), _trusting(say, trust), sha256, terms, report)
            _here(held)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="An ONNX or DFM file of your own.")],
    name: Annotated[str, typer.Option(help="What to call it; else its file's name.")] = "",
    family: Annotated[str | None, typer.Option(help="What it is, where its inputs and outputs leave that open.")] = None,
    licence: Annotated[str, typer.Option(help="Its licence, as far as you know: MIT, Non-Commercial, own, ...")] = "",
    link: Annotated[bool, typer.Option("--link", help="Leave it where it is; else it is put beside the others.")] = False,
    consent: Annotated[bool, typer.Option("--i-have-consent", help="Whose face is in it agreed; for scripts, asks nothing.")] = False,
) -> None:
    """Take over a model file of your own; what it is is seen from its inputs and outputs."""
    with plainly():
        from models.shelf.intake import add as take
        from realtime.machine.home import expanded

        held = take(expanded(file), name, family, licence, link, agreed=lambda called: agreed(consent, f"{called} was not added."))
        typer.echo(f"{held.name}: {held.role}, family {held.family}, sha256 {held.sha256}, licence {held.licence}")
        _here(held)


@app.command()
def verify(names: Annotated[list[str] | None, typer.Argument(help="Which; else all that are here.")] = None) -> None:
    """Read the models that are here and compare their hashes; ends with 1 where one is changed or missing."""
    with plainly() as console:
        from models.shelf.store import verify as check

        with console.status("reading") as status:
            read = count()
            checks = check(tuple(names or ()), lambda size: status.update(f"reading: {next(read)} MB"))
        for one in checks:
            expected = f"; got sha256 {one.got}, expected {' or '.join(one.expected)}" if one.state == "changed" and one.expected else ""
            unknown = f"; its sha256 is {one.got}, and nobody is known to have said what it should be" if not one.expected else ""
            typer.echo(f"{one.state:8} {one.name}: {one.path}{expected}{unknown}")
        if not checks:
            typer.echo("No model is here: swapcam models pull NAME, or swapcam models add FILE.")
        wrong = any(one.state != "ok" for one in checks)
    raise typer.Exit(int(wrong))


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Delete a model that was pulled or added; a file that lies elsewhere (--link) is only forgotten."""
    with plainly():
        from models.shelf.store import remove as forget

        gone = forget(name)
        typer.echo(f"{gone} is deleted." if gone else f"{name} is forgotten; its file was left where it is.")


def _terms(licence: str) -> Licence:
    _choice("--licence", licence, ("any", "permissive"))
    return "permissive" if licence == "permissive" else "any"


def _roles() -> tuple[str, ...]:
    from models.weights import ROLES

    return ROLES


def _choice(option: str, given: str | None, known: tuple[str, ...]) -> None:
    from realtime.frame import RealtimeError

    if given is not None and given not in known:
        raise RealtimeError(f'{option} "{given}" is unknown; expected {", ".join(known)}.')


def _json(items: list[Item]) -> None:
    import json
    from dataclasses import asdict

    with heard():
        typer.echo(json.dumps([asdict(item) | {"path": item.path and str(item.path)} for item in items], indent=1, ensure_ascii=False))


def _table(items: list[Item]) -> None:
    """A line for each; elsewhere than on a terminal, and on a wide one, with a note."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=200)
    noted = console.width > 120
    titles = ("name", "role", "size", "licence", "commercial", "state", *(("note",) if noted else ()))
    table = Table(*titles, box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in table.columns:
        column.no_wrap = True
    table.columns[2].justify = "right"
    for item in items:
        size = "?" if not item.size else f"{item.size / 1e6:.{0 if item.size > 1e7 else 1}f} MB"
        plain = [Text(word) for word in (item.name, item.role, size, item.licence, item.commercial)]
        table.add_row(*plain, Text(item.state, _STYLES[item.state]), *((Text(item.note),) if noted else ()))
    with heard():
        console.print(table)


def _asked() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _accepting(say: Callable[[str], None], accepted: bool) -> Callable[[Weights], bool]:
    """Asks for a licence, or takes it for accepted."""

    def accept(row: Weights) -> bool:
        from realtime.frame import RealtimeError

        meaning = {"yes": "it allows", "no": "it forbids", "unknown": "it is not known whether it allows"}[row.commercial]
        say(f"{row.name}: {row.note}.  Its licence is {row.licence}; {meaning} commercial use.")
        if accepted:
            return True
        if not _asked():
            raise RealtimeError(f"Without a terminal to ask on, accept the licence of {row.name} with --accept-licence.")
        return typer.confirm("Do you accept this licence?", err=True)

    return accept


def _trusting(say: Callable[[str], None], trusted: bool) -> Callable[[Weights, str], bool]:
    """Shows the hash of what came where nobody is known to have said it, and asks whether to take it."""

    def trust(row: Weights, sha256: str) -> bool:
        say(f"{row.name} is unverified: nobody is known to have said what its sha256 is.  What came has")
        say(f"  {sha256}")
        if trusted:
            return True
        return _asked() and typer.confirm("Do you trust it?", err=True)

    return trust


@contextmanager
def _bar(console: Console, name: str) -> Iterator[Report]:
    """A bar for a download on a terminal, and nothing elsewhere."""
    if not console.is_terminal:
        yield lambda amount: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with moving(console, *columns) as move:
        yield lambda amount: move(completed=amount.done, total=amount.total)


def _here(held: Held) -> None:
    """Say where a model is, and what it does nothing without."""
    from models.shelf.listing import listing
    from models.weights import find

    typer.echo(f"{held.name} is here: {held.path}")
    row, there = find(held.name), {item.name for item in listing() if item.state in ("here", "unverified")}
    missing = [name for name in row.needs if name not in there] if row else []
    if missing:
        typer.echo(f"It does nothing without {' and '.join(missing)}: swapcam models pull {' '.join(missing)}")


__all__ = ["app"]
