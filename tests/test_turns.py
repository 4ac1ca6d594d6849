"""Turns: everybody gets as many as everybody else, the newest wins, one who fails harms nobody."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import pairwise

import pytest

from realtime.calls.turns import Turns
from realtime.slot import Closed


def test_the_newest_value_wins_and_what_gave_way_is_counted() -> None:
    begun, go, done, got = threading.Event(), threading.Event(), threading.Event(), []

    def work(value: int) -> None:
        begun.set()
        assert go.wait(10)
        got.append(value)
        if value == 9:
            done.set()

    with closing(Turns()) as turns:
        seat = turns.seat(work, lambda error: None)
        seat.put(0)
        assert begun.wait(10)
        for value in range(1, 10):
            seat.put(value)
        go.set()
        assert done.wait(10)
    assert got == [0, 9]
    assert (seat.work.frames, seat.work.dropped) == (2, 8)


def test_who_brings_ten_times_as_much_gets_no_more_turns_and_nobody_waits_longer_than_a_round() -> None:
    order: list[str] = []
    stop = threading.Event()

    def work(name: str) -> None:
        order.append(name)
        time.sleep(0.002)

    with closing(Turns()) as turns:
        seats = {name: turns.seat(work, lambda error: None) for name in "abcd"}

        def bring(name: str, pause: float) -> None:
            while not stop.is_set():
                seats[name].put(name)
                time.sleep(pause)

        threads = [threading.Thread(target=bring, args=(name, 0.0002 if name == "a" else 0.002)) for name in "abcd"]
        for thread in threads:
            thread.start()
        while len(order) < 200:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join(10)
    settled = order[20:200]
    counts = [settled.count(name) for name in "abcd"]
    assert max(counts) <= 1.3 * min(counts), counts
    # Within a round of those who always have something everybody has a turn.
    gaps = [j - i for name in "abcd" for i, j in _neighbours([n for n, who in enumerate(settled) if who == name])]
    assert max(gaps) <= 8, max(gaps)


def test_a_slow_visitor_costs_the_others_its_turn_and_no_more() -> None:
    slow_turns, quick_turns = [], []
    with closing(Turns()) as turns:

        def slow(value: int) -> None:
            slow_turns.append(value)
            time.sleep(0.05)

        first, second = turns.seat(slow, lambda error: None), turns.seat(quick_turns.append, lambda error: None)
        end = time.perf_counter() + 1.0
        number = 0
        while time.perf_counter() < end:
            first.put(number)
            second.put(number)
            number += 1
            time.sleep(0.001)
    assert abs(len(slow_turns) - len(quick_turns)) <= 2


def test_one_who_fails_is_told_and_closed_and_the_others_go_on() -> None:
    errors: list[BaseException] = []
    told, served = threading.Event(), threading.Event()

    def failed(error: BaseException) -> None:
        errors.append(error)
        told.set()

    with closing(Turns()) as turns:
        bad = turns.seat(lambda value: [][value], failed)
        good = turns.seat(lambda value: served.set(), failed)
        bad.put(0)
        assert told.wait(10)
        with pytest.raises(Closed):
            bad.put(1)
        good.put(0)
        assert served.wait(10)
    assert [type(error) for error in errors] == [IndexError]


def test_after_closing_nothing_is_served_and_the_thread_has_ended() -> None:
    before = threading.active_count()
    turns, got = Turns(), []
    seat = turns.seat(got.append, lambda error: None)
    assert turns.call(lambda: 7).result(10) == 7
    seat.close()
    with pytest.raises(Closed):
        seat.put(1)
    other = turns.seat(got.append, lambda error: None)
    turns.close()
    other.put(1)
    with pytest.raises(Closed):
        other.put(2)
    assert got == []
    assert threading.active_count() == before


def _neighbours(numbers: list[int]) -> list[tuple[int, int]]:
    return list(pairwise(numbers))
