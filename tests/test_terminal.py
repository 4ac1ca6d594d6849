"""Bars stand on a terminal while there is something to wait for, and a terminal that was closed ends nothing."""

from __future__ import annotations

import errno
import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from realtime import gauges, shelf
from realtime.terminal import moving, progress

# What tells a terminal to hide its cursor, which a bar does while it stands, and to show it again.
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"


class _Closed(io.StringIO):
    """A terminal that is closed at some moment."""

    closed_by_now = False

    def write(self, text: str) -> int:
        """As a terminal that is gone, once it is."""
        if self.closed_by_now:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)

    def isatty(self) -> bool:
        """As a terminal."""
        return True


def _terminal(file: io.StringIO | None = None) -> tuple[Console, io.StringIO]:
    shown = file or io.StringIO()
    return Console(file=shown, force_terminal=True, force_interactive=True, width=100), shown


def _stands(shown: io.StringIO) -> bool:
    return shown.getvalue().rfind(_HIDE) > shown.getvalue().rfind(_SHOW)


def test_a_bar_stands_from_the_first_call_until_it_is_full_and_comes_again() -> None:
    console, shown = _terminal()
    with moving(console, TextColumn("wanted"), BarColumn(), MofNCompleteColumn()) as move:
        assert not shown.getvalue()
        move(completed=1, total=4)
        assert _stands(shown)
        move(completed=4)
        assert not _stands(shown)
        assert "wanted" in shown.getvalue()
        assert "4/4" in shown.getvalue()
        # A second file of the same size.
        move(completed=1, total=4)
        assert _stands(shown)
    assert not _stands(shown)


def test_a_file_with_more_frames_than_it_says_fills_no_terminal_with_lines() -> None:
    """One that can draw over nothing, as those inside of editors."""
    shown = io.StringIO()
    with moving(Console(file=shown, force_terminal=True, force_interactive=False), MofNCompleteColumn(), total=3) as move:
        for number in range(1, 50):
            move(completed=number)
    assert shown.getvalue().count("\n") == 1


def _fails(console: Console) -> None:
    with moving(console, MofNCompleteColumn()) as move:
        move()
        int("work")


def test_a_bar_goes_away_where_the_work_fails() -> None:
    console, shown = _terminal()
    with pytest.raises(ValueError, match="work"):
        _fails(console)
    assert not _stands(shown)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_terminal_that_is_closed_ends_no_work(when: str) -> None:
    file = _Closed()
    console, _ = _terminal(file)
    file.closed_by_now = when == "before"
    done = []
    with gauges.bar(console, "photos") as advance:
        file.closed_by_now = True
        for number in range(1, 4):
            advance(number, 3)
            done.append(number)
    assert done == [1, 2, 3]


def test_work_stands_there_before_its_first_piece_is_done() -> None:
    console, shown = _terminal()
    with gauges.bar(console, "photos") as advance:
        assert _stands(shown)
        advance(1, 2)
    assert "photos" in shown.getvalue()
    assert "1/2" in shown.getvalue()


def test_without_a_terminal_each_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with gauges.bar(Console(file=io.StringIO()), "photos") as advance:
        for number in range(1, 41):
            advance(number, 40)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["photos 1 of 40", *(f"photos {4 * tenth} of 40" for tenth in range(1, 11))]


def test_a_download_says_how_many_bytes_came() -> None:
    console, shown = _terminal()
    with shelf._bar(console, "hands") as report:
        assert not shown.getvalue()
        report(_amount(2_000_000, 8_000_000))
        assert _stands(shown)
        report(_amount(8_000_000, 8_000_000))
        assert not _stands(shown)
    assert "hands" in shown.getvalue()
    assert "8.0/8.0 MB" in shown.getvalue()


def _amount(done: int, total: int) -> Any:
    return SimpleNamespace(done=done, total=total)


@pytest.mark.parametrize(("live", "terminal", "there"), [(False, True, True), (True, True, False), (False, False, False)])
def test_a_file_has_a_bar_with_its_rate(live: bool, terminal: bool, there: bool) -> None:
    shown = io.StringIO()
    console = _terminal(shown)[0] if terminal else Console(file=shown)
    source: Any = SimpleNamespace(live=live, total=50)
    statistics: Any = lambda: SimpleNamespace(frames=20, fps_now=24.6)  # noqa: E731  as the loop's, in one line
    with progress(source, statistics, console) as advance:
        assert _stands(shown) == there
        advance()
    assert ("20/50" in shown.getvalue() and "25 fps" in shown.getvalue()) == there
    assert bool(shown.getvalue()) == there
