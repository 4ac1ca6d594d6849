"""A visitor end to end: aiortc's own client with a moving portrait sends its picture and gets it back with another face."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import weakref
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
from realtime.calls.calls import Answer, Calls, FullError
from realtime.calls.link import Link
from realtime.calls.visitor import Wish
from realtime.config import CallSettings, Settings
from realtime.frame import Image, RealtimeError
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
        await self.accept(answer)
        return answer.id

    async def accept(self, answer: Answer) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))
        # A browser goes on after a loss; aiortc's own buffer would hold every later picture back for as long as it has room.
        Link._prompt(self.peer.getReceivers()[0])
        self._task = asyncio.ensure_future(self._watch(self.peer.getReceivers()[0].track))

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

    async def looks(self, fits: Callable[[float], bool], pictures: list[Image]) -> Image:
        """The picture that came back, without its strip, once its face is as strange as wanted."""
        while True:
            picture = strip.cut(self.back[-1], _SHARE)[1]
            if fits(_strangeness(picture, pictures)):
                return picture
            # A busy machine's pictures come late, and the first ones after a change are coarse.
            await self.more(5)

    async def more(self, count: int) -> None:
        """Wait for so many more pictures with their time code."""
        before = len(self.trips)
        await self.until(lambda: len(self.trips) >= before + count)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.peer.close()


def _run(settings: Settings, story: Callable[[Calls], Awaitable[None]]) -> None:
    async def play() -> None:
        calls = Calls(lambda: settings)
        try:
            await asyncio.wait_for(story(calls), 90)
        finally:
            await calls.close_all()

    asyncio.run(play())
    # Neither threads nor tasks are left behind.
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("visitors", "dresser", "video-decoder"))]
    assert not left, left


def _unlike(first: Image, second: Image) -> Any:
    return np.abs(first.astype(np.int16) - second).mean(axis=2)


def _nearest(image: Image, pictures: list[Image]) -> Image:
    """The picture that was sent: hair and collar, which no swapped face covers, move with the head."""
    around = np.s_[20:330, 150:420]
    return min(pictures, key=lambda picture: float(np.median(_unlike(picture[around], image[around]))))


_FACE, _BESIDE = np.s_[130:230, 220:330], np.s_[30:130, 350:450]


def _strangeness(picture: Image, pictures: list[Image]) -> float:
    """How much its face differs from the picture that was sent, against the wall beside it."""
    away = _unlike(picture, _nearest(picture, pictures))
    return float(away[_FACE].mean() / away[_BESIDE].mean())


@pytest.mark.usefixtures("hopper_enrolled")
def test_a_visitor_gets_the_swapped_picture_back_and_changes_the_face_in_the_call(
    pictures: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pictures are compared with those that were sent, so none may shrink because the machine is busy.
    monkeypatch.setattr("realtime.calls.congestion.Congestion.see", lambda *_: False)

    async def story(calls: Calls) -> None:
        caller = _Caller(_Camera(pictures))
        name = await caller.call(calls, Wish("hopper", strip=_SHARE))
        await caller.until(lambda: len(caller.trips) > 30)
        assert caller.back[-1].shape == (_HEIGHT + _STRIP, _WIDTH, 3)
        picture = await caller.looks(lambda strangeness: strangeness > 2.5, pictures)
        away = _unlike(picture, _nearest(picture, pictures))
        # The label stands at the bottom left.
        assert away[-40:, :100].mean() > away[-40:, -100:].mean() + 10
        assert np.median(caller.trips) < 1.0
        state = calls.states()[name]
        assert (state.source, state.size) == ("hopper", (_WIDTH, _HEIGHT + _STRIP))
        # What the machine can use is told to the page.
        await caller.until(lambda: bool(caller.told))
        assert {"fps", "scale", "codec"} <= json.loads(caller.told[-1]).keys()
        await calls.wear(name, None, plain=True)
        picture = await caller.looks(lambda strangeness: strangeness < 1.6, pictures)
        assert _unlike(picture, _nearest(picture, pictures))[-40:, :100].mean() > 10, "the label is there without a face too"
        with pytest.raises(RealtimeError, match="enrolled"):
            await calls.wear(name, "nobody")
        with pytest.raises(KeyError):
            await calls.wear("gone", "hopper")
        await caller.close()
        await caller.until(lambda: len(calls) == 0)

    _run(Settings(), story)


@pytest.mark.usefixtures("hopper_enrolled")
def test_the_limit_is_told_and_whoever_leaves_makes_room(pictures: list[Image]) -> None:
    async def story(calls: Calls) -> None:
        first, second = _Caller(_Camera(pictures)), _Caller(_Camera(pictures))
        name = await first.call(calls, Wish("hopper", strip=_SHARE))
        with pytest.raises(FullError, match="1 visitor is here already"):
            await second.call(calls, Wish("hopper"))
        assert len(calls) == 1
        await first.until(lambda: len(first.back) > 3)
        kept = weakref.ref(calls._guests[name].link)
        assert await calls.close(name)
        assert not await calls.close(name)
        # Nothing of the visitor stays in memory, although a connection's parts hold each other.
        await second.until(lambda: kept() is None, 10)
        await second.close()
        third = _Caller(_Camera(pictures))
        await third.call(calls, Wish("hopper", strip=_SHARE))
        await third.until(lambda: len(third.back) > 3)
        await third.close()
        await first.close()

    _run(Settings(call=CallSettings(visitors=1)), story)


@pytest.mark.usefixtures("hopper_enrolled")
def test_nobody_goes_on_wearing_who_does_not_agree_any_longer(pictures: list[Image]) -> None:
    async def story(calls: Calls) -> None:
        wearing, plain = _Caller(_Camera(pictures)), _Caller(_Camera(pictures))
        await wearing.call(calls, Wish("hopper", strip=_SHARE))
        name = await plain.call(calls, Wish(plain=True, strip=_SHARE))
        calls.dismiss()
        await wearing.until(lambda: len(wearing.back) > 3)
        assert len(calls) == 2
        identities.remove("hopper")
        calls.dismiss()
        await wearing.until(lambda: list(calls.states()) == [name])
        await wearing.close()
        await plain.close()

    _run(Settings(), story)


@pytest.mark.usefixtures("hopper_enrolled")
def test_visitors_wear_only_whom_the_settings_name(pictures: list[Image]) -> None:
    settings = [Settings()]

    async def story() -> None:
        calls, caller = Calls(lambda: settings[0]), _Caller(_Camera(pictures))
        try:
            await caller.call(calls, Wish("hopper", strip=_SHARE))
            settings[0] = Settings(call=CallSettings(sources=("anna",)))
            calls.dismiss()
            await caller.until(lambda: len(calls) == 0)
            offer = await _Caller(_Camera(pictures)).offer()
            with pytest.raises(RealtimeError, match="Nobody of the name 'hopper'"):
                await calls.answer(offer.sdp, offer.type, Wish("hopper"))
        finally:
            await caller.close()
            await calls.close_all()

    asyncio.run(asyncio.wait_for(story(), 90))


@pytest.mark.usefixtures("hopper_enrolled")
def test_bad_wishes_and_offers_are_refused_in_one_sentence_and_take_no_place(pictures: list[Image]) -> None:
    async def story(calls: Calls) -> None:
        caller = _Caller(_Camera(pictures))
        offer = await caller.offer()
        for wish, word in ((Wish(None), "No face is chosen"), (Wish("../hopper"), "Nobody of the name"), (Wish("hopper.jpg"), "Nobody")):
            with pytest.raises(RealtimeError, match=word):
                await calls.answer(offer.sdp, offer.type, wish)
        sound = offer.sdp.replace("m=video ", "m=audio ")
        broken = [("", "offer"), ("v=0", "offer"), (sound, "offer"), (offer.sdp[:200], "offer"), (offer.sdp * 2, "offer")]
        # Nobody listens to what a visitor says: it would be decoded and kept for ever.
        talking = offer.sdp + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=mid:9\r\na=sendrecv\r\n"
        broken += [(talking, "offer"), (offer.sdp + 200 * ("m=application" + offer.sdp.partition("m=application")[2]), "offer")]
        for sdp, kind in [*broken, (offer.sdp, "answer")]:
            with pytest.raises(RealtimeError, match="offer"):
                await calls.answer(sdp, kind, Wish("hopper"))
        assert len(calls) == 0
        await caller.close()

    _run(Settings(), story)


@pytest.mark.usefixtures("hopper_enrolled")
def test_two_visitors_are_served_alike_and_one_gone_silent_is_let_go(pictures: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.calls.guest._IDLE_SECONDS", 3.0)

    async def story(calls: Calls) -> None:
        callers = [_Caller(_Camera(pictures)), _Caller(_Camera(pictures[::-1]))]
        for caller in callers:
            await caller.call(calls, Wish("hopper", strip=_SHARE))
        for caller in callers:
            await caller.until(lambda caller=caller: len(caller.back) > 5)  # type: ignore[misc]
        before = [len(caller.trips) for caller in callers]

        def counts() -> list[int]:
            return [len(caller.trips) - count for caller, count in zip(callers, before, strict=True)]

        await callers[0].until(lambda: sum(counts()) >= 50)
        assert min(counts()) > 0.6 * max(counts()), counts()
        # A tab that is closed says nothing any more, and says no good-bye either.
        callers[0].camera.stop()
        await callers[1].until(lambda: len(calls) == 1)
        count = len(callers[1].trips)
        await callers[1].until(lambda: len(callers[1].trips) > count + 5)
        for caller in callers:
            await caller.close()

    _run(Settings(), story)
