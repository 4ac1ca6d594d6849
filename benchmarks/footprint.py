"""What a network takes of memory, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil

from models.network import NetworkError
from models.running.providers import Runtime


def footprint(path: Path, runtime: Runtime, rewritten: bool) -> dict[str, float]:
    """Megabytes of a process that has opened and warmed a model: `running`, and the `peak` on the way; {} where that failed."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measure, path, runtime, rewritten).result()
        except (BrokenProcessPool, NetworkError):
            return {}


def _measure(path: Path, runtime: Runtime, rewritten: bool) -> dict[str, float]:
    from models.rewrite.prepare import prepare
    from models.session import Session

    session = Session(prepare(path, runtime).network if rewritten else path, runtime)
    running = psutil.Process().memory_info().rss
    session.close()
    return {"running": round(running / 2**20), "peak": round(max(running, peak()) / 2**20)}


def peak() -> int:
    """The most bytes that this process ever held; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.is_file():
        # The usual figure is that of the parent where that once held more.
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(found[1]) * 2**10 if found else 0
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


__all__ = ["footprint", "peak"]
