"""Slot: the newest wins, or nothing is lost; closing wakes everybody."""

from __future__ import annotations

import threading
import time

import pytest

from realtime.slot import Closed, Slot


def test_the_newest_value_wins_and_the_replaced_are_counted() -> None:
    slot = Slot[int]()
    for value in range(5):
        slot.put(value)
    assert slot.take() == 4
    assert slot.replaced == 4
    with pytest.raises(TimeoutError):
        slot.take(0.01)


def test_keeping_hands_over_every_value_in_order() -> None:
    slot, taken = Slot[int](keep=True), []

    def take() -> None:
        try:
            while True:
                taken.append(slot.take())
                time.sleep(0.001)
        except Closed:
            taken.append(-1)

    thread = threading.Thread(target=take)
    thread.start()
    for value in range(50):
        slot.put(value)
    slot.close()
    thread.join()
    assert taken == [*range(50), -1]
    assert slot.replaced == 0


def test_a_value_left_before_closing_can_still_be_taken() -> None:
    slot = Slot[str]()
    slot.put("last")
    slot.close()
    assert slot.take() == "last"
    with pytest.raises(Closed):
        slot.take()
    with pytest.raises(Closed):
        slot.put("late")


@pytest.mark.parametrize("keep", [False, True])
def test_closing_wakes_those_who_wait_on_either_side(keep: bool) -> None:
    taker, giver, woken = Slot[int](keep), Slot[int](True), []
    giver.put(0)

    def wait(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except Closed:
            woken.append(1)

    threads = [threading.Thread(target=wait, args=(work,)) for work in (taker.take, lambda: giver.put(1))]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    taker.close()
    giver.close()
    for thread in threads:
        thread.join(5)
    assert len(woken) == 2


def test_none_is_a_value_like_any_other() -> None:
    slot = Slot[None]()
    slot.put(None)
    assert slot.take(0.01) is None
