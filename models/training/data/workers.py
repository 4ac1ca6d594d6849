"""Work shared out over processes that end with the one that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from models.network import NetworkError

Job = TypeVar("Job")
Result = TypeVar("Result")


def each(work: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """The results of jobs in their order, made by so many processes, or by this one where that is 1.

    Raises what `work` raises, NetworkError where a process dies; the others are ended then.
    """
    if workers == 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the workers see its other end close, also when this process is killed.
    ear, mouth = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(ear,))
    try:
        yield from pool.map(work, jobs)
    except BrokenProcessPool:
        why = "A worker process died, perhaps for want of memory"
        raise NetworkError(f"{why}; start again with fewer --workers, what is done is kept.") from None
    finally:
        mouth.close()
        pool.shutdown(cancel_futures=True)
        ear.close()


def _begin(ear: Connection) -> None:
    # Ctrl-C goes to all processes of a terminal; the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_listen, args=(ear,), daemon=True).start()


def _listen(ear: Connection) -> None:
    with suppress(EOFError, OSError):
        ear.recv()
    os._exit(1)


__all__ = ["each"]
