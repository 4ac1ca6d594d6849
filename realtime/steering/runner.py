"""Runner: loops one after another in a thread of their own, started, changed and ended as they are told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Literal

from realtime.build import build
from realtime.config import Settings
from realtime.equipment import Standby
from realtime.frame import RealtimeError
from realtime.loop import Loop
from realtime.pipeline import StageError, attempt
from realtime.sinks.monitor import Monitor
from realtime.steering.playing import at_once, played

logger = logging.getLogger(__name__)

State = Literal["stopped", "starting", "running", "ended", "failed"]
_PATIENCE = 20.0
"""Seconds that a call waits for what it asked for: models have to be opened first."""


class Runner:
    """The thread that owns the loop.

    offer: the settings to try now.  taken: told that the loop has those that were offered last, or with why not; whether
    there are more to try.  told: that there is a new loop, "begun", or none any more, "over"; that `state` or `problem` has
    changed, "state", or an output, "outputs".  All are called without a lock held.  photo_face: as in build().
    """

    def __init__(
        self,
        monitor: Monitor,
        offer: Callable[[], Settings],
        taken: Callable[[str], bool],
        told: Callable[[str], None],
        photo_face: int | None = None,
    ) -> None:
        self.state: State = "stopped"
        self.problem = ""
        self.loop: Loop | None = None
        self._monitor, self._offer, self._answer, self._told = monitor, offer, taken, told
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._changing = threading.Lock()
        self._parts, self._standby, self._photo_face = ExitStack(), Standby(photo_face), photo_face
        self._running: threading.Thread | None = None
        self._settings: Settings | None = None
        self._thread = threading.Thread(target=self._work, name="show", daemon=True)
        self._thread.start()

    def start(self) -> None:
        """Start the loop soon; where it runs, try again what failed of its outputs."""
        if self.state != "running":
            self._become("starting")
        self._jobs.put(self._start)

    def stop(self) -> None:
        """End the loop; waits for that, but not for ever."""
        done = threading.Event()
        self._jobs.put(self._stop)
        self._jobs.put(done.set)
        if threading.current_thread() is not self._thread:
            done.wait(_PATIENCE)

    def close(self) -> None:
        """End the loop and the thread; may be called again."""
        if self._thread.is_alive():
            self.stop()
            self._jobs.put(None)
            self._thread.join(_PATIENCE)

    def change(self, settings: Settings) -> bool:
        """Take settings into the loop: whether that is done; False: the thread does the rest, and tells.

        What takes but a moment is done at once, whatever else is on its way.  Raises RealtimeError.
        """
        loop, before = self.loop, self._settings
        if loop is None and self.state in ("stopped", "ended", "failed"):
            return True
        if loop is not None and before is not None and self._changing.acquire(blocking=False):
            try:
                before = self._settings or before
                soon = at_once(settings, before)
                if soon != before:
                    loop.change(played(soon))
                    self._settings = soon
                if soon == settings:
                    return True
            finally:
                self._changing.release()
        self._jobs.put(self._apply)
        return False

    def nudge(self) -> None:
        """Have what is offered tried soon."""
        self._jobs.put(self._apply)

    def say(self, problem: str) -> None:
        """Tell a problem, or with "" that there is none any more."""
        # Not the state as well, which the thread may be changing.
        if problem != self.problem:
            self.problem = problem
            self._told("state")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if error := attempt(job):
                # Nothing that a job meets may end the thread.
                logger.error("%s", _sentence(error), exc_info=error)
                self._become(self.state, _sentence(error))

    def _become(self, state: State, problem: str = "") -> None:
        if (state, problem) != (self.state, self.problem):
            self.state, self.problem = state, problem
            self._told("state")

    def _start(self) -> None:
        if self.loop is not None:
            if any(port.sink is None for port in self.loop.ports):
                self.loop.ports.retry()
                self._told("outputs")
            self._become("running")
            return
        self._become("starting")
        problem = self._begin(self._offer())
        if problem:
            self._monitor.clear()
            self._become("failed", problem)
        # They stay, whatever came of them: there is nothing to go back to.
        self._taken()

    def _stop(self) -> None:
        self._end()
        self._standby.close()
        self._monitor.clear()
        self._become("stopped")

    def _apply(self) -> None:
        """Bring the loop to what is wanted now."""
        loop, before, settings = self.loop, self._settings, self._offer()
        if loop is None or before is None or settings == before:
            self._taken()
            return
        if loop.restarts(played(settings)):
            self._again(settings, before)
            return
        # The long part without the lock, so that sliders go on moving something meanwhile.
        error = attempt(lambda: loop.prepare(played(settings)))
        if error is None:
            with self._changing:
                newest = self._offer()
                if at_once(newest, settings) != newest:
                    self._jobs.put(self._apply)
                    return
                error = attempt(lambda: loop.change(played(newest)))
                if error is None:
                    self._settings = newest
        self._told("outputs")
        if error is None:
            self._become("running")
            self._taken()
        else:
            self._refuse(error)

    def _taken(self, problem: str = "") -> None:
        if self._answer(problem):
            self._jobs.put(self._apply)

    def _again(self, settings: Settings, before: Settings) -> None:
        """Another loop in place of the one that runs; where that cannot be, the one of before again."""
        self._become("starting")
        self._end()
        problem = self._begin(settings)
        if not problem:
            self._taken()
            return
        worse = self._begin(before)
        self._become("failed" if worse else "running", problem if worse in ("", problem) else f"{problem} {worse}")
        self._taken(problem)

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, RealtimeError):
            logger.error("%s", _sentence(error), exc_info=error)
        self._become("running", _sentence(error))
        self._taken(_sentence(error))

    def _begin(self, settings: Settings) -> str:
        """A loop with these settings, running; the problem where that cannot be."""
        parts = ExitStack()
        loops: list[Loop] = []

        def begin() -> None:
            equipment = self._standby(settings)
            changed = lambda: self._told("outputs")  # noqa: E731
            loops.append(parts.enter_context(build(played(settings), monitor=self._monitor, equipment=equipment, changed=changed)))

        error = attempt(begin)
        if error is not None:
            if not isinstance(error, RealtimeError):
                logger.error("%s", _sentence(error), exc_info=error)
            return _sentence(error)
        self.loop, self._parts, self._settings = loops[0], parts, settings
        self._running = threading.Thread(target=self._run, args=(loops[0],), name="loop", daemon=True)
        self._running.start()
        self._told("begun")
        self._become("running")
        self._told("outputs")
        return ""

    def _run(self, loop: Loop) -> None:
        error = attempt(lambda: loop.run(signalled=False))
        self._jobs.put(lambda: self._ended(loop, error))

    def _ended(self, loop: Loop, error: Exception | None) -> None:
        """The loop has come to its end, or failed; one that was told to end is another's by now."""
        if loop is not self.loop:
            return
        self._end()
        if error is None:
            self._become("ended")
            return
        if isinstance(error, StageError):
            logger.error("%s", error, exc_info=error)
        self._monitor.clear()
        self._become("failed", _sentence(error))

    def _end(self) -> None:
        """No loop, everything of it closed."""
        loop, self.loop = self.loop, None
        if loop is None:
            return
        loop.pipeline.quit()
        if self._running is not None:
            self._running.join(_PATIENCE)
        error = attempt(self._parts.close)
        if error is not None:
            logger.warning("%s", _sentence(error))
        if loop.pipeline.stuck:
            # Models are for one thread at a time, and that one may still be in them.
            self._standby = Standby(self._photo_face)
        self._settings = None
        self._told("over")
        self._told("outputs")


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, RealtimeError) else f"Something went wrong inside: {error or type(error).__name__}."


__all__ = ["Runner", "State"]
