"""Ports: the outputs of a loop, which come and go while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from realtime.config import Output, WindowOutput
from realtime.frame import RealtimeError, Sink
from realtime.outputs import FILES
from realtime.pipeline import Pipeline, attempt
from realtime.sinks.output import Nothing
from realtime.steps import unique

logger = logging.getLogger(__name__)

State = Literal["on air", "waiting", "off", "failed"]
STATES: tuple[State, ...] = ("on air", "waiting", "off", "failed")


@dataclass(frozen=True, slots=True)
class OutputState:
    """How an output is doing.

    name: unlike all others.  kind: as in the settings.  waiting: for a device or a server that is gone.
    problem: one sentence, "" where there is none.
    """

    name: str
    kind: str
    state: State
    problem: str = ""


@dataclass(slots=True)
class Port:
    """An output and its sink; without one it could not be opened, or failed.  extra: not from the settings."""

    output: Output
    sink: Sink | None
    name: str
    problem: str = ""
    extra: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def let_go(self) -> Sink | None:
        """The sink, for whoever is the first to close it."""
        with self._lock:
            sink, self.sink = self.sink, None
            return sink

    def state(self) -> OutputState:
        """How it is doing now."""
        if self.sink is None:
            return OutputState(self.name, self.output.kind, "failed", self.problem)
        # Sinks that can lose what they send to say so themselves.
        now = getattr(self.sink, "state", "on air")
        problem = str(getattr(self.sink, "problem", "")) or self.problem
        return OutputState(self.name, self.output.kind, now if now in STATES else "waiting", problem)


class Ports:
    """Opens the outputs that settings name, gives them to the pipeline and takes them away, and knows how they are.

    make: the sink of an output; raises RealtimeError.  changed: called, in whatever thread, when one fails.
    Safe from any thread.
    """

    def __init__(self, make: Callable[[Output], Sink], changed: Callable[[], None] = lambda: None) -> None:
        self._make, self._changed = make, changed
        self._ports: tuple[Port, ...] = ()
        self._pipeline: Pipeline | None = None
        self._alone = False
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[Port]:
        return iter(self._ports)

    def open(self, outputs: Sequence[Output], spare: Callable[[Output], bool]) -> None:
        """Open all outputs before the loop runs; one that is spare may fail.  Raises RealtimeError."""
        # A recording stands last: the first sink's latency is the loop's, and that of a file nobody waits for says nothing.
        for output in sorted(outputs, key=lambda output: (isinstance(output, FILES), isinstance(output, WindowOutput))):
            port = Port(output, None, output.kind)
            try:
                port.sink = self._make(output)
            except RealtimeError as error:
                if not spare(output):
                    raise
                port.problem = str(error)
            self._ports += (port,)

    def attach(self, pipeline: Pipeline, given: Sequence[str] = ()) -> None:
        """Know the pipeline, and give it the sinks; those it has already have the names `given`, and are all that it has."""
        self._pipeline, self._alone = pipeline, bool(given)
        names = list(given)
        for port in self._ports:
            if port.sink is not None:
                port.name = names.pop(0) if names else self._added(port, pipeline)

    def change(self, outputs: Sequence[Output]) -> None:
        """Have these outputs, those that were there already undisturbed; raises RealtimeError, with those of before back again."""
        wanted: list[Output] = [output for output in outputs if not isinstance(output, WindowOutput)]
        with self._lock:
            if not wanted and self._alone and not any(isinstance(port.output, WindowOutput) for port in self._ports):
                raise RealtimeError("There would be no output left; give another one.")
            with self._filled():
                self._change(wanted)

    @contextmanager
    def _filled(self) -> Iterator[None]:
        """A sink that does nothing meanwhile: a pipeline cannot be without, and its only one may have to close for its successor."""
        if self._pipeline is None or not self._alone:
            yield
            return
        name = self._pipeline.add("between", Nothing(), lambda _: None)
        try:
            yield
        finally:
            # It stays where nothing else could be opened.
            with suppress(ValueError):
                self._pipeline.remove(name)

    def _change(self, wanted: list[Output]) -> None:
        gone: list[Port] = []
        for port in self._ports:
            if port.output in wanted:
                wanted.remove(port.output)
            elif not port.extra and not isinstance(port.output, WindowOutput):
                gone.append(port)
        kinds = {port.output.kind for port in gone}
        with ExitStack() as undo:
            # What cannot be in the way of one another is opened first, so that a mistake disturbs nothing.
            for output in sorted(wanted, key=lambda output: output.kind in kinds):
                if output.kind in kinds:
                    for port in [port for port in gone if port.output.kind == output.kind]:
                        gone.remove(port)
                        self.shut(port)
                        undo.callback(self._again, port)
                undo.callback(self.shut, self.add(output))
            undo.pop_all()
        for port in gone:
            self.shut(port)

    def add(self, output: Output, extra: bool = False) -> Port:
        """Open one more output; raises RealtimeError."""
        port = Port(output, self._make(output), output.kind, extra=extra)
        with self._lock:
            if self._pipeline is not None:
                port.name = self._added(port, self._pipeline)
            self._ports += (port,)
        return port

    def shut(self, port: Port) -> None:
        """Take an output away and close it; what went wrong with its end is its problem and in the log."""
        with self._lock:
            self._ports = tuple(other for other in self._ports if other is not port)
        if self._pipeline is not None and port.sink is not None:
            # It may fail at this very moment, and is taken out then.
            with suppress(KeyError):
                self._pipeline.remove(port.name)
        sink = port.let_go()
        if sink is None:
            return
        error = attempt(sink.close)
        if error is not None:
            port.problem = str(error)
            logger.warning("%s", error)

    def retry(self) -> None:
        """Try to open again what could not be opened, or failed."""
        with self._lock:
            lost = [port for port in self._ports if port.sink is None and not port.extra]
            for port in lost:
                try:
                    again = self._make(port.output)
                except RealtimeError as error:
                    port.problem = str(error)
                else:
                    port.sink, port.problem = again, ""
                    if self._pipeline is not None:
                        port.name = self._added(port, self._pipeline)

    def states(self) -> list[OutputState]:
        """How each is doing."""
        states = [port.state() for port in self._ports]
        return [replace(state, name=name) for state, name in zip(states, unique(state.name for state in states), strict=True)]

    def close(self) -> None:
        """Close all, the latest first; raises what the first that fails raises, when all are closed."""
        with ExitStack() as parts:
            for port in self._ports:
                if port.sink is not None:
                    parts.callback(port.sink.close)

    def _added(self, port: Port, pipeline: Pipeline) -> str:
        assert port.sink is not None
        return pipeline.add(port.output.kind, port.sink, lambda error: self._failed(port, error))

    def _again(self, port: Port) -> None:
        """Put back what was taken away; what cannot be is left as failed."""
        back = Port(port.output, None, port.name, extra=port.extra)
        self._ports += (back,)
        self.retry()

    def _failed(self, port: Port, error: Exception) -> None:
        sink = port.let_go()
        port.problem = str(error)
        logger.warning("%s", error)
        trouble = attempt(sink.close) if sink is not None else None
        if trouble is not None:
            logger.warning("%s", trouble)
        self._changed()


__all__ = ["OutputState", "Port", "Ports", "State"]
