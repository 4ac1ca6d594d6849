"""HLS: a folder that a web server can offer while it grows."""

from __future__ import annotations

import re
import time
from pathlib import Path

import av
import numpy as np
import pytest
from clips import number, numbered

from realtime.config import AudioSettings, HlsOutput
from realtime.frame import Frame
from realtime.machine.desk import Desk
from realtime.sinks.stream import Stream


def play(folder: Path, count: int, rate: float = 20.0, size: tuple[int, int] = (160, 96), **more: float) -> list[str]:
    """Send numbered pictures at their pace; what the sink said."""
    said: list[str] = []
    desk = Desk(AudioSettings(), pytest.fail)
    sink = Stream(HlsOutput(folder=str(folder), seconds=0.5, bitrate=1, **more), rate, False, desk, said.append)  # type: ignore[arg-type]
    for index in range(count):
        sink.send(Frame(numbered(index % 40, *size), index, index / rate))
    sink.close()
    return said


def pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("live-[0-9]*.ts"), key=lambda path: int(re.findall(r"\d+", path.name)[0]))


def test_a_folder_plays_from_its_list(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "live"
    play(folder, 61, keep=20)
    playlist = folder / "live.m3u8"
    text = playlist.read_text()
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in text
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [path.name for path in pieces(folder)]
    lengths = [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text)]
    assert lengths[1:-1] == pytest.approx([0.5] * (len(lengths) - 2), abs=0.11)
    assert not list(folder.glob("*.tmp"))
    with av.open(str(playlist)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
        frames = [(float(frame.pts * frame.time_base), frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert len(frames) > 50
    assert np.median(np.diff([moment for moment, _ in frames])) == pytest.approx(0.05, abs=1e-3)
    assert number(frames[-1][1]) == 60 % 40


def test_every_piece_can_be_begun_with(tmp_path: Path) -> None:
    play(tmp_path, 41, keep=20)
    for path in pieces(tmp_path):
        with av.open(str(path)) as container:
            assert next(packet for packet in container.demux(video=0) if packet.size).is_keyframe


def test_old_pieces_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    foreign = [tmp_path / name for name in ("index.html", "live.mp4", "live-mine.ts")]
    for path in foreign:
        path.write_text("mine")
    (tmp_path / "live-7.ts").write_text("of a run before")
    play(tmp_path, 81, keep=2)
    assert len(pieces(tmp_path)) - 1 <= 4
    assert not (tmp_path / "live-7.ts").exists()
    assert [path.read_text() for path in foreign] == ["mine"] * 3


def test_a_second_run_counts_on(tmp_path: Path) -> None:
    play(tmp_path, 12)
    first = {path.name for path in pieces(tmp_path)}
    time.sleep(1.05)
    play(tmp_path, 12)
    assert not first & {path.name for path in pieces(tmp_path)}


def test_a_folder_that_cannot_be_made_costs_only_this_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said: list[str] = []
    sink = Stream(HlsOutput(folder=str(tmp_path / "file" / "live")), 20, True, None, said.append)
    for index in range(10):
        sink.send(Frame(numbered(index), index, time.perf_counter()))
        time.sleep(0.02)
    assert sink.state == "waiting"
    assert re.search(r"live is not there \(Not a directory\); trying again", sink.problem)
    sink.close()
    assert len(said) == 1


def test_a_size_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    play(tmp_path, 12, size=(161, 97))
    with av.open(str(tmp_path / "live.m3u8")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (162, 98)
    play(tmp_path, 12, width=320, height=180)
    with av.open(str(tmp_path / "live.m3u8")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (320, 180)
