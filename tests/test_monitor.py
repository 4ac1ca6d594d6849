"""Monitor: watchers get the newest frame, whole, and outlive the loops."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from fakes import Collector, Counter, Delay

from realtime.frame import Frame
from realtime.pipeline import Pipeline
from realtime.sinks.monitor import Monitor, View, Watcher
from realtime.slot import Closed


def _frame(index: int, raw: bool = False) -> Frame:
    image = np.full((24, 32, 3), index, np.uint8)
    return Frame(image, index, index / 30, raw=image + 100 if raw else None)


def test_a_view_has_the_untouched_picture_the_finished_one_and_the_one_that_leaves() -> None:
    painted: list[int] = []

    def paint(frame: Frame) -> Frame:
        painted.append(frame.index)
        return replace(frame, image=frame.image + 50)

    monitor = Monitor()
    assert monitor.latest is None
    monitor.paint = paint
    for index, raw in ((1, False), (2, True)):
        monitor.send(_frame(index, raw))
    assert painted == []
    view = monitor.latest
    assert view is not None
    assert [int(image[0, 0, 0]) for image in (view.raw, view.frame.image, view.shown)] == [102, 2, 52]
    assert view.shown is view.shown
    assert painted == [2]
    monitor.paint = None
    monitor.send(_frame(3))
    plain = monitor.latest
    assert plain is not None
    assert plain.shown is plain.raw is plain.frame.image


def test_many_threads_that_ask_at_once_get_one_picture() -> None:
    calls: list[int] = []

    def paint(frame: Frame) -> Frame:
        calls.append(frame.index)
        time.sleep(0.05)
        return replace(frame, image=frame.image.copy())

    monitor, got = Monitor(), []
    monitor.paint = paint
    monitor.send(_frame(1))
    view = monitor.latest
    assert view is not None
    threads = [threading.Thread(target=lambda: got.append(view.shown)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert len({id(image) for image in got}) == 1


def test_each_watcher_gets_the_newest_and_only_once() -> None:
    monitor = Monitor()
    monitor.send(_frame(1))
    slow, quick = monitor.watch(), monitor.watch()
    assert quick.take(1).frame.index == 1
    for index in (2, 3):
        monitor.send(_frame(index))
        assert quick.take(1).frame.index == index
    assert slow.take(1).frame.index == 3
    with pytest.raises(TimeoutError):
        slow.take(0.01)
    quick.close()
    with pytest.raises(Closed):
        quick.take(1)
    monitor.send(_frame(4))
    assert slow.take(1).frame.index == 4
    monitor.clear()
    assert monitor.latest is None
    monitor.close()
    for watcher in (slow, monitor.watch()):
        with pytest.raises(Closed):
            watcher.take(1)
    monitor.send(_frame(5))


def test_who_begins_to_watch_while_the_last_picture_comes_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    monitor.send(_frame(1))
    sending = threading.Thread(target=lambda: monitor.send(_frame(2)))
    put = Watcher.put

    def meanwhile(watcher: Watcher, view: View) -> None:
        if sending.ident is None:
            sending.start()
            sending.join(0.2)
        put(watcher, view)

    monkeypatch.setattr(Watcher, "put", meanwhile)
    watcher = monitor.watch()
    sending.join(20)
    indices = []
    with suppress(TimeoutError):
        while True:
            indices.append(watcher.take(0.2).frame.index)
    assert indices[-1] == 2


def test_watchers_outlive_a_loop_and_disturb_none() -> None:
    monitor, other = Monitor(), Collector()
    watcher = monitor.watch()
    indices: list[int] = []

    def look() -> None:
        with suppress(Closed):
            while True:
                indices.append(watcher.take(20).frame.index)
                time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(2):
        Pipeline(Counter(50), [[Delay(0.001)]], [monitor, other]).run()
    monitor.close()
    thread.join(20)
    assert not thread.is_alive()
    # A slow watcher skips frames, and holds nobody up.
    assert other.indices == [*range(50), *range(50)]
    assert indices[-1] == 49
    assert any(after < before for before, after in pairwise(indices))
    assert len(indices) < 100
