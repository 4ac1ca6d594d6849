"""Pipeline: order, drops, figures, errors and the end."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import Collector, Counter, Delay, Failing, MainCollector, RepeatingCollector, Silent

from realtime.frame import Frame, RealtimeError
from realtime.meter import Meter, Work, lines, summary
from realtime.meter import figures as report
from realtime.pipeline import Pipeline, StageError
from realtime.trace import Trace


@pytest.mark.parametrize("groups", [[], [[Delay(0.001)]], [[Delay(0.0), Delay(0.001)], [Delay(0.002)], [Delay(0.0)]]])
def test_a_file_arrives_whole_and_in_order_at_every_sink(groups: list[list[Delay]]) -> None:
    quick, slow = Collector(), Collector(0.003)
    pipeline = Pipeline(Counter(60), groups, [quick, slow])
    pipeline.run()
    assert quick.indices == slow.indices == list(range(60))
    figures = pipeline.statistics()
    assert figures.frames == 60
    assert figures.dropped_total == 0
    assert figures.latency.count == 60


def test_a_live_source_drops_what_a_slow_stage_cannot_take_and_counts_it() -> None:
    sink = Collector()
    pipeline = Pipeline(Counter(60, live=True, rate=200), [[Delay(0.02)]], [sink])
    pipeline.run()
    figures = pipeline.statistics()
    assert 10 <= len(sink.indices) < 30
    assert sink.indices == sorted(set(sink.indices))
    assert figures.dropped["delay"] == figures.dropped_total == 60 - len(sink.indices)
    # The newest frame is never more than one turn of the stage behind, so that delay does not add up.
    assert 0.02 <= figures.latency.p50 < 0.06


def test_indices_that_the_source_itself_skipped_count_as_its_drops() -> None:
    class Skipping(Counter):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return (frame for frame in super().__iter__() if frame.index not in (3, 4, 7))

    pipeline = Pipeline(Skipping(10, live=True), [], [Collector()])
    pipeline.run()
    assert pipeline.statistics().dropped["skipping"] == 3


def test_a_slow_sink_holds_no_other_up() -> None:
    quick, slow = Collector(), Collector(0.1)
    pipeline = Pipeline(Counter(40, live=True, rate=100), [[Delay(0.0)]], [quick, slow], ["quick", "slow"])
    pipeline.run()
    figures = pipeline.statistics()
    assert len(quick.indices) >= 36
    assert len(slow.indices) <= 7
    assert figures.dropped["slow"] >= 30
    assert figures.latencies["quick"].p95 < 0.05
    assert set(report(figures)["latency_ms_at"]) == {"quick", "slow"}  # type: ignore[call-overload]
    assert [line for line in summary(figures) if line.endswith(" ms at slow")]
    assert not [line for line in summary(figures) if line.endswith(" ms at quick")]
    assert {stage.name: stage.spread.p50 for stage in figures.stages}["slow"] > 0.09


def test_what_each_thread_did_is_counted_for_the_quality() -> None:
    pipeline = Pipeline(Counter(20), [[Delay(0.001), Delay(0.001)], [Delay(0.004)]], [Collector()])
    assert pipeline.work() == (Work(), Work())
    pipeline.run()
    first, second = pipeline.work()
    assert (first.frames, second.frames) == (20, 20)
    assert first.seconds >= 20 * 0.002
    assert second.seconds >= 20 * 0.004
    busy = Pipeline(Counter(40, live=True, rate=200), [[Delay(0.03)]], [Collector()])
    busy.run()
    (work,) = busy.work()
    assert work.dropped == busy.statistics().dropped["delay"] > 0
    assert work.frames + work.dropped + busy.statistics().dropped["counter"] == 40


def test_the_main_sink_is_driven_by_the_thread_that_runs() -> None:
    window, other = MainCollector(), Collector()
    Pipeline(Counter(20), [[Delay(0.001)]], [window, other]).run()
    assert window.indices == other.indices == list(range(20))
    assert window.threads == {threading.current_thread().name}
    assert window.polls >= 20
    assert threading.current_thread().name not in other.threads


def test_a_repeating_sink_gets_its_last_frame_again_while_the_source_stalls() -> None:
    source, sink = Silent(), RepeatingCollector()
    pipeline = Pipeline(source, [], [sink])
    pipeline.start()
    time.sleep(0.25)
    assert pipeline.stop() == ()
    assert set(sink.indices) == {0}
    assert 8 <= len(sink.indices) <= 14
    assert pipeline.statistics().repeated == {"repeatingcollector": len(sink.indices) - 1}
    assert source.closed.is_set()


@pytest.mark.parametrize("place", ["stage", "sink", "source", "main"])
def test_an_error_ends_the_loop_and_is_raised_with_its_place(place: str) -> None:
    error = ValueError("got 3, expected 4")

    class Broken(Collector):
        main = place == "main"

        def send(self, frame: Frame) -> None:
            if frame.index == 5:
                raise error

    class Torn(Counter):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for frame in super().__iter__():
                if frame.index == 5:
                    raise error
                yield frame

    before = threading.active_count()
    source = Torn(None) if place == "source" else Counter(None)
    stages = [[Delay(0.0), Failing(5 if place == "stage" else -1, error)], [Delay(0.0)]]
    sink = Broken() if place in ("sink", "main") else Collector()
    pipeline = Pipeline(source, stages, [sink, Collector()])
    name = {"stage": "failing", "sink": "broken", "main": "broken", "source": "torn"}[place]
    with pytest.raises(StageError, match=f"^{name}, frame 5: ValueError: got 3, expected 4$") as caught:
        pipeline.run()
    assert caught.value.__cause__ is error
    assert caught.value.stage == name
    assert threading.active_count() == before


def test_what_the_user_can_fix_comes_through_as_it_is() -> None:
    error = RealtimeError("The disk is full.")
    pipeline = Pipeline(Counter(None), [[Failing(2, error)]], [Collector()])
    pipeline.start()
    with pytest.raises(RealtimeError, match=r"The disk is full\.") as caught:
        pipeline.wait(10)
    assert caught.value is error


def test_an_error_ends_a_loop_whose_source_says_nothing() -> None:
    pipeline = Pipeline(Silent(), [[Failing(0, ValueError("first frame"))]], [Collector()])
    with pytest.raises(StageError, match="failing, frame 0"):
        pipeline.run()


def test_quit_ends_an_endless_loop_within_a_second() -> None:
    pipeline = Pipeline(Counter(None, live=True), [[Delay(0.05)], [Delay(0.05)]], [Collector(), MainCollector()])
    quits: list[float] = []

    def between() -> None:
        if not quits and pipeline.statistics().frames >= 3:
            quits.append(time.perf_counter())
            pipeline.quit()

    pipeline.run(between)
    assert time.perf_counter() - quits[0] < 1


def test_a_thread_that_will_not_end_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.pipeline._PATIENCE", 0.2)
    release = threading.Event()

    def stuck(frame: Frame) -> Frame:
        release.wait()
        return frame

    pipeline = Pipeline(Counter(None), [[stuck]], [Collector()])
    pipeline.start()
    time.sleep(0.05)
    with caplog.at_level(logging.ERROR):
        assert pipeline.stop() == ("stuck",)
    assert "stuck" in caplog.text
    release.set()


def test_stop_before_start_and_twice_does_nothing() -> None:
    pipeline = Pipeline(Counter(3), [], [Collector()])
    assert pipeline.stop() == ()
    assert pipeline.stop() == ()


def test_no_sink_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        Pipeline(Counter(3), [], [])


def test_statistics_name_stages_and_their_threads() -> None:
    pipeline = Pipeline(Counter(30), [[Delay(0.002), Delay(0.004)], [Failing(-1, ValueError())]], [Collector()])
    pipeline.run()
    figures = pipeline.statistics()
    stages = {stage.name: stage for stage in figures.stages}
    assert list(stages) == ["counter", "delay", "delay-2", "failing", "collector"]
    assert stages["delay"].thread == stages["delay-2"].thread == "delay+delay"
    assert 0.002 <= stages["delay"].spread.p50 < stages["delay-2"].spread.p50
    assert figures.age is None
    assert set(figures.cpu) == {"counter", "delay+delay", "failing", "collector"}
    text = "\n".join(lines(figures))
    assert "30 frames" in text
    assert "delay-2" in text


def test_a_trace_holds_every_step_of_every_frame_and_the_drops(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace.json")
    pipeline = Pipeline(Counter(40, live=True, rate=200), [[Delay(0.015)]], [Collector()], trace=trace)
    pipeline.run()
    trace.close()
    trace.close()
    events = json.loads((tmp_path / "trace.json").read_text())
    spans = [event for event in events if event["ph"] == "X" and event["name"] == "delay"]
    drops = [event["args"]["frame"] for event in events if event["name"] == "drop"]
    done = [event["args"]["frame"] for event in spans]
    assert sorted(done + drops) == list(range(40))
    assert all(event["dur"] >= 15000 for event in spans)
    assert {event["args"]["name"] for event in events if event["name"] == "thread_name"} == {"counter", "delay", "collector"}


def test_a_trace_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(RealtimeError, match="cannot be written"):
        Trace(tmp_path / "missing" / "trace.json")


def test_percentiles_of_the_histogram_are_those_of_the_durations() -> None:
    durations = np.random.default_rng(0).lognormal(-4, 0.8, 5000)
    meter = Meter()
    for duration in durations.tolist():
        meter.add(duration)
    spread = meter.spread()
    for share, value in ((50, spread.p50), (95, spread.p95), (99, spread.p99)):
        assert value == pytest.approx(np.percentile(durations, share), rel=0.02)
    assert spread.max == durations.max()
    assert spread.mean == pytest.approx(durations.mean())
    assert meter.recent() == pytest.approx(np.median(durations[-64:]))


def test_durations_out_of_range_count_at_the_ends() -> None:
    meter = Meter()
    for duration in (0.0, 1e-9, 1e4):
        meter.add(duration)
    assert meter.spread().count == 3
    assert meter.spread().max == 1e4
    assert Meter().spread().p99 == 0


class _Stumbling(Collector):
    """Raises at its third frame."""

    def send(self, frame: Frame) -> None:
        super().send(frame)
        if len(self.indices) == 3:
            raise ValueError("got 3, expected 4")


def _until(done: Callable[[], bool]) -> None:
    end = time.perf_counter() + 20
    while not done():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.002)


@pytest.mark.parametrize("groups", [[], [[Delay(0.001)], [Delay(0.001)]]])
def test_sinks_come_and_go_and_no_frame_of_another_is_lost(groups: list[list[Delay]]) -> None:
    first, second, third = Collector(), Collector(), Collector(0.2)
    pipeline = Pipeline(Counter(400), groups, [first], ["first"])
    with pytest.raises(KeyError, match="expected one of first"):
        pipeline.remove("second")
    with pytest.raises(ValueError, match="another one beside it"):
        pipeline.remove("first")
    with pytest.raises(ValueError, match="main thread"):
        pipeline.add("window", MainCollector(), lambda _: None)
    threads = threading.active_count()
    pipeline.start()
    _until(lambda: len(first.indices) > 10)
    assert pipeline.add("first", second, lambda _: None) == "first-2"
    _until(lambda: len(second.indices) > 10)
    assert set(pipeline.statistics().latencies) == {"first", "first-2"}
    assert pipeline.remove("first-2")
    # A slow one holds a file up, as it always did; taken out, it does not do so any more.
    assert pipeline.add("first-2", third, lambda _: None) == "first-2"
    _until(lambda: len(third.indices) == 1)
    assert pipeline.remove("first-2")
    pipeline.wait(30)
    assert first.indices == list(range(400))
    assert second.indices == list(range(second.indices[0], second.indices[-1] + 1))
    assert second.indices[-1] < 399
    assert len(third.indices) <= 3
    assert threading.active_count() == threads
    late = Collector()
    pipeline.add("late", late, lambda _: None)
    _until(lambda: threading.active_count() == threads)
    assert late.indices == []


def test_a_sink_that_was_added_fails_alone() -> None:
    good, bad, told = Collector(), _Stumbling(), []
    pipeline = Pipeline(Counter(200), [[Delay(0.001)]], [good], ["good"])
    pipeline.add("bad", bad, told.append)
    pipeline.start()
    _until(lambda: bool(told))
    again = Collector()
    # The name is free again, and means the one that has it now.
    assert pipeline.add("bad", again, told.append) == "bad"
    _until(lambda: len(again.indices) > 5)
    assert pipeline.remove("bad")
    pipeline.wait(30)
    assert good.indices == list(range(200))
    assert bad.indices == [0, 1, 2]
    (error,) = told
    assert isinstance(error, StageError)
    assert str(error) == "bad, frame 2: ValueError: got 3, expected 4"


def test_the_last_sink_s_error_ends_the_loop_whoever_added_it() -> None:
    told: list[Exception] = []
    pipeline = Pipeline(Counter(None, live=True, rate=100), [], [Collector()], ["first"])
    pipeline.add("bad", _Stumbling(), told.append)
    pipeline.start()
    assert pipeline.remove("first")
    with pytest.raises(StageError, match="bad, frame"):
        pipeline.wait(30)
    assert len(told) == 1
    assert set(pipeline.statistics().latencies) == {"bad"}


def test_a_sink_may_be_added_at_the_very_moment_of_the_start() -> None:
    first, second = Collector(), Collector()
    pipeline = Pipeline(Counter(20), [], [first])

    class Starting:
        """A lock after whose first release the loop starts."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock, self.done = lock, False

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()
            if not self.done:
                self.done = True
                pipeline.start()

    pipeline._lock = Starting(pipeline._lock)  # type: ignore[assignment]
    pipeline.add("second", second, lambda _: None)
    pipeline.wait(30)
    assert first.indices == second.indices == list(range(20))


def test_a_sink_may_be_added_before_the_start_and_taken_away_again() -> None:
    first, second, third = Collector(), Collector(), Collector()
    pipeline = Pipeline(Counter(20), [], [first])
    pipeline.add("second", second, lambda _: None)
    pipeline.add("third", third, lambda _: None)
    assert pipeline.remove("second")
    pipeline.run()
    assert first.indices == third.indices == list(range(20))
    assert second.indices == []


def test_the_first_sink_may_go_and_the_next_one_stands_for_the_loop() -> None:
    first, second = Collector(), Collector()
    pipeline = Pipeline(Counter(None, live=True, rate=100), [], [first, second], ["first", "second"])
    pipeline.start()
    _until(lambda: len(second.indices) > 3)
    assert pipeline.remove("first")
    count = len(first.indices)
    _until(lambda: len(second.indices) > count + 5)
    assert len(first.indices) == count
    assert pipeline.statistics().frames == pytest.approx(len(second.indices), abs=2)
    assert pipeline.stop() == ()
