"""Opening and closing the whole loop 50 times leaves no file, thread or memory behind."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import psutil
import pytest

from realtime.build import build
from realtime.config import AnimatedInput, RecordingOutput, Settings, SwapSettings
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.portraits import portrait


def _handles(process: psutil.Process) -> int:
    return process.num_fds() if hasattr(process, "num_fds") else process.num_handles()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_loops_leave_nothing_behind(tmp_path: Path, detector, landmarker) -> None:  # type: ignore[no-untyped-def]
    identities.save(enrol("anna", [portrait("collins")], detector, landmarker, identities.Consent.now()))
    process = psutil.Process()
    counts: list[tuple[int, int, int]] = []
    memory: list[float] = []
    for turn in range(50):
        # Live and file in turn; every fourth is stopped in the middle.
        live, stopped = turn % 2 == 0, turn % 4 == 3
        settings = Settings(
            input=AnimatedInput(path=str(portrait("hopper")), width=320, height=240, seconds=60 if stopped else 0.2, realtime=live),
            outputs=(RecordingOutput(path=str(tmp_path / "out.mp4"), overwrite=True),),
            swap=SwapSettings(sources=("anna",)),
        )
        with build(settings, trace=tmp_path / "trace.json") as loop:
            loop.pipeline.run(loop.pipeline.quit if stopped else None)
        del loop
        gc.collect()
        counts.append((_handles(process), threading.active_count(), process.num_threads()))
        memory.append(process.memory_info().rss / 2**20)
    handles, threads, system_threads = zip(*counts, strict=True)
    assert max(handles[10:]) <= max(handles[:10])
    assert max(threads) == threads[0]
    assert max(system_threads[10:]) <= max(system_threads[:10]) + 1
    assert max(memory[40:]) - max(memory[5:15]) < 60, memory
