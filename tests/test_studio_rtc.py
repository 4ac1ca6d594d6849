"""Previews by WebRTC, received by aiortc as a browser would, from a studio that runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket
from numpy.typing import NDArray
from studios import Running, running

from realtime.sinks.packets import Encoder
from realtime.studio.pacing import Pacing

Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A studio of which the loop runs."""
    with running(tmp_path_factory.mktemp("studio")) as one:
        one.house.show.start()
        one.wait()
        yield one


class _Page:
    """What a page does: offers to receive, takes the answer, and looks at pictures."""

    def __init__(self, one: Running, codec: str = "") -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = self.peer.addTransceiver("video", direction="recvonly")
        if codec:
            codecs = RTCRtpReceiver.getCapabilities("video").codecs
            self.video.setCodecPreferences([entry for entry in codecs if entry.name.lower() == codec])
        self._client = httpx.AsyncClient(base_url=one.root, timeout=30)
        self.answer: dict[str, str] = {}

    async def open(self, **more: Any) -> int:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        got = await self._client.post("/api/preview", json={"sdp": self.peer.localDescription.sdp, "type": "offer", **more})
        self.answer = got.json()
        if got.status_code == 200:
            await self.peer.setRemoteDescription(RTCSessionDescription(self.answer["sdp"], self.answer["type"]))
        return got.status_code

    async def picture(self) -> Bytes:
        frame: Any = await asyncio.wait_for(self.video.receiver.track.recv(), 30)
        return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)

    async def close(self, told: bool = True) -> None:
        if told and "id" in self.answer:
            assert (await self._client.delete(f"/api/preview/{self.answer['id']}")).status_code == 200
        await self.peer.close()
        await self._client.aclose()


def _seen(one: Running, count: int = 1, codec: str = "", **more: Any) -> tuple[list[Bytes], dict[str, str]]:
    async def see() -> tuple[list[Bytes], dict[str, str]]:
        page = _Page(one, codec)
        assert await page.open(**more) == 200, page.answer
        pictures = [await page.picture() for _ in range(count)]
        await page.close()
        return pictures, page.answer

    return asyncio.run(see())


def test_both_views_come_in_step_in_one_picture(moving: Running) -> None:
    pictures, answer = _seen(moving, 12, view="both", height=180)
    assert "H264/90000" in answer["sdp"]
    assert "VP8" not in answer["sdp"]
    last = pictures[-1]
    assert last.shape == (180, 640, 3)
    raw, shown = last[:, :320].astype(int), last[:, 320:].astype(int)
    assert np.abs(raw[:140] - shown[:140]).mean() < 3, "the same moment"
    assert np.abs(raw[158:176, 6:60] - shown[158:176, 6:60]).mean() > 15, "the label stands on what leaves the machine"
    assert max(np.abs(one.astype(int) - last).mean() for one in pictures[:-1]) > 0.3, "it stands still"


def test_a_browser_without_h264_gets_vp8(moving: Running) -> None:
    pictures, answer = _seen(moving, 3, codec="vp8", view="after", height=90)
    assert "VP8/90000" in answer["sdp"]
    assert pictures[-1].shape == (90, 160, 3)


def test_the_face_alone_comes_with_its_alpha_below(moving: Running) -> None:
    pictures, _ = _seen(moving, 3, view="face", height=180)
    colour, alpha = pictures[-1][:180], pictures[-1][180:]
    assert colour.shape == alpha.shape == (180, 320, 3)
    assert alpha[158:176, 6:60].max() > 150, "the label"
    assert alpha[:60].max() < 40
    assert colour[:60].max() < 40


def test_pictures_come_at_the_loops_pace(moving: Running) -> None:
    async def pace() -> float:
        page = _Page(moving)
        await page.open(view="after", height=90)
        await page.picture()
        begin = time.perf_counter()
        for _ in range(30):
            await page.picture()
        rate = 30 / (time.perf_counter() - begin)
        await page.close()
        return rate

    assert asyncio.run(pace()) > 7, "of 15"


def test_a_lost_picture_is_answered_with_a_new_beginning(moving: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    renew = Encoder.renew
    monkeypatch.setattr(Encoder, "renew", lambda self: (asked.append(time.perf_counter()), renew(self))[1])

    async def lose() -> None:
        page = _Page(moving)
        await page.open(view="after", height=90)
        await page.picture()
        receiver: Any = page.video.receiver
        await receiver._send_rtcp_pli(next(iter(receiver._RTCRtpReceiver__remote_streams)))
        end = time.monotonic() + 10
        while not asked and time.monotonic() < end:
            await page.picture()
        await page.close()

    asyncio.run(lose())
    assert asked


def test_only_so_many_watch_and_those_who_go_make_room(moving: Running) -> None:
    async def crowd() -> None:
        pages = [_Page(moving) for _ in range(13)]
        statuses = [await page.open(view="after", height=90) for page in pages]
        assert statuses == [200] * 12 + [503]
        assert "close one" in pages[-1].answer["problem"]
        # Without a word, as a browser that is closed.
        await pages[0].close(told=False)
        end, late = time.monotonic() + 20, _Page(moving)
        while await late.open(view="after", height=90) != 200:
            assert time.monotonic() < end
            await late.peer.close()
            late = _Page(moving)
            await asyncio.sleep(0.2)
        for page in (*pages[1:-1], late):
            await page.close()
        await pages[-1].peer.close()

    asyncio.run(crowd())
    assert len(moving.house.studio._peers) == 0


_AUDIO = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=mid:0\r\n"


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "nonsense",
        "v=0\r\n" * 1000,
        "m=video H264/90000",
        "v=0\r\nm=video x y z\r\na=rtpmap:x H264/90000\r\n",
        _AUDIO,
        _AUDIO + "a=rtpmap:99 H264/90000\r\n",
        "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n" * 100,
    ],
)
def test_an_offer_that_cannot_be_answered_is_one_sentence(moving: Running, sdp: str) -> None:
    answer = moving.client.post("/api/preview", json={"sdp": sdp, "type": "offer"})
    assert answer.status_code == 422
    assert answer.json()["problem"].endswith(".")
    assert len(moving.house.studio._peers) == 0


def test_sound_and_more_videos_are_not_taken(moving: Running) -> None:
    async def talk() -> None:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        sdp = peer.localDescription.sdp
        video = "m=video" + sdp.partition("m=video")[2]
        sound = _AUDIO.partition("t=0 0\r\n")[2].replace("recvonly", "sendonly").replace("mid:0", "mid:7")
        for more in (sound, video.replace("a=mid:0", "a=mid:8").replace("recvonly", "sendonly")):
            answer = await asyncio.to_thread(moving.client.post, "/api/preview", json={"sdp": sdp + more, "type": "offer"})
            assert answer.status_code == 422
            assert "one video track" in answer.json()["problem"]
        await peer.close()

    asyncio.run(talk())


def test_a_wish_that_is_none_is_one_sentence(moving: Running) -> None:
    for more in ({"view": "behind"}, {"height": 5}, {"type": "answer"}, {"more": 1}, {"sdp": "x" * 100_000}):
        answer = moving.client.post("/api/preview", json={"sdp": "", "type": "offer", **more})
        assert answer.status_code == 422, more
    assert moving.client.delete("/api/preview/nobody").status_code == 404


class _Line:
    """A sender that tells of a line with so much loss; what is sent is what the encoder was asked for."""

    def __init__(self, encoder: Encoder) -> None:
        self.sent, self._encoder, self._ssrc = 0, encoder, 7

    async def second(self, loss: int) -> None:
        """A second in which the receiver reports so many 256ths lost."""
        self.sent += self._encoder.bitrate // 8
        of_ours = RtcpReceiverInfo(self._ssrc, loss, 0, 0, 0, 0, 0)
        of_others = RtcpReceiverInfo(self._ssrc + 1, 255, 0, 0, 0, 0, 0)
        await self._handle_rtcp_packet(RtcpRrPacket(1, [of_ours, of_others]))

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        """What aiortc does with it is not looked at."""

    async def getStats(self) -> dict[str, Any]:  # noqa: N802 (aiortc's name)
        inbound = SimpleNamespace(type="remote-inbound-rtp", roundTripTime=0.02)
        return {"in": inbound, "out": SimpleNamespace(type="outbound-rtp", bytesSent=self.sent)}


def test_a_line_that_loses_packets_gets_smaller_and_coarser_pictures_and_later_whole_ones_again() -> None:
    encoder, viewing = Encoder("h264"), SimpleNamespace(height=480)
    encoder(np.zeros((480, 1708, 3), np.uint8))
    line = _Line(encoder)
    pacing = Pacing(line, viewing, encoder)  # type: ignore[arg-type]
    seen = []
    for second in range(120):
        asyncio.run(line.second(60 if 20 <= second < 40 else 0))
        asyncio.run(pacing.look(float(second)))
        seen.append((viewing.height, encoder.bitrate))
    assert seen[39][0] < seen[19][0]
    assert seen[39][1] < 0.5 * seen[19][1]
    assert seen[119][0] == 480
    assert seen[119][1] > 2 * seen[39][1]


def test_a_page_on_another_machine_is_watched_over(moving: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.studio.app.local", lambda _: False)
    monkeypatch.setattr("realtime.studio.rtc._LOOK", 0.1)
    looks: list[float] = []
    look = Pacing.look

    async def counted(self: Pacing, now: float) -> None:
        looks.append(now)
        await look(self, now)

    monkeypatch.setattr(Pacing, "look", counted)
    pictures, _ = _seen(moving, 30, view="after", height=180)
    assert pictures[-1].shape[1] in (320, 266, 268)
    assert len(looks) >= 5


# The encoder


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_every_picture_gives_its_packet_at_once(codec: Any) -> None:
    random = np.random.default_rng(1)
    encoder, sizes = Encoder(codec, 2_000_000), [(90, 160), (90, 160), (90, 160), (180, 320), (180, 320)]
    packets = [encoder(random.integers(0, 255, (*size, 3)).astype(np.uint8)) for size in sizes]
    assert [packet.is_keyframe for packet in packets] == [True, False, False, True, False]
    stamps = [packet.pts for packet in packets]
    assert stamps == sorted(set(stamps))
    encoder.renew()
    assert encoder(np.zeros((180, 320, 3), np.uint8)).is_keyframe
    assert not encoder(np.zeros((180, 320, 3), np.uint8)).is_keyframe


def test_the_bitrate_is_a_ceiling() -> None:
    random, encoder = np.random.default_rng(1), Encoder("h264", 1_000_000)
    noise = [random.integers(0, 255, (180, 320, 3)).astype(np.uint8) for _ in range(60)]
    for image in noise:
        encoder(image)
        time.sleep(1 / 60)
    sizes = [len(bytes(encoder(image))) for image in noise]
    # A second at 60 pictures: one thirtieth of a megabit each is what a ceiling for 30 allows.
    assert np.mean(sizes) * 8 * 30 < 1.5e6


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_the_bitrate_follows_down_and_up_beyond_where_it_began(codec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sinks.packets._PATIENCE", -1.0)
    random, encoder = np.random.default_rng(1), Encoder(codec, 3_000_000)
    noise = [random.integers(0, 255, (180, 320, 3)).astype(np.uint8) for _ in range(30)]

    def spent(bitrate: int, begin: int) -> float:
        encoder.bitrate = bitrate
        packets = [encoder(noise[index % 30], (begin + index) * 3000) for index in range(90)]
        # What comes in the first second still pays for the one before.
        return sum(packet.size for packet in packets[30:]) * 8 / 2

    middle, less, more = spent(3_000_000, 0), spent(1_200_000, 90), spent(7_000_000, 180)
    assert less < 0.6 * middle
    assert more > 1.7 * middle


def test_colours_are_tagged_with_the_matrix_they_were_made_with() -> None:
    encoder, decoder = Encoder("h264"), av.CodecContext.create("h264", "r")
    frame: Any = decoder.decode(av.Packet(bytes(encoder(np.full((90, 160, 3), (40, 90, 200), np.uint8)))))[0]
    assert (frame.colorspace, frame.color_range) == (1, 1)
