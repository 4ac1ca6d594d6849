"""Streams: what real servers receive, and what happens when they are not there, go, hang and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import flat, number, numbered
from servers import Sender, Server, serving

from realtime.address import masked, unmasked
from realtime.config import AnimatedInput, Settings, StreamOutput, SwapSettings
from realtime.frame import Frame, RealtimeError
from realtime.settings import Draft
from realtime.sinks import encoders, relay
from realtime.sinks.stream import Stream
from realtime.spec import gather, output_of

_RATE = 30.0


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    yield from serving(tmp_path)


def tracks(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        return {stream.type: stream.codec_context for stream in container.streams}


@pytest.mark.parametrize("kind", ["rtmp", "srt", "rtsp", "udp"])
def test_a_server_receives_h264_with_steady_times(kind: str, serve: Callable[[str], Server]) -> None:
    server = serve(kind)
    server.start()
    sender = Sender(StreamOutput(url=server.url, bitrate=1, keyframes=0.5, width=320, height=180))
    sender.until(lambda: sender.stream.state == "on air")
    sent = sender.sent
    sender.until(lambda: sender.sent > sent + 75)
    assert sender.close() < 2
    path = server.finish()
    with av.open(str(path)) as container:
        picture = container.streams.video[0]
        context = picture.codec_context
        assert (context.name, context.width, context.height, context.has_b_frames) == ("h264", 320, 180, False)
        assert (context.color_range, context.colorspace) == (1, 6)
        times, keys, numbers = [], [], []
        for packet in container.demux(picture):
            if packet.pts is None:
                continue
            times.append(float(packet.pts * picture.time_base))
            keys += [times[-1]] if packet.is_keyframe else []
            numbers += [number(frame.to_ndarray(format="bgr24")[60:120, 100:220]) for frame in packet.decode()]
    # Until the first report of the sender's clock comes, a receiver of RTP takes the moments of arrival for times.
    guessed = 3 if kind == "rtsp" else 0
    times, numbers, keys = times[guessed:], numbers[guessed:], [key for key in keys if key >= times[guessed]]
    steps = np.diff(times)
    assert len(times) > 30
    # A tick of Matroska and of FLV is a millisecond; a picture that was dropped on a busy machine leaves whole steps.
    assert np.abs(steps * _RATE - np.round(steps * _RATE)).max() < 0.1
    assert np.median(steps) == pytest.approx(1 / _RATE, abs=2e-3)
    # Where pictures were dropped one comes later.
    assert np.median(np.diff(keys)) == pytest.approx(0.5, abs=0.1)
    shown = np.diff(numbers) % 40
    assert (np.abs(shown - np.round(steps * _RATE)[: len(shown)]) <= 1).all()


def test_a_stream_carries_silence_where_there_is_no_microphone(serve: Callable[[str], Server]) -> None:
    """Services that ask for sound get some, and a microphone that is turned on later is heard."""
    from realtime.config import AudioSettings
    from realtime.machine.desk import Desk

    server, desk = serve("rtmp"), Desk(AudioSettings(), pytest.fail)
    server.start()
    sink = Stream(StreamOutput(url=server.url), _RATE, True, desk, lambda _: None)
    begin = time.perf_counter()
    while time.perf_counter() < begin + 2.5:
        sink.send(Frame(flat(64, 48, (90, 90, 90)), 0, time.perf_counter()))
        time.sleep(0.03)
    sink.close()
    path = server.finish()
    found = tracks(path)
    assert (found["audio"].name, found["audio"].sample_rate, found["audio"].layout.nb_channels) == ("aac", 48000, 2)
    with av.open(str(path)) as container:
        assert max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0)) < 1e-3


def test_frames_that_are_not_live_are_sent_at_their_pace(serve: Callable[[str], Server]) -> None:
    server = serve("rtmp")
    server.start()
    time.sleep(0.3)
    sink = Stream(StreamOutput(url=server.url, bitrate=1), 20.0, False, None, lambda _: None)
    before = time.perf_counter()
    for index in range(31):
        sink.send(Frame(numbered(index, 160, 96), index, index / 20))
    assert time.perf_counter() - before == pytest.approx(1.5, abs=0.3)
    sink.close()
    with av.open(str(server.finish())) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert np.median(np.diff(times)) == pytest.approx(0.05, abs=2e-3)


def test_fewer_frames_a_second_are_sent_when_asked_for(serve: Callable[[str], Server]) -> None:
    server = serve("rtmp")
    server.start()
    sender = Sender(StreamOutput(url=server.url, bitrate=1, fps=10))
    sender.until(lambda: sender.stream.state == "on air")
    time.sleep(1.5)
    sender.close()
    with av.open(str(server.finish())) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert np.median(np.diff(times)) == pytest.approx(0.1, abs=0.005)


def test_a_run_sends_the_finished_picture_with_its_label(serve: Callable[[str], Server]) -> None:
    """From the settings of a run to what the server has: the label is on it, and the face is covered or swapped, as in every output."""
    from realtime.build import build

    server = serve("rtmp")
    server.start()
    entry = Settings(
        input=AnimatedInput(width=640, height=360, seconds=3),
        outputs=(StreamOutput(url=server.url, bitrate=3),),
        swap=SwapSettings(enabled=False),
    )
    with build(entry) as loop:
        loop.run(signalled=False)
    with av.open(str(server.finish())) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) > 20
    moved = np.abs(pictures[-1].astype(int) - pictures[len(pictures) // 2]).mean()
    assert moved > 1
    # White letters on their dark ground, in the corner at the bottom left.
    corner = pictures[-1][310:, :160]
    assert (corner > 215).mean() > 0.01
    assert (corner > 215).sum() > 4 * (pictures[-1][310:, 480:] > 215).sum()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtmp://a.rtmp.youtube.com/live2/abcd-efgh", "rtmp://a.rtmp.youtube.com/live2/***"),
        ("rtmps://me:secret@host:443/app/key?auth=x&y", "rtmps://***@host:443/app/***?auth=***&***"),
        ("rtmp://host/key", "rtmp://host/***"),
        ("srt://host:9000?streamid=#!::r=me&passphrase=secret=1", "srt://host:9000?streamid=***&passphrase=***"),
        ("rtsp://me:p@ss@host/cam", "rtsp://***@host/cam"),
        ("udp://239.0.0.1:1234?pkt_size=1316", "udp://239.0.0.1:1234?pkt_size=1316"),
        ("no address", "***"),
    ],
)
def test_nothing_secret_is_shown_of_an_address(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert unmasked(shown, url) == url
    assert unmasked("rtmp://other/app/key", url) == "rtmp://other/app/key"


@pytest.mark.parametrize("url", ["rtmp:/host/app/geheim", "http://host/geheim", "rtmp://host/app/ge heim"])
def test_an_address_that_is_wrong_is_refused_without_its_key(url: str) -> None:
    draft = Draft({"outputs": [{"kind": "stream", "url": url}]})
    with pytest.raises(RealtimeError, match=r"it should begin with rtmp://") as caught:
        draft.check()
    assert "heim" not in str(caught.value)


def test_short_forms_of_outputs() -> None:
    assert output_of("rtmp://host/app/key") == {"kind": "stream", "url": "rtmp://host/app/key"}
    assert output_of("srt://host:9000?streamid=x") == {"kind": "stream", "url": "srt://host:9000?streamid=x"}
    assert output_of("hls:live") == {"kind": "hls", "folder": "live"}
    assert output_of("face:face.webm") == {"kind": "face", "path": "face.webm"}
    with pytest.raises(RealtimeError, match=r"streams go to rtmp://, rtmps://, srt://, rtsp://, udp://; got ftp://"):
        output_of("ftp://host/file.ts")
    # A clip that is streamed plays like a webcam, as it does in a window.
    assert gather(None, [], "clip.mp4", ["rtmp://host/app/key"], [], False).input.realtime  # type: ignore[union-attr]


def test_an_encoder_that_this_machine_lacks_is_refused_by_name() -> None:
    missing = next(name for name, known in encoders.NAMES.items() if encoders.trouble(known))
    with pytest.raises(RealtimeError, match=f"The encoder {missing} cannot be used here: .* one of .*software"):
        Stream(StreamOutput(url="rtmp://127.0.0.1/live/me", encoder=missing), _RATE, True, None, lambda _: None)  # type: ignore[arg-type]


def test_the_first_encoder_that_works_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "trouble", lambda name: "" if name in ("h264_qsv", "libx264") else "not there")
    assert encoders.choose("auto", 4, 2, 30).name == "h264_qsv"
    monkeypatch.setattr(encoders, "trouble", lambda name: "not there")
    with pytest.raises(RealtimeError, match=r"no H\.264 encoder"):
        encoders.choose("auto", 4, 2, 30)


def test_srt_without_a_program_that_speaks_it_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    relay.program.cache_clear()
    monkeypatch.setenv("PATH", "")
    try:
        with pytest.raises(RealtimeError, match=r"srt:// needs the program ffmpeg.*sudo apt install ffmpeg"):
            Stream(StreamOutput(url="srt://127.0.0.1:1"), _RATE, True, None, lambda _: None)
    finally:
        relay.program.cache_clear()
