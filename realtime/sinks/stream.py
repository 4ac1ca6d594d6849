"""A sink that sends to a streaming server or into an HLS folder, and never holds the loop up."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import av.error

from realtime.frame import Frame, Image
from realtime.machine.latency import Latency
from realtime.sinks import relay
from realtime.sinks.broadcast import Broadcast, Output, keyframes, place
from realtime.sinks.encoders import choose
from realtime.sinks.following import Following
from realtime.sinks.voice import Hearing
from realtime.slot import Closed, Slot

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
# Seconds that one call may take, longer than servers that are merely slow need; and how many may hang at a time.
_HANGS, _MOST_STUCK = 10.0, 3
# A connection that lasts so long counts as one; shorter ones are refusals, and the next pause is longer.
_STEADY = 2.0


@dataclass(frozen=True, slots=True)
class _Picture:
    image: Image
    moment: float
    latency: float


class _Line:
    """A thread that connects and sends.  busy: since when it has been in one call that may hang."""

    def __init__(self) -> None:
        self.slot: Slot[_Picture] = Slot()
        self.thread = threading.Thread()
        self.broadcast: Broadcast | None = None
        self.busy: float | None = None
        self.connected = False


class Stream:
    """Sends pictures from a thread of its own; a server that is slow or gone costs pictures of this stream alone.

    rate: frames per second of the source.  live: its frames are stamped by time.perf_counter(); others are sent at the pace
    of their times.  hearing: the sound; None: a stream without.  say: takes one sentence when the server goes and when it is
    there again; no sentence carries a stream key or a password.
    Raises RealtimeError for an encoder that does not work here and for what SRT needs.
    """

    repeat = 0.5
    """Seconds of silence after which the last frame is sent again: servers take a pause for the end."""

    def __init__(self, settings: Output, rate: float, live: bool, hearing: Hearing | None, say: Callable[[str], None]) -> None:
        self.settings, self._live, self._say = settings, live, say
        self.place = place(settings)
        self._source, self._rate = rate, min(rate, settings.fps or rate)
        self._hearing = hearing if settings.audio else None
        if self.place.startswith("srt:"):
            relay.program()
        self._codec = choose(settings.encoder, settings.bitrate, keyframes(settings), self._rate)
        self._stop, self._latency = threading.Event(), Latency()
        self._state, self._problem = "waiting", ""
        self._told: bool | None = None  # True: that it is on air; False: that it is not
        self._last: tuple[int, float] | None = None
        self._begin: float | None = None
        self._lag = self._due = 0.0
        self._line, self._stuck = _Line(), list[_Line]()
        self._start()

    @property
    def state(self) -> str:
        """ "on air" or "waiting"."""
        return self._state

    @property
    def problem(self) -> str:
        """Why it waits, in a sentence without secrets; "" on air."""
        return self._problem

    def send(self, frame: Frame) -> None:
        """Take a frame along; never waits but for the time of a frame that is not live, never raises for the server."""
        if self._stop.is_set() or frame.image.size == 0:
            return
        now = time.perf_counter()
        again, self._last = (frame.index, frame.time) == self._last, (frame.index, frame.time)
        moment = now - self._lag if again else self._moment(frame, now)
        if self.settings.fps:
            if moment < self._due - 0.25 / self._rate:
                return
            self._due = max(self._due, moment - 1 / self._rate) + 1 / self._rate
        if not again:
            self._lag = max(now - moment, 0.0)
            self._latency.add(self._lag)
        with suppress(Closed):
            self._line.slot.put(_Picture(frame.image, moment, self._latency.value))
        if self._line.busy is not None and now > self._line.busy + _HANGS:
            self._leave()

    def close(self) -> None:
        """Hang up within about a second; a server that hangs is left to its time limit in the background."""
        self._stop.set()
        for line in (self._line, *self._stuck):
            line.slot.close()
        self._line.thread.join(1.0)
        for line in (self._line, *self._stuck):
            if line.thread.is_alive() and line.broadcast is not None:
                line.broadcast.abort()

    def _moment(self, frame: Frame, now: float) -> float:
        """When the frame was taken, on the clock of time.perf_counter()."""
        if self._live:
            return frame.time
        # A file's frames come as fast as the loop makes them: they wait for their time, and a loop that is too slow sets it anew.
        if self._begin is None or not -1.0 < self._begin + frame.time - now < 10.0:
            self._begin = now - frame.time
        if isinstance(self._hearing, Following):
            self._hearing.follow(frame.time, self._begin + frame.time, 1 / self._source)
        self._stop.wait(max(self._begin + frame.time - now, 0.0))
        return self._begin + frame.time

    def _start(self) -> None:
        self._line = line = _Line()
        line.thread = threading.Thread(target=self._work, args=(line,), name=f"{self.settings.kind} sender", daemon=True)
        line.thread.start()

    def _leave(self) -> None:
        """Give up a connection that hangs where nothing can wake it, and begin another one; only so many at a time."""
        self._stuck = [line for line in self._stuck if line.thread.is_alive()]
        if len(self._stuck) >= _MOST_STUCK:
            return
        line = self._line
        self._stuck.append(line)
        line.slot.close()
        if line.broadcast is not None:
            line.broadcast.abort()
        self._start()
        self._lost("it does not answer")

    def _work(self, line: _Line) -> None:
        """Connect and send, again and again; a line that was given up in the meantime says nothing any more."""
        attempt = 0
        while not self._stop.is_set() and line is self._line:
            since = time.perf_counter()
            try:
                picture = line.slot.take()
                since = time.perf_counter()
                self._pass_on(line, picture, since)
            except Closed:
                pass
            except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
                if line is self._line and not self._stop.is_set():
                    self._lost(_reason(error, self.place))
            finally:
                if line.broadcast is not None:
                    line.broadcast.close()
                line.busy = None
            attempt = 0 if time.perf_counter() > since + _STEADY and line.connected else attempt
            self._stop.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    def _pass_on(self, line: _Line, picture: _Picture, since: float) -> None:
        """Picture after picture, until the connection fails or the slot is closed."""
        settings, line.connected = self.settings, False
        height, width = picture.image.shape[:2]
        size = settings.width or width, settings.height or height
        line.broadcast = broadcast = Broadcast(settings, self._codec, size, self._rate, self._hearing, picture.moment)
        line.busy = None if broadcast.patient else since
        broadcast.open()
        line.connected = True
        if line is self._line:
            self._state, self._problem = "on air", ""
        while True:
            line.busy = time.perf_counter()
            broadcast.write(picture.image, picture.moment, picture.latency)
            # Told when it has lasted: a server that takes the connection and hangs up was never there.
            if self._told is not True and line is self._line and time.perf_counter() > since + _STEADY / 2:
                self._say(f"On air: {self.place}")
                self._told = True
            line.busy = None
            picture = line.slot.take()

    def _lost(self, reason: str) -> None:
        self._state, self._problem = "waiting", f"{self.place} is not there ({reason}); trying again until it is."
        if self._told is not False:
            self._told = False
            self._say(self._problem)


def _reason(error: Exception, place: str) -> str:
    """An error in a few words, without the address that FFmpeg puts behind them."""
    if isinstance(error, OSError) and error.errno == errno.EIO and place.startswith("rtmp"):
        return "the server refuses it: look at the stream key, and whether somebody sends with it already"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


__all__ = ["Stream"]
