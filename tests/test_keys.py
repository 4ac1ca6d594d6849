"""Hot keys and signals: each is a change of the settings."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from realtime.config import OverlaySettings, Settings, SwapSettings, VirtualCameraOutput, WindowOutput
from realtime.keys import HELP, free_path, press, signals

_START = Settings(swap=SwapSettings(sources=("a", "b", "c")), overlay=OverlaySettings(label="altered by me"))


@pytest.mark.parametrize("key", ["s", "space", "l", "i", "m"])
def test_a_switch_changes_one_thing_and_pressed_twice_nothing(key: str) -> None:
    once = press(key, _START, "altered by me")
    assert once != _START
    assert press(key, once, "altered by me") == _START
    assert Settings.model_validate(once.model_dump()) == once


def test_each_switch_changes_what_it_says() -> None:
    assert not press("s", _START).swap.enabled
    assert press("l", _START).overlay.label == "none"
    assert press("i", _START).outputs == (WindowOutput(statistics=False), VirtualCameraOutput())
    assert press("m", _START).outputs == (WindowOutput(mirror=False), VirtualCameraOutput())


def test_next_source_goes_round() -> None:
    worn, settings = [], _START
    for _ in range(4):
        settings = press("n", settings)
        worn.append(settings.swap.sources[0])
    assert worn == ["b", "c", "a", "b"]
    assert press("n", Settings()) == Settings()


def test_other_keys_change_nothing() -> None:
    for key in ("x", "", "S", *set("pq") & set(HELP)):
        assert press(key, _START) is _START


def test_a_snapshot_never_replaces_another(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        paths.append(free_path(tmp_path))
        paths[-1].touch()
    assert len(set(paths)) == 3
    assert all(path.name.startswith("swapcam-") and path.suffix == ".png" for path in paths)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this platform has no SIGHUP")
def test_without_a_file_to_read_again_the_end_of_the_terminal_is_the_end() -> None:
    before = signal.getsignal(signal.SIGHUP)
    got: list[str] = []
    # The tests themselves may run under nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with signals(lambda: got.append("quit"), lambda: None, None):
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGHUP)
        assert got == ["quit", "quit"]
        # A shell sends it again, and files are still being closed.
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        # Who asked for nohup is left alone.
        with signals(lambda: got.append("quit"), lambda: None, None):
            os.kill(os.getpid(), signal.SIGHUP)
        assert len(got) == 2
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this platform has no SIGUSR1")
def test_signals_do_what_the_keys_do_and_go_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)]
    got: list[str] = []
    with signals(lambda: got.append("quit"), lambda: got.append("toggle"), lambda: got.append("reload")):
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert got == ["toggle", "reload", "quit", "quit"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)] == before
