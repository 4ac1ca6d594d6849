"""A visitor end to end: aiortc's own client with a moving portrait sends its picture and gets it back with another face."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aioice.ice import get_host_addresses
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from realtime.calls import strip
from realtime.calls.calls import Calls
from realtime.calls.visitor import Wish
from realtime.config import Settings
from realtime.frame import Image
from realtime.inputs import AnimatedInput
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.portraits import portrait
from realtime.sources.animated import Animated

pytestmark = pytest.mark.skipif(
    not get_host_addresses(use_ipv4=True, use_ipv6=True), reason="no network interface but loopback, which WebRTC leaves out"
)
_WIDTH, _HEIGHT, _STRIP, _FPS = 640, 360, 24, 15
_SHARE = _STRIP / (_HEIGHT + _STRIP)


@pytest.fixture(scope="module")
def pictures() -> list[Image]:
    """A second of Collins before her webcam, to and fro."""
    with closing(Animated(AnimatedInput(width=_WIDTH, height=_HEIGHT, fps=_FPS, seconds=1, realtime=False))) as source:
        ahead = [frame.image for frame in source]
    return ahead + ahead[-2:0:-1]


@pytest.fixture
def hopper_enrolled(detector: Any, landmarker: Any) -> None:
    """Grace Hopper, who may be worn."""
    identities.save(enrol("hopper", [portrait("hopper")], detector, landmarker, identities.Consent.now()))


class _Camera(MediaStreamTrack):
    """The pictures at their own pace, the time code above them."""

    kind = "video"

    def __init__(self, pictures: list[Image], fps: float = _FPS) -> None:
        super().__init__()
        self._pictures, self._fps, self._index = pictures, fps, 0
        self._begin = time.perf_counter()

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._index = max(self._index + 1, int((time.perf_counter() - self._begin) * self._fps))
        await asyncio.sleep(max(0.0, self._begin + self._index / self._fps - time.perf_counter()))
        code = strip.draw(int(time.perf_counter() * 1e3), _WIDTH, _STRIP)
        picture = np.concatenate((code, self._pictures[self._index % len(self._pictures)]))
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = int(self._index / self._fps * 90_000), Fraction(1, 90_000)
        return frame


class _Caller:
    """A browser's part: sends a camera, keeps what comes back."""

    def __init__(self, camera: MediaStreamTrack) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.camera = camera
        self.back: list[Image] = []
        self.trips: list[float] = []
        self.told: list[str] = []
        self.peer.addTrack(camera)
        self.channel = self.peer.createDataChannel("swapcam")
        self.channel.on("message", self.told.append)
        self._task: asyncio.Task[None] | None = None

    async def offer(self) -> RTCSessionDescription:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription

    async def call(self, calls: Calls, wish: Wish) -> str:
        offer = await self.offer()
        answer = await calls.answer(offer.sdp, offer.type, wish)
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))
        self._task = asyncio.ensure_future(self._watch(self.peer.getReceivers()[0].track))
        return answer.id

    async def _watch(self, track: Any) -> None:
        try:
            while True:
                image = (await track.recv()).to_ndarray(format="bgr24")
                now, code = int(time.perf_counter() * 1e3), strip.read(strip.cut(image, _SHARE)[0])
                if code is not None:
                    self.trips.append((now - code) % (1 << 16) / 1e3)
                self.back.append(image)
                del self.back[:-40]
        except MediaStreamError:
            pass

    async def until(self, done: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.perf_counter() + seconds
        while not done():
            assert time.perf_counter() < end, f"got {len(self.back)} pictures, the connection is {self.peer.connectionState}"
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.peer.close()


def _run(settings: Settings, story: Callable[[Calls], Awaitable[None]]) -> None:
    async def play() -> None:
        calls = Calls(lambda: settings)
        try:
            await asyncio.wait_for(story(calls), 120)
        finally:
            await calls.close_all()

    asyncio.run(play())


def _unlike(first: Image, second: Image) -> Any:
    return np.abs(first.astype(np.int16) - second).mean(axis=2)


def _nearest(image: Image, pictures: list[Image]) -> Image:
    """The picture that was sent, found by the background, which no face covers."""
    corner = np.s_[:120, :120]
    return min(pictures, key=lambda picture: float(_unlike(picture[corner], image[corner]).mean() + _unlike(picture, image).mean()))


@pytest.mark.usefixtures("hopper_enrolled")
def test_a_visitor_gets_the_swapped_picture_back(pictures: list[Image]) -> None:
    async def story(calls: Calls) -> None:
        caller = _Caller(_Camera(pictures))
        name = await caller.call(calls, Wish("hopper", strip=_SHARE))
        await caller.until(lambda: len(caller.trips) > 60)
        assert caller.back[-1].shape == (_HEIGHT + _STRIP, _WIDTH, 3)
        picture = strip.cut(caller.back[-1], _SHARE)[1]
        sent = _nearest(picture, pictures)
        away = _unlike(picture, sent)
        # Collins' face is there: somebody else is seen, and beside it the picture is what it was, but for two encoders.
        assert away[130:230, 220:330].mean() > 2.5 * away[30:130, 350:450].mean()
        # The label stands at the bottom left.
        assert away[-40:, :160].mean() > away[-40:, -160:].mean() + 10
        assert len(caller.trips) > 0.9 * 60
        assert np.median(caller.trips) < 1.0
        state = calls.states()[name]
        assert state.source == "hopper"
        assert state.size == (_WIDTH, _HEIGHT + _STRIP)
        await caller.close()

    _run(Settings(), story)
