"""Sources from files and addresses: Video and Image."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from av.container import InputContainer
from av.video.frame import VideoFrame

from realtime.config import ImageInput, VideoInput
from realtime.frame import Frame, RealtimeError
from realtime.machine.ring import Ring
from realtime.sources.decode import Decoder, is_network, opened
from realtime.sources.network import Network
from realtime.sources.photo import read_photo
from realtime.sources.soundtrack import Soundtrack

_BEHIND = 0.5
logger = logging.getLogger(__name__)


class Video:
    """A clip, or the stream of a network camera.

    A file gives every frame in order with its own time; with `realtime` it plays at its own pace like a webcam, times
    are the perf_counter() times at which frames were due, and frames that come late are skipped; `loop` starts over
    with times that go on.  An address is live: the newest frame, reconnecting by itself; a clip of known length behind
    http is a file.  size: (width, height).  total: number of frames, None where unknown.  Raises RealtimeError.
    """

    def __init__(self, settings: VideoInput, say: Callable[[str], None] = logger.info) -> None:
        self._settings, self._say = settings, say
        decoder = Decoder(settings.path)
        self.rate, self.size = decoder.rate, decoder.size
        endless = is_network(settings.path) and not (settings.path.lower().startswith("http") and decoder.length)
        self._network = Network(decoder, say) if endless else None
        self._decoder: Decoder | None = None if endless else decoder
        self.live = endless or settings.realtime
        self.total: int | None = None if endless or settings.loop else decoder.total
        self._soundtrack: Soundtrack | None = None
        # When the clip began that is being read, in times of frames.
        self._round = 0.0
        self._stop = threading.Event()
        self._reading = threading.Lock()

    def hear(self) -> Ring | None:
        """The clip's sound from now on, by the times of its frames; None where it has none, and for a network camera."""
        with self._reading:
            if self._soundtrack is None and self._decoder is not None and not self._stop.is_set():
                container = self._audible()
                self._soundtrack = Soundtrack(container, self._decoder.begin, self._round) if container else None
            return self._soundtrack.ring if self._soundtrack else None

    def __iter__(self) -> Iterator[Frame]:
        if self._network is not None:
            return iter(self._network)
        return self._paced() if self._settings.realtime else self._plain()

    def close(self) -> None:
        """End the iteration, from any thread, any number of times."""
        self._stop.set()
        if self._network is not None:
            self._network.close()
            return
        with self._reading:
            self._end()
            if self._soundtrack is not None:
                self._soundtrack.close()

    def _end(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _plain(self) -> Iterator[Frame]:
        for index, (decoder, frame, moment, duration) in enumerate(self._entries()):
            with self._reading:
                if self._stop.is_set():
                    return
                self._sound(moment, duration, 0.0)
                image = decoder.picture(frame)
            yield Frame(image, index, moment)

    def _paced(self) -> Iterator[Frame]:
        start = None
        for index, (decoder, frame, moment, duration) in enumerate(self._entries()):
            start = time.perf_counter() - moment if start is None else start
            late = time.perf_counter() - (start + moment)
            skipped = duration < late <= _BEHIND
            if late > _BEHIND:  # too slow for this clip: play slowly, better than show nothing
                start += late
            with self._reading:
                if self._stop.is_set():
                    return
                self._sound(moment, duration, start)
                if skipped:
                    continue
                image = decoder.picture(frame)
            if self._stop.wait(max(0.0, start + moment - time.perf_counter())):
                return
            yield Frame(image, index, start + moment)

    def _audible(self) -> InputContainer | None:
        """The clip opened once more, for its sound; None where it has none."""
        try:
            container = opened(self._settings.path)
        except RealtimeError as error:
            # Its pictures are there already: a server may give it away only once.
            self._say(f"The clip plays without its sound. {error}")
            return None
        if container.streams.audio and container.streams.audio[0].codec_context is not None:
            return container
        container.close()
        return None

    def _sound(self, moment: float, duration: float, start: float) -> None:
        if self._soundtrack is not None:
            self._soundtrack.play(moment, duration, start)

    def _entries(self) -> Iterator[tuple[Decoder, VideoFrame, float, float]]:
        """Each frame with its decoder, time and duration, over all rounds of a loop."""
        while True:
            count = 0
            while True:
                with self._reading:
                    decoder = self._decoder
                    entry = decoder.read() if decoder is not None and not self._stop.is_set() else None
                if decoder is None or entry is None:
                    break
                count += 1
                yield decoder, entry[0], self._round + entry[1], entry[2]
            with self._reading:
                if self._stop.is_set() or decoder is None:
                    return
                end = decoder.end
                if self._round == 0.0:
                    self._tell(decoder, count, end)
                self._end()
                if not self._settings.loop:
                    return
                self._decoder = Decoder(self._settings.path)
                self._round += end
                if self._soundtrack is not None:
                    self._soundtrack.again(self._audible(), self._decoder.begin, self._round)

    def _tell(self, decoder: Decoder, count: int, end: float) -> None:
        """Say it when the clip was damaged or shorter than it claims."""
        short = decoder.length is not None and end < decoder.length - max(0.1, 2.5 / decoder.rate)
        if short:
            self._say(f"{decoder.name} is cut off: {count} frames ({end:.1f} of {decoder.length:.1f} seconds) could be read.")
        elif decoder.damaged:
            self._say(f"{decoder.name} is damaged: {decoder.damaged} pieces of it could not be decoded, {count} frames could.")


class Image:
    """A photo as a source: one frame at time 0, or with `realtime` the same picture at `fps` until closed.

    size: (width, height).  Raises RealtimeError.
    """

    def __init__(self, settings: ImageInput) -> None:
        self._image = read_photo(settings.path)
        height, width = self._image.shape[:2]
        if not width or not height:
            raise RealtimeError(f"{settings.path} has no pixels ({width} x {height}); give a photo.")
        self.size, self.rate, self.live = (width, height), settings.fps, settings.realtime
        self.total: int | None = None if settings.realtime else 1
        self._stop = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        if not self.live:
            if not self._stop.is_set():
                yield Frame(self._image, 0, 0.0)
            return
        start, index = time.perf_counter(), 0
        while not self._stop.wait(max(0.0, start + index / self.rate - time.perf_counter())):
            yield Frame(self._image, index, start + index / self.rate)
            # Frames that nobody fetched in time are skipped, as a webcam's are.
            index = max(index + 1, int((time.perf_counter() - start) * self.rate))

    def close(self) -> None:
        """End the iteration, from any thread, any number of times."""
        self._stop.set()
