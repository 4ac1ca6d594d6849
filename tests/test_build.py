"""Settings to a running loop: the order of opening and closing, the outputs, the changes while it runs."""

from __future__ import annotations

import json
import logging
from fractions import Fraction
from pathlib import Path
from time import sleep

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.knobs import LEVELS
from realtime import build as building
from realtime import meter
from realtime.build import build
from realtime.config import (
    AnimatedInput,
    ImageInput,
    NoOutput,
    OverlaySettings,
    RecordingOutput,
    Settings,
    SwapSettings,
    VideoInput,
    VirtualCameraOutput,
    WindowOutput,
)
from realtime.equipment import is_photo
from realtime.frame import Frame, RealtimeError, Source
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.pipeline import StageError
from realtime.portraits import portrait

_HOPPER, _COLLINS = str(portrait("hopper")), str(portrait("collins"))
_SMALL = AnimatedInput(path=_HOPPER, width=480, height=360, seconds=0.5, realtime=False)


def _settings(**changes: object) -> Settings:
    return Settings.model_validate({"input": _SMALL, "outputs": (NoOutput(),), "swap": SwapSettings(sources=(_COLLINS,))} | changes)


class _Keep:
    """A stage that keeps what passes."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def __call__(self, frame: Frame) -> Frame:
        self.frames.append(frame)
        return frame


def test_a_file_is_swapped_from_its_first_frame_to_its_last() -> None:
    before, after = _Keep(), _Keep()
    with build(_settings(), around=(before, after)) as loop:
        loop.run()
        figures = loop.pipeline.statistics()
    assert [frame.index for frame in after.frames] == list(range(15))
    assert figures.frames == 15
    for original, result in zip(before.frames, after.frames, strict=True):
        assert any(face.patch is not None for face in result.faces)
        changed = np.abs(original.image.astype(int) - result.image).max(axis=2) > 8
        left, top, right, bottom = result.faces[0].box
        rows, columns = np.nonzero(changed)
        assert changed.mean() > 0.01
        # Only the face's region is touched.
        margin = 0.3 * (bottom - top)
        assert rows.min() > top - margin
        assert rows.max() < bottom + margin
        assert columns.min() > left - margin
        assert columns.max() < right + margin
    assert {stage.name for stage in figures.stages} == {"animated", "keep", "detect", "track", "swap", "blend", "none"}


def test_a_live_source_is_searched_beside_the_loop() -> None:
    with build(_settings(input=_SMALL.model_copy(update={"realtime": True}))) as loop:
        loop.run()
        figures = loop.pipeline.statistics()
    assert "aside" in {stage.name for stage in figures.stages}
    assert figures.age is not None
    assert figures.frames + sum(figures.dropped.values()) == 15


@pytest.mark.parametrize("source", ["missing.jpg", "nobody", str(Path(__file__))])
def test_a_bad_source_fails_before_the_input_opens(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(settings: Settings) -> Source:
        raise AssertionError("the input was opened")

    monkeypatch.setattr(building, "_source", opened)
    with pytest.raises(RealtimeError), build(_settings(swap=SwapSettings(sources=(source,)))):
        pass


def test_without_a_source_those_enrolled_are_named(detector, landmarker) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RealtimeError, match="Nobody is enrolled yet"), build(_settings(swap=SwapSettings())):
        pass
    identities.save(enrol("anna", [_COLLINS], detector, landmarker, identities.Consent.now()))
    with pytest.raises(RealtimeError, match=r"Enrolled: anna\."), build(_settings(swap=SwapSettings())):
        pass
    with build(_settings(swap=SwapSettings(sources=("anna",)))) as loop:
        loop.run()
    with build(_settings(swap=SwapSettings(enabled=False))) as loop:
        loop.run()
        assert loop.pipeline.statistics().frames == 15


def test_a_stored_name_wins_over_what_looks_like_a_file(detector, landmarker) -> None:  # type: ignore[no-untyped-def]
    identities.save(enrol("anna.2026", [_COLLINS], detector, landmarker, identities.Consent.now()))
    with build(_settings(swap=SwapSettings(sources=("anna.2026",)))) as loop:
        loop.run()


def test_a_name_is_no_photo_and_a_photo_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_photo("me.jpg")
    assert is_photo("photos/me")
    assert not is_photo("anna")
    Path("anna").touch()
    assert is_photo("anna")


def test_everything_is_closed_in_reverse_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    source = building._source

    def watched(settings: Settings) -> Source:
        part = source(settings)
        close = part.close
        monkeypatch.setattr(part, "close", lambda: (closed.append("source"), close()))
        return part

    class Sink:
        def send(self, frame: Frame) -> None:
            if frame.index == 3:
                raise ValueError("got 3")

        def close(self) -> None:
            closed.append("sink")

    monkeypatch.setattr(building, "_source", watched)
    monkeypatch.setattr(building, "_sink", lambda *_: Sink())
    with build(_settings()) as loop, pytest.raises(StageError, match="none, frame 3: ValueError: got 3"):
        loop.run()
    assert closed[-2:] == ["sink", "source"]


def test_spare_devices_may_fail_asked_ones_and_files_may_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = VirtualCameraOutput(device="/dev/no-such-camera")
    with pytest.raises(RealtimeError), build(_settings(outputs=(bad, NoOutput()))):
        pass
    with caplog.at_level(logging.WARNING), build(_settings(outputs=(bad, NoOutput())), spare_outputs=True) as loop:
        loop.run()
    assert "Going on without one output." in caplog.text
    with pytest.raises(RealtimeError), build(_settings(outputs=(bad,)), spare_outputs=True):
        pass
    nowhere = RecordingOutput(path=str(tmp_path / "nowhere" / "out.mp4"))
    with pytest.raises(RealtimeError, match="does not exist"), build(_settings(outputs=(nowhere, NoOutput())), spare_outputs=True):
        pass


def test_recordings_are_checked_before_anything_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*_: object) -> None:
        raise AssertionError("the models were loaded")

    monkeypatch.setattr(building, "equip", loaded)
    (tmp_path / "there.mp4").write_bytes(b"kept")
    for paths, message in (
        (("there.mp4",), "exists already"),
        (("out.txt",), "recordings end in"),
        (("nowhere/out.mp4",), "does not exist"),
        (("out.mp4", f"../{tmp_path.name}/out.mp4"), r"out\.mp4 is there twice among the outputs"),
    ):
        outputs = tuple(RecordingOutput(path=str(tmp_path / path)) for path in paths)
        with pytest.raises(RealtimeError, match=message), build(_settings(outputs=outputs)):
            pass
    there = RecordingOutput(path=str(tmp_path / "there.mp4"))
    with pytest.raises(RealtimeError, match="exists already"), build(_settings(outputs=(there,)), spare_outputs=True):
        pass
    assert (tmp_path / "there.mp4").read_bytes() == b"kept"


def test_a_run_that_does_not_begin_leaves_no_trace_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RealtimeError("This cannot be opened.")

    for name in ("_source", "_sink"):
        with monkeypatch.context() as patch:
            patch.setattr(building, name, fail)
            with pytest.raises(RealtimeError, match="cannot be opened"), build(_settings(), trace=tmp_path / "trace.json"):
                pass
    assert list(tmp_path.iterdir()) == []


def test_a_recording_carries_the_label_and_keeps_the_clip_s_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outs = {}
    for label in ("AI-altered", "none"):
        path = tmp_path / f"{label}.mp4"
        caplog.clear()
        settings = _settings(outputs=(RecordingOutput(path=str(path), quality=5),), overlay=OverlaySettings(label=label))
        with caplog.at_level(logging.INFO), build(settings) as loop:
            loop.run()
        assert caplog.text.count("The label is off") == (label == "none")
        with av.open(str(path)) as container:
            outs[label] = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(outs["AI-altered"]) == len(outs["none"]) == 15
    difference = np.abs(outs["AI-altered"][7].astype(int) - outs["none"][7]).max(axis=2)
    height, width = difference.shape
    assert difference[int(height * 0.9) :, : width // 4].max() > 60
    assert np.median(difference[: height // 2, width // 2 :]) < 10


def test_a_clip_keeps_its_own_times(tmp_path: Path, hopper: NDArray[np.uint8]) -> None:
    clip, out = tmp_path / "clip.mkv", tmp_path / "out.mkv"
    times = [0, 40, 80, 200, 240, 400]
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 256, 300, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(cv2.resize(hopper, (256, 300))), format="bgr24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with build(_settings(input=VideoInput(path=str(clip)), outputs=(RecordingOutput(path=str(out)),))) as loop:
        loop.run()
    with av.open(str(out)) as container:
        written = [round(float(frame.time) * 1000) for frame in container.decode(video=0)]
    assert written == times


def test_changes_reach_the_parts_while_it_runs(caplog: pytest.LogCaptureFixture) -> None:
    settings = _settings(swap=SwapSettings(sources=(_COLLINS, _HOPPER)), input=ImageInput(path=_HOPPER))
    with build(settings) as loop, caplog.at_level(logging.INFO):
        parts = loop._parts
        loop.press("s")
        assert not parts["swap"].settings.enabled
        loop.press("space")
        assert parts["swap"].settings.enabled
        loop.press("n")
        assert parts["swap"].settings.sources == (_HOPPER, _COLLINS)
        loop.press("l")
        assert parts["overlay"].settings.label == "none"
        assert caplog.text.count("The label is off") == 1
        loop.press("l")
        assert parts["overlay"].settings.label == "AI-altered"
        loop.change(loop.settings.model_copy(update={"blend": loop.settings.blend.model_copy(update={"seam": 0.5})}))
        assert parts["blend"].settings.seam == 0.5


def test_quality_reaches_the_parts_and_the_figures(caplog: pytest.LogCaptureFixture) -> None:
    with build(_settings(quality="fast")) as loop, caplog.at_level(logging.INFO):
        parts = [loop._parts[name] for name in ("detect", "swap", "blend")]
        assert [part.effort for part in parts] == [LEVELS["fast"]] * 3
        loop.change(loop.settings.model_copy(update={"quality": "balanced"}))
        assert [part.effort for part in parts] == [LEVELS["balanced"]] * 3
        assert caplog.messages[-1] == "Quality: balanced"
        loop.run()
        figures = loop.statistics()
    assert parts[1].drawn == 15
    assert figures.quality is not None
    assert figures.quality.now == "balanced"
    assert figures.quality.seconds["balanced"] > 0
    assert "quality balanced" in meter.lines(figures)
    assert any(line.startswith("Quality  balanced ") for line in meter.summary(figures))
    assert meter.figures(figures)["quality"]["setting"] == "balanced"  # type: ignore[index]


def test_a_live_loop_that_is_too_slow_steps_down_and_shows_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def slow(frame: Frame) -> Frame:
        sleep(0.2)
        return frame

    trace = tmp_path / "trace.json"
    live = _SMALL.model_copy(update={"realtime": True, "seconds": 6.0})
    with caplog.at_level(logging.INFO), build(_settings(input=live), trace=trace, around=(_Keep(), slow)) as loop:
        loop.run()
        figures = loop.statistics()
    assert [message[:26] for message in caplog.messages if message.startswith("Quality")][:2] == [
        "Quality: best -> balanced ",
        "Quality: balanced -> fast ",
    ]
    assert loop._parts["swap"].effort == LEVELS["fast"]
    assert "quality fast (auto, 2 changes)" in meter.lines(figures)
    assert [change["to"] for change in meter.figures(figures)["quality"]["latest"]] == ["balanced", "fast"]  # type: ignore[index]
    assert {"quality balanced", "quality fast"} <= {event["name"] for event in json.loads(trace.read_text())}


def test_a_change_that_cannot_be_taken_leaves_what_was(tmp_path: Path) -> None:
    with build(_settings()) as loop:
        before = loop.settings
        for wrong, message in (
            ({"swap": SwapSettings(sources=("stranger",))}, "Nobody named stranger"),
            ({"outputs": (NoOutput(), RecordingOutput(path=str(tmp_path / "out.txt")))}, "recordings end in"),
            ({"swap": SwapSettings(engine="nothing-of-that-name", sources=(_COLLINS,))}, "nothing-of-that-name"),
        ):
            with pytest.raises(RealtimeError, match=message):
                loop.change(_settings(overlay=OverlaySettings(label="new"), **wrong))
            assert loop.settings is before
            assert loop._parts["overlay"].settings.label == "AI-altered"
            assert loop._parts["swap"].settings.sources == (_COLLINS,)
            assert [state.state for state in loop.ports.states()] == ["on air"]
        loop.press("s")
        assert not loop._parts["swap"].settings.enabled


def test_what_is_fixed_at_the_start_is_said_to_wait_for_the_next(caplog: pytest.LogCaptureFixture) -> None:
    with build(_settings()) as loop, caplog.at_level(logging.INFO):
        detect = loop.settings.detect.model_copy(update={"interval": 1.0})
        loop.change(loop.settings.model_copy(update={"detect": detect}))
        loop.press("m")
        assert "next start" not in caplog.text
        changed = {"detect": detect.model_copy(update={"confidence": 0.7, "tiles": "off"}), "outputs": (WindowOutput(), NoOutput())}
        for _ in range(2):
            loop.change(loop.settings.model_copy(update=changed | {"input": ImageInput(path=_HOPPER)}))
        assert loop.restarts(loop.settings) == ["input", "outputs", "detect.confidence", "detect.tiles"]
    assert caplog.text.count("From the next start: input, outputs, detect.confidence, detect.tiles.") == 1


def test_keys_quit_and_take_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    endless = _SMALL.model_copy(update={"seconds": None})
    after = _Keep()
    with build(_settings(input=endless), around=(_Keep(), after)) as loop:
        assert loop.snapshot(tmp_path) is None

        def between() -> None:
            if loop.pipeline.statistics().frames >= 3:
                loop.press("p")
                loop.press("q")

        loop.run(between)
    (picture,) = tmp_path.glob("swapcam-*.png")
    image = cv2.imread(str(picture))
    assert image.shape == (360, 480, 3)
    # It is one of the finished frames with the label on it, and nothing else differs.
    assert 0 < min((image != frame.image).any(axis=2).mean() for frame in after.frames) < 0.1


def test_mirror_and_statistics_of_the_preview_are_switched_live(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Frame] = []

    class Window:
        main = True

        def __init__(self, settings: WindowOutput, on_key: object) -> None:
            self.on_key = on_key

        def send(self, frame: Frame) -> None:
            shown.append(frame)
            for index, key in ((4, "m"), (7, "i"), (10, "l")):
                if frame.index == index:
                    self.on_key(key)  # type: ignore[operator]

        def poll(self) -> None:
            return

        def close(self) -> None:
            return

    monkeypatch.setattr("realtime.sinks.window.Window", Window)
    original = _Keep()
    with build(_settings(outputs=(WindowOutput(mirror=True, statistics=True),)), around=(_Keep(), original)) as loop:
        loop.run()
    assert [frame.index for frame in shown] == list(range(15))
    free = slice(150, 300), slice(380, 480)
    for index, mirrored in ((2, True), (8, False), (13, False)):
        plain = original.frames[index].image
        expected = plain[:, ::-1] if mirrored else plain
        assert np.array_equal(shown[index].image[free], expected[free])
    panel = slice(0, 80), slice(0, 80)
    assert not np.array_equal(shown[6].image[panel], original.frames[6].image[panel])
    assert np.array_equal(shown[9].image[panel], original.frames[9].image[panel])
    assert not np.array_equal(shown[9].image, original.frames[9].image)
    assert np.array_equal(shown[13].image, original.frames[13].image)
