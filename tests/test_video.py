"""Clips, streams and photos as sources."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from clips import BASE, beep, corners, flat, make, number, numbered
from PIL import Image as Pillow

from realtime.config import ImageInput, VideoInput
from realtime.frame import Frame, RealtimeError
from realtime.sources import decode
from realtime.sources.video import Image, Video

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)


def frames(path: Path, **more: bool) -> list[Frame]:
    video = Video(VideoInput(path=str(path), **more))
    try:
        return list(video)
    finally:
        video.close()


def near(image: np.ndarray, colour: tuple[int, int, int], by: float = 6) -> bool:
    return bool(np.abs(image.reshape(-1, 3).mean(axis=0) - colour).max() <= by)


def quarters(image: np.ndarray) -> list[np.ndarray]:
    """The middles of the four quarters, in reading order."""
    rows, columns = image.shape[:2]
    return [image[y - 3 : y + 3, x - 3 : x + 3] for y in (rows // 4, 3 * rows // 4) for x in (columns // 4, 3 * columns // 4)]


def test_every_shared_clip_gives_every_frame_at_its_time(shared: Path) -> None:
    for path in sorted((shared / "clips").glob("*.*")):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            moments = [float(frame.pts * frame.time_base) for frame in container.decode(stream)]
        said: list[str] = []
        video = Video(VideoInput(path=str(path)), said.append)
        got = list(video)
        assert not video.live
        assert video.total == len(moments) == len(got), path.name
        assert [frame.index for frame in got] == list(range(len(got)))
        np.testing.assert_allclose([frame.time for frame in got], np.array(moments) - moments[0], atol=1e-6)
        assert all(frame.image.shape == (video.size[1], video.size[0], 3) for frame in got)
        assert said == []


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.51, 1.7, 2.0]
    got = frames(make(tmp_path / "a.mp4", [numbered(index) for index in range(6)], times))
    np.testing.assert_allclose([frame.time for frame in got], times, atol=1e-4)
    assert [number(frame.image) for frame in got] == list(range(6))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize(("across", "down"), [(False, False), (True, False), (False, True)])
def test_pictures_stand_upright(tmp_path: Path, degrees: int, across: bool, down: bool) -> None:
    def turn(stream: av.VideoStream) -> None:
        stream.set_display_rotation(degrees, hflip=across, vflip=down)

    path = make(tmp_path / "a.mp4", [corners(64, 32)] * 2, prepare=turn)
    image = frames(path)[0].image
    # What a player does, after FFmpeg's documentation: mirror, then turn counter-clockwise.
    expected = corners(64, 32)
    expected = expected[:, ::-1] if across else expected
    expected = expected[::-1] if down else expected
    matrix = np.rot90(expected, (degrees if across == down else -degrees) // 90)
    assert image.shape == matrix.shape
    for part, wanted in zip(quarters(image), quarters(matrix), strict=True):
        assert near(part, tuple(int(value) for value in wanted[0, 0]), 12)


@pytest.mark.parametrize(
    ("pixels", "codec", "suffix"),
    [
        ("yuv420p10le", "libx265", "mp4"),
        ("yuv422p10le", "ffv1", "mkv"),
        ("yuv444p12le", "ffv1", "mkv"),
        ("yuvj420p", "mjpeg", "avi"),
        ("bgra", "ffv1", "mkv"),
        ("yuva420p", "ffv1", "mkv"),
        ("rgb48le", "ffv1", "mkv"),
        ("yuv420p", "mpeg4", "avi"),
        ("rgb8", "gif", "gif"),
    ],
)
def test_pixel_formats(tmp_path: Path, pixels: str, codec: str, suffix: str) -> None:
    levels = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    picture = corners(64, 48)
    path = tmp_path / f"a.{suffix}"
    make(path, [picture] * 3, codec=codec, pixels=pixels, options=levels)
    got = frames(path)
    assert len(got) == 3
    for part, colour in zip(quarters(got[1].image), (RED, GREEN, BLUE, WHITE), strict=True):
        assert near(part, colour, 10), (part.mean(axis=(0, 1)), colour)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    def clear(frame: av.VideoFrame) -> None:
        pixels = np.zeros((48, 64, 4), np.uint8)
        pixels[:, 32:] = 0, 0, 255, 255
        pixels[24:, 32:, 3] = 128
        frame.planes[0].update(pixels.tobytes())

    path = make(tmp_path / "a.mkv", [flat(64, 48, RED)] * 2, codec="ffv1", pixels="bgra", dress=clear)
    parts = quarters(frames(path)[0].image)
    for part, colour in zip(parts, (WHITE, RED, WHITE, (127, 127, 255)), strict=True):
        assert near(part, colour, 2)


def test_grey_of_limited_and_full_range(tmp_path: Path) -> None:
    for levels, value, shown in ((1, 235, 255), (1, 16, 0), (2, 255, 255), (2, 0, 0), (2, 100, 100)):

        def dress(frame: av.VideoFrame, levels: int = levels, value: int = value) -> None:
            frame.planes[0].update(bytes([value]) * frame.planes[0].buffer_size)
            frame.color_range = levels

        def prepare(stream: av.VideoStream, levels: int = levels) -> None:
            stream.codec_context.color_range = levels

        path = make(tmp_path / "a.mkv", [flat(64, 48, RED)] * 2, codec="ffv1", pixels="gray", dress=dress, prepare=prepare)
        assert abs(float(frames(path)[0].image.mean()) - shown) <= 2, (levels, value)


@pytest.mark.parametrize("size", [(65, 49), (1, 1), (3, 2), (4, 17)])
def test_odd_and_tiny_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make(tmp_path / "a.mkv", [flat(*size, (30, 120, 210))] * 3, codec="ffv1")
    got = frames(path)
    assert len(got) == 3
    assert got[0].image.shape == (size[1], size[0], 3)
    assert got[0].image.flags.c_contiguous
    assert near(got[0].image, (30, 120, 210))


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(2), (128, 48)), (Fraction(1, 2), (64, 96)), (Fraction(16, 15), (68, 48))])
def test_pixels_become_square_and_none_is_lost(tmp_path: Path, aspect: Fraction, size: tuple[int, int]) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    path = make(tmp_path / "a.mp4", [corners(64, 48)] * 2, prepare=prepare)
    video = Video(VideoInput(path=str(path)))
    image = next(iter(video)).image
    video.close()
    assert video.size == size == (image.shape[1], image.shape[0])
    assert near(quarters(image)[1], GREEN, 12)


WEIGHTS = {
    "601": (0.299, 0.114, 6),
    "709": (0.2126, 0.0722, 1),
    "2020": (0.2627, 0.0593, 9),
    "": (0.299, 0.114, 2),
    "hd": (0.2126, 0.0722, 2),
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", sorted(WEIGHTS))
def test_colours_of_every_matrix_and_range(tmp_path: Path, matrix: str, full: bool) -> None:
    """Sample values computed here from the standards' own formula come back as the colours they were made of."""
    if matrix == "hd" and full:
        pytest.skip("untagged full range is JPEG, which is BT.601 at any size")
    red_weight, blue_weight, tag = WEIGHTS[matrix]
    width, height = (1280, 720) if matrix == "hd" else (64, 48)
    for colour in (RED, GREEN, BLUE, (40, 90, 200), (128, 128, 128)):
        blue, green, red = (value / 255 for value in colour)
        luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
        chroma = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
        scale = (255, 255, 0) if full else (219, 224, 16)
        samples = [luma * scale[0] + scale[2], *(part * scale[1] + 128 for part in chroma)]

        def dress(frame: av.VideoFrame, samples: list[float] = samples) -> None:
            for plane, sample in zip(frame.planes, samples, strict=True):
                plane.update(bytes([min(255, max(0, round(sample)))]) * plane.buffer_size)
            frame.colorspace, frame.color_range = tag, 2 if full else 1

        def prepare(stream: av.VideoStream) -> None:
            stream.codec_context.colorspace, stream.codec_context.color_range = tag, 2 if full else 1

        path = make(tmp_path / "a.mkv", [flat(width, height, colour)], codec="ffv1", pixels="yuv444p", dress=dress, prepare=prepare)
        assert near(frames(path)[0].image, colour, 3), (colour, frames(path)[0].image[5, 5])


def test_colours_are_those_of_ffmpeg(shared: Path) -> None:
    """The same frame through FFmpeg's own filter graph."""
    for name in ("address.mp4", "s18.mp4"):
        path = shared / "clips" / name
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            graph = av.filter.Graph()
            source = graph.add_buffer(template=container.streams.video[0])
            matrix = "bt709" if frame.height >= 720 or frame.colorspace == 1 else "bt601"
            steps = [
                graph.add("scale", f"in_color_matrix={matrix}:flags=bicubic+accurate_rnd+full_chroma_int"),
                graph.add("format", "bgr24"),
            ]
            sink = graph.add("buffersink")
            source.link_to(steps[0])
            steps[0].link_to(steps[1])
            steps[1].link_to(sink)
            graph.configure()
            graph.push(frame)
            theirs = graph.pull().to_ndarray().astype(int)
        ours = frames(path)[0].image.astype(int)
        assert np.abs(ours - theirs).mean() < 3
        assert np.abs((ours - theirs).mean(axis=(0, 1))).max() < 2


def test_cut_off_clip_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (48, 64, 3)).astype(np.uint8) for _ in range(60)]
    whole = make(tmp_path / "whole.mp4", pictures, container={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    said: list[str] = []
    got = list(Video(VideoInput(path=str(cut)), said.append))
    assert 25 <= len(got) < 45
    assert len(said) == 1
    assert "cut.mp4 is cut off" in said[0]
    assert str(len(got)) in said[0]
    for mine, theirs in zip(got[:20], frames(whole)[:20], strict=True):
        assert (mine.image == theirs.image).all()


def test_damage_in_the_middle_does_not_end_the_clip(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = make(tmp_path / "a.mkv", [numbered(index) for index in range(40)], codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    with caplog.at_level("INFO"):
        got = frames(path)
    assert 30 <= len(got) <= 40
    assert got[-1].time == pytest.approx(3.9, abs=0.01)
    assert "a.mkv is damaged" in caplog.text


def test_files_that_are_no_video(tmp_path: Path) -> None:
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(beep(1, 0.5)[:, :1024], "fltp", "mono")
        frame.rate = 48000
        output.mux([*stream.encode(frame), *stream.encode(None)])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "letter.txt").write_text("Dear reader\n" * 50)
    whole = make(tmp_path / "whole.mp4", [numbered(index) for index in range(20)])
    (tmp_path / "headless.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for name, words in {
        "sound.m4a": "only sound",
        "empty.mp4": "empty",
        "noise.mp4": "not a video",
        "letter.txt": "text file",
        "headless.mp4": "cut off",
        "missing.mp4": "no file",
        ".": "folder",
    }.items():
        with pytest.raises(RealtimeError, match=words) as caught:
            Video(VideoInput(path=str(tmp_path / name)))
        assert "\n" not in str(caught.value)


def test_a_song_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mka"
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(beep(1, 0.5)[:, :1024], "fltp", "mono")
        frame.rate = 48000
        output.add_attachment("cover.png", "image/png", _png(corners(64, 64)))
        output.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(RealtimeError, match="no video"):
        Video(VideoInput(path=str(path)))


def _png(image: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    Pillow.fromarray(image[..., ::-1]).save(buffer, "PNG")
    return buffer.getvalue()


def test_realtime_keeps_the_clips_pace_and_skips_what_nobody_fetched(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", [numbered(index) for index in range(30)], rate=50)
    video = Video(VideoInput(path=str(path), realtime=True))
    assert video.live
    got, began = [], time.perf_counter()
    for frame in video:
        got.append(frame)
        assert time.perf_counter() >= frame.time
        if frame.index == 3:
            time.sleep(0.3)
    ended = time.perf_counter() - began
    assert 0.5 < ended < 3
    indices = [frame.index for frame in got]
    assert indices == sorted(set(indices))
    assert indices[-1] == 29
    assert len(indices) < 26
    steps = np.diff([frame.time for frame in got]) / np.diff(indices)
    np.testing.assert_allclose(steps, 0.02, atol=1e-3)
    assert all(number(frame.image) == frame.index for frame in got)


@pytest.mark.parametrize("realtime", [False, True])
def test_loop_goes_on_without_a_seam(tmp_path: Path, realtime: bool) -> None:
    times = [0.0, 0.02, 0.05, 0.06]
    path = make(tmp_path / "a.mp4", [numbered(index) for index in range(4)], times, rate=50)
    video = Video(VideoInput(path=str(path), realtime=realtime, loop=True))
    assert video.total is None
    got = []
    for frame in video:
        got.append(frame)
        if frame.index >= 13:
            break
    video.close()
    first = got[0].time
    for frame in got:
        round_, place = divmod(frame.index, 4)
        assert frame.time - first == pytest.approx(round_ * 0.08 + times[place], abs=1e-3)
        assert number(frame.image) == place


@pytest.mark.parametrize("more", [{}, {"loop": True}, {"loop": True, "realtime": True}])
def test_close_from_another_thread_ends_it(tmp_path: Path, more: dict[str, bool]) -> None:
    path = make(tmp_path / "a.mp4", [numbered(index) for index in range(4)], [0.0, 1.0, 2.0, 3.0])
    process = psutil.Process()
    for _ in range(3):
        before = process.num_fds() if hasattr(process, "num_fds") else 0
        video = Video(VideoInput(path=str(path), **more))
        reader = threading.Thread(target=lambda video=video: list(video))
        reader.start()
        time.sleep(0.1)
        video.close()
        video.close()
        reader.join(1.0)
        assert not reader.is_alive()
        assert (process.num_fds() if before else 0) == before


def test_closed_before_and_between_frames(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", [numbered(index) for index in range(4)])
    video = Video(VideoInput(path=str(path)))
    video.close()
    assert list(video) == []
    video = Video(VideoInput(path=str(path)))
    reader = iter(video)
    next(reader)
    video.close()
    assert list(reader) == []


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    """A network camera: JPEG pictures one after the other, `rounds` of 12 in a connection, or nothing while `silent`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host: object = self.server
            host.calls += 1  # type: ignore[attr-defined]
            if host.silent:  # type: ignore[attr-defined]
                time.sleep(3)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                for index in range(12):
                    data = _jpeg(numbered(index))
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    time.sleep(0.03)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.daemon_threads = True
    host.silent, host.calls = False, 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=host.serve_forever)
    thread.start()
    yield host
    host.shutdown()
    host.server_close()
    thread.join()


def _jpeg(image: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    Pillow.fromarray(image[..., ::-1]).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_network_camera_is_live_and_comes_back(server: http.server.ThreadingHTTPServer) -> None:
    said: list[str] = []
    video = Video(VideoInput(path=f"http://127.0.0.1:{server.server_port}/live.mjpg"), said.append)
    assert video.live
    assert video.size == (64, 48)
    got = []
    for frame in video:
        assert time.perf_counter() - frame.time < 1
        got.append(frame)
        if len(said) >= 2 and len(got) > 15:
            break
    began = time.perf_counter()
    video.close()
    assert time.perf_counter() - began < 1
    assert "stopped sending" in said[0]
    assert "is back" in said[1]
    moments = [frame.time for frame in got]
    assert moments == sorted(set(moments))
    indices = [frame.index for frame in got]
    assert indices == sorted(set(indices))
    assert server.calls >= 2  # type: ignore[attr-defined]


def test_clip_behind_http_is_a_file(tmp_path: Path) -> None:
    make(tmp_path / "a.mp4", [numbered(index) for index in range(20)], container={"movflags": "faststart"})

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *more: object) -> None:
            super().__init__(*more, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        try:
            video = Video(VideoInput(path=f"http://127.0.0.1:{host.server_port}/a.mp4"))
            assert not video.live
            assert [number(frame.image) for frame in video] == list(range(20))
        finally:
            host.shutdown()
            thread.join()


def test_dead_addresses_give_one_sentence(server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for place in (f"http://127.0.0.1:{port}/x", f"rtsp://127.0.0.1:{port}/x"):
        with pytest.raises(RealtimeError, match="cannot be opened"):
            Video(VideoInput(path=place))
    monkeypatch.setattr(decode, "TIMEOUT", 0.5)
    server.silent = True  # type: ignore[attr-defined]
    for place in (f"http://127.0.0.1:{server.server_port}/x", f"udp://127.0.0.1:{port}"):
        began = time.perf_counter()
        with pytest.raises(RealtimeError, match="did not answer"):
            Video(VideoInput(path=place))
        assert time.perf_counter() - began < 2.5


def test_udp_stream(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()

    def send() -> None:
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as output:
            stream = output.add_stream("mpeg2video", rate=25, options={"g": "5"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            index = 0
            while not stop.wait(0.02):
                frame = av.VideoFrame.from_ndarray(numbered(index % 50), "bgr24").reformat(format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                output.mux(stream.encode(frame))
                index += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        video = Video(VideoInput(path=f"udp://127.0.0.1:{port}"))
        got = []
        for frame in video:
            got.append(frame)
            if len(got) == 10:
                break
        video.close()
    finally:
        stop.set()
        sender.join()
    assert got[0].image.shape == (48, 64, 3)
    assert [frame.time for frame in got] == sorted({frame.time for frame in got})


def test_photo_is_one_frame(tmp_path: Path) -> None:
    Pillow.fromarray(corners(64, 48)[..., ::-1]).save(tmp_path / "a.png")
    source = Image(ImageInput(path=str(tmp_path / "a.png")))
    got = list(source)
    assert (source.live, source.size, source.total, len(got), got[0].time) == (False, (64, 48), 1, 1, 0.0)
    assert (got[0].image == corners(64, 48)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_is_turned_as_its_exif_says(tmp_path: Path, orientation: int) -> None:
    turned = corners(64, 32)
    stored = {
        1: turned,
        2: turned[:, ::-1],
        3: turned[::-1, ::-1],
        4: turned[::-1],
        5: turned.transpose(1, 0, 2),
        6: np.rot90(turned, 1),
        7: np.rot90(turned, 2).transpose(1, 0, 2),
        8: np.rot90(turned, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(np.ascontiguousarray(stored[..., ::-1])).save(tmp_path / "a.jpg", quality=98, subsampling=0, exif=exif)
    image = next(iter(Image(ImageInput(path=str(tmp_path / "a.jpg"))))).image
    assert image.shape == (32, 64, 3)
    for part, colour in zip(quarters(image), (RED, GREEN, BLUE, WHITE), strict=True):
        assert near(part, colour)


def test_photos_of_every_mode(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 4), np.uint8)
    red[:, :4] = 255, 0, 0, 255
    Pillow.fromarray(red).save(tmp_path / "alpha.png")
    Pillow.fromarray(red).convert("P").save(tmp_path / "palette.gif", transparency=0)
    Pillow.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "deep.png")
    Pillow.fromarray(red[..., :3]).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    Pillow.new("1", (8, 8), 1).save(tmp_path / "bit.png")
    Pillow.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "one.png")

    def shown(name: str) -> np.ndarray:
        return next(iter(Image(ImageInput(path=str(tmp_path / name))))).image

    assert near(shown("alpha.png")[:, :4], RED, 0)
    assert near(shown("alpha.png")[:, 4:], WHITE, 0)
    assert near(shown("deep.png"), (156, 156, 156), 1)
    assert near(shown("print.jpg")[:, :3], RED, 12)
    assert near(shown("bit.png"), WHITE, 0)
    assert (shown("one.png") == [[[3, 2, 1]]]).all()


def test_files_that_are_no_photo(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture")
    Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3)).astype(np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    for name, words in {
        "empty.jpg": "empty",
        "text.jpg": "not a picture",
        "cut.jpg": "cut off",
        "no.jpg": "no file",
        ".": "folder",
    }.items():
        with pytest.raises(RealtimeError, match=words):
            Image(ImageInput(path=str(tmp_path / name)))


def test_apples_pictures_are_named_for_a_standing_photo_too(tmp_path: Path) -> None:
    """Only enrolment knew them."""
    (tmp_path / "me.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(RealtimeError, match=r"me\.heic is in Apple's HEIC format"):
        Image(ImageInput(path=str(tmp_path / "me.heic")))


def test_home_folders_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell has looked at a path in the settings."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    make(tmp_path / "a.mp4", [numbered(1)] * 3)
    Pillow.fromarray(corners(64, 48)).save(tmp_path / "a.png")
    assert len(frames(Path("~/a.mp4"))) == 3
    assert Image(ImageInput(path="~/a.png")).size == (64, 48)
    for place in ("~nobody-here/a.mp4", "~/b.mp4"):
        with pytest.raises(RealtimeError, match=f"There is no file {place}"):
            Video(VideoInput(path=place))
        with pytest.raises(RealtimeError, match=f"There is no file {place}"):
            Image(ImageInput(path=place))


def test_standing_photo_runs_at_its_rate_until_closed(tmp_path: Path) -> None:
    Pillow.fromarray(corners(64, 48)).save(tmp_path / "a.png")
    source = Image(ImageInput(path=str(tmp_path / "a.png"), realtime=True, fps=100))
    got = []
    for frame in source:
        got.append(frame)
        if len(got) == 10:
            time.sleep(0.1)
        if len(got) == 20:
            source.close()
    assert len(got) == 20
    assert got[-1].index > 22
    np.testing.assert_allclose([frame.time - got[0].time for frame in got], [frame.index / 100 for frame in got], atol=1e-6)


def test_base_is_fine_enough() -> None:
    assert Fraction(1, 90000) == BASE
