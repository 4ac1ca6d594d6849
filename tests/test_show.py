"""Show: start, stop, change, undo, failure and recovery, recordings, and no thread left behind."""

from __future__ import annotations

import errno
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime import build as building
from realtime.config import (
    AnimatedInput,
    BlendSettings,
    NoOutput,
    RecordingOutput,
    Settings,
    SwapSettings,
    VideoInput,
    VirtualCameraOutput,
    WindowOutput,
)
from realtime.frame import Frame, RealtimeError
from realtime.people import identities
from realtime.people.enrol import enrol
from realtime.portraits import portrait
from realtime.ports import Port
from realtime.sinks.monitor import Monitor, View
from realtime.sinks.output import Nothing
from realtime.slot import Closed
from realtime.steering.recorder import Recorder
from realtime.steering.show import Show

_HOPPER = str(portrait("hopper"))
_SMALL = AnimatedInput(path=_HOPPER, width=320, height=240, fps=15.0)
_FAST = BlendSettings(grain=0.0, seam=0.0)
Make = Callable[..., Show]


@pytest.fixture
def anna(detector, landmarker) -> str:  # type: ignore[no-untyped-def]
    """Somebody enrolled."""
    identities.save(enrol("anna", [portrait("collins")], detector, landmarker, identities.Consent.now()))
    return "anna"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Shows that end with the test."""
    shows: list[Show] = []

    def made(**changes: object) -> Show:
        start = {"input": _SMALL, "outputs": (), "blend": _FAST, "quality": "fast"}
        shows.append(Show(Settings.model_validate(start | changes), Monitor(), tmp_path / "config.yaml", tmp_path / "films"))
        return shows[-1]

    yield made
    for show in shows:
        show.close()


def _until(done: Callable[[], object]) -> None:
    end = time.perf_counter() + 60
    while not done():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.01)


def _running(show: Show) -> View:
    """A picture of a loop that runs."""
    show.start()
    _until(lambda: show.state in ("running", "failed"))
    assert (show.state, show.problem) == ("running", "")
    return _newer(show)


def _newer(show: Show) -> View:
    watcher = show.monitor.watch()
    with suppress(TimeoutError):
        watcher.take(0.001)
    try:
        return watcher.take(60)
    finally:
        watcher.close()


def test_it_starts_shows_changes_and_stops(make: Make, anna: str) -> None:
    show = make(swap=SwapSettings(sources=(anna,)), outputs=(WindowOutput(), NoOutput()))
    assert (show.state, show.statistics(), show.faces(), show.outputs()) == ("stopped", None, [], [])
    with pytest.raises(RealtimeError, match="no picture yet"):
        show.snapshot_png()
    with pytest.raises(RealtimeError, match="start it first"):
        show.record(True)
    told: list[str] = []
    stop = show.listen(told.append)
    _running(show)
    _until(lambda: any(face.source == anna for face in show.faces()))
    (face,) = show.faces()
    assert not face.covered
    left, top, right, bottom = face.box
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    figures = show.statistics()
    assert figures is not None
    assert figures.frames > 0
    _until(lambda: (_newer(show).frame.image != _newer(show).raw).any())
    picture = cv2.imdecode(np.frombuffer(show.snapshot_png(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (240, 320, 3)
    show.change(("swap", "enabled"), False)
    _until(lambda: not show.faces() or show.faces()[0].source is None)
    assert (_newer(show).frame.image == _newer(show).raw).all() or _newer(show).frame.raw is None
    show.stop()
    assert (show.state, show.faces(), show.monitor.latest) == ("stopped", [], None)
    assert {"state", "settings", "outputs"} <= set(told)
    stop()
    told.clear()
    show.undo()
    assert told == []
    assert show.settings.swap.enabled
    _running(show)


def test_nobody_s_face_need_be_chosen_to_begin(make: Make, anna: str) -> None:
    show = make()
    view = _running(show)
    assert view.frame.image is view.raw
    with pytest.raises(RealtimeError, match="Nobody named bob is enrolled; enrolled: anna"):
        show.change(("swap", "sources"), ["bob"])
    show.change(("swap", "sources"), [anna])
    _until(lambda: any(face.patch is not None for face in _newer(show).frame.faces))
    assert show.problem == ""


def test_a_page_cannot_name_a_photo_but_whoever_started_it_can(make: Make, anna: str) -> None:
    show = make(swap=SwapSettings(sources=(str(portrait("collins")),)))
    for path, value in ((("swap", "sources"), [_HOPPER]), (("swap", "assign"), {"1": _HOPPER})):
        with pytest.raises(RealtimeError, match="is enrolled"):
            show.change(path, value)
    with pytest.raises(RealtimeError, match="is enrolled"):
        show.replace(show.settings.model_copy(update={"swap": SwapSettings(sources=(_HOPPER,))}))
    show.change(("swap", "sources"), [anna])
    show.change(("swap", "sources"), [str(portrait("collins"))])
    assert not show._plan.history.redoable


def test_a_face_whose_person_agrees_no_longer_is_taken_off_for_good(make: Make, anna: str) -> None:
    show = make(swap=SwapSettings(sources=(anna,)))
    _running(show)
    show.change(("blend", "opacity"), 0.9)
    _until(lambda: any(face.patch is not None for face in _newer(show).frame.faces))
    identities.remove(anna)
    show.forget(anna)
    _until(lambda: not any(face.patch is not None for face in _newer(show).frame.faces))
    _until(lambda: [(face.source, face.covered) for face in show.faces()] == [(None, True)])
    show.change(("blend", "on_lost"), "pass")
    _until(lambda: [(face.source, face.covered) for face in show.faces()] == [(None, False)])
    while show.undoable:
        show.undo()
        assert show.settings.swap.sources == ()
    with pytest.raises(RealtimeError, match="Nobody named anna"):
        show.change(("swap", "sources"), [anna])


def test_what_cannot_be_leaves_the_loop_and_its_settings_as_they_were(make: Make, anna: str, tmp_path: Path) -> None:
    show = make(swap=SwapSettings(sources=(anna,)))
    _running(show)
    show.change(("blend", "opacity"), 0.9)
    before, loop, watcher = show.settings, show._runner.loop, show.monitor.watch()
    for path, value, message in (
        (("swap", "engine"), "nothing-of-that-name", "nothing-of-that-name"),
        (("outputs",), [{"kind": "recording", "path": str(tmp_path / "a.txt")}], "recordings end in"),
        (("outputs",), [{"kind": "virtual-camera", "device": "/dev/no-such-camera"}], "no-such-camera"),
    ):
        show.change(path, value)
        _until(lambda message=message: message in show.problem)
        _until(lambda: show.settings == before)
        assert (show.state, show._runner.loop) == ("running", loop)
        assert show.undoable
        assert not show.redoable
        watcher.take(20)
    # What can be known at once is said at once.
    with pytest.raises(RealtimeError, match=r"no-logo\.png cannot be read"):
        show.change(("overlay", "images"), [{"path": str(tmp_path / "no-logo.png")}])
    assert show.settings == before
    show.change(("blend", "seam"), 0.2)
    assert show.settings.blend.seam == 0.2
    show.undo()
    show.undo()
    assert show.settings.blend.opacity == 1.0


def test_what_takes_long_does_not_hold_up_what_does_not(make: Make, anna: str, monkeypatch: pytest.MonkeyPatch) -> None:
    show, read, opening = make(), identities.load, threading.Event()

    def slowly(name: str) -> identities.Identity:
        assert opening.wait(60)
        return read(name)

    _running(show)
    loop = show._runner.loop
    assert loop is not None
    monkeypatch.setattr(identities, "load", slowly)
    show.change(("swap", "sources"), [anna])
    show.change(("blend", "opacity"), 0.4)
    show.change(("blend", "opacity"), 0.3)
    show.change(("swap", "light"), 0.2)
    assert (loop.settings.blend.opacity, loop.settings.swap.light, loop.settings.swap.sources) == (0.3, 0.2, ())
    opening.set()
    _until(lambda: loop.settings.swap.sources == (anna,))
    assert loop.settings.blend.opacity == 0.3
    found = []
    while show.undoable:
        show.undo()
        found.append((show.settings.swap.sources, show.settings.blend.opacity, show.settings.swap.light))
    assert found == [((anna,), 0.3, 1.0), ((anna,), 1.0, 1.0), ((), 1.0, 1.0)]
    _until(lambda: loop.settings.swap.sources == ())
    assert loop._parts["swap"].settings.sources == ()
    assert loop._parts["blend"].settings.opacity == 1.0


def test_another_input_needs_another_loop_and_the_old_one_comes_back_when_that_fails(make: Make, anna: str, tmp_path: Path) -> None:
    show = make(swap=SwapSettings(sources=(anna,)))
    assert _running(show).raw.shape == (240, 320, 3)
    watcher = show.monitor.watch()
    show.change(("input", "width"), 400)
    _until(lambda: watcher.take(60).raw.shape == (240, 400, 3))
    before = show.settings
    show.change(("input",), {"kind": "video", "path": str(tmp_path / "no-clip.mp4")})
    _until(lambda: "no-clip.mp4" in show.problem)
    assert show.settings == before
    assert show.state == "running"
    assert _newer(show).raw.shape == (240, 400, 3)
    show.undo()
    _until(lambda: watcher.take(60).raw.shape == (240, 320, 3))
    assert show.problem == ""


def test_a_camera_that_is_busy_is_said_and_start_works_once_it_is_free(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real, busy = building._source, [True]

    def source(settings: Settings) -> object:
        if busy[0]:
            raise RealtimeError("Camera 0 is used by another program; close that one.")
        return real(settings)

    monkeypatch.setattr(building, "_source", source)
    show = make()
    settings = show.settings
    show.start()
    _until(lambda: show.state == "failed")
    assert show.problem == "Camera 0 is used by another program; close that one."
    assert show.settings is settings
    show.change(("blend", "opacity"), 0.5)
    show.start()
    _until(lambda: show.state == "failed")
    busy[0] = False
    _running(show)
    # Lost while it changes: what was there before is tried again, and start() works once more.
    busy[0] = True
    show.change(("input", "width"), 400)
    _until(lambda: show.state == "failed")
    assert show.settings.input.width == 320
    assert "used by another program" in show.problem
    busy[0] = False
    assert _running(show).raw.shape == (240, 320, 3)


def test_a_stage_that_breaks_is_told_and_start_works(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    show = make()
    _running(show)

    def broken(frame: Frame) -> Frame:
        raise ValueError("got 3, expected 4")

    loop = show._runner.loop
    assert loop is not None
    monkeypatch.setattr(loop._parts["blend"], "settings", None)
    monkeypatch.setattr(type(loop._parts["blend"]), "__call__", lambda self, frame: broken(frame))
    _until(lambda: show.state == "failed")
    assert "got 3, expected 4" in show.problem
    monkeypatch.undo()
    _running(show)


def test_a_clip_ends_and_begins_again(make: Make, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(10):
            picture = np.full((120, 160, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    show = make(input=VideoInput(path=str(clip)))
    for _ in range(2):
        began = time.perf_counter()
        show.start()
        _until(lambda: show.state == "ended")
        assert time.perf_counter() - began > 0.4
        assert show.problem == ""
        view = show.monitor.latest
        assert view is not None
        assert view.frame.index == 9


def test_an_output_that_is_not_there_is_told_and_tried_again(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = tmp_path / "later"
    outputs = (VirtualCameraOutput(device="/dev/no-such-camera"), RecordingOutput(path=str(later / "a.mp4")), NoOutput())
    show = make(outputs=outputs)
    assert [(state.kind, state.state) for state in show.outputs()] == [("virtual-camera", "off"), ("recording", "off")]
    _running(show)
    found = {state.kind: state for state in show.outputs()}
    assert {state.state for state in found.values()} == {"failed"}
    assert "no-such-camera" in found["virtual-camera"].problem
    assert "does not exist" in found["recording"].problem
    later.mkdir()
    show.start()
    _until(lambda: {state.kind: state.state for state in show.outputs()}["recording"] == "on air")
    for _ in range(3):
        _newer(show)
    show.stop()
    assert (later / "a.mp4").stat().st_size > 0


def test_a_recording_begins_ends_and_goes_on_with_another_input(make: Make, tmp_path: Path) -> None:
    show = make()
    _running(show)
    first = show.record(True)
    assert first is not None
    assert first == show.recording == show.record(True)
    assert first.parent == tmp_path / "films"
    assert [(state.kind, state.state) for state in show.outputs()] == [("recording", "on air")]
    for _ in range(5):
        _newer(show)
    assert show.record(False) == first
    assert show.recording is None
    assert show.record(False) is None
    assert show.outputs() == []
    second = show.record(True)
    assert second not in (None, first)
    _newer(show)
    show.change(("input", "width"), 400)
    _until(lambda: show.state == "running" and show.recording not in (None, second))
    third = show.recording
    for _ in range(5):
        _newer(show)
    show.stop()
    assert show.recording is None
    sizes = []
    for path in (first, second, third):
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        assert frames
        sizes.append(frames[0].shape[1])
        # The label is on it.
        assert int(frames[-1][-40:, :160].max()) > 150
    assert sizes == [320, 320, 400]
    _running(show)
    assert show.recording is None


def test_a_microphone_that_is_turned_on_later_is_in_the_next_recording(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once in the log, which the page shows, and beside the output for as long as it is so."""
    microphone = tmp_path / "voice.wav"
    with wave.open(str(microphone), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(bytes(96000))
    show = make()
    _running(show)
    first = show.record(True)
    for _ in range(3):
        _newer(show)
    show.change(("audio", "microphone"), str(microphone))
    sentence = f"The recording {first and first.name} has no sound, because it began without a microphone; the next one will have it."
    _until(lambda: [state.problem for state in show.outputs()] == [sentence])
    show.change(("audio", "delay"), 0.1)
    _newer(show)
    show.record(False)
    second = show.record(True)
    for _ in range(3):
        _newer(show)
    assert [state.problem for state in show.outputs()] == [""]
    show.record(False)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [sentence]
    assert first is not None
    assert second is not None
    with av.open(str(first)) as old, av.open(str(second)) as new:
        assert [[stream.type for stream in container.streams] for container in (old, new)] == [["video"], ["video", "audio"]]


def test_a_full_disk_ends_the_recording_and_nothing_else(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.sinks import part

    show = make()
    _running(show)
    path = show.record(True)
    assert path is not None
    for _ in range(3):
        _newer(show)

    class Full:
        def __init__(self, file: object) -> None:
            self._file = file

        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    loop = show._runner.loop
    assert loop is not None
    recording = next(port.sink for port in loop.ports).sink  # type: ignore[union-attr]
    assert isinstance(recording._part, part.PartFile)
    recording._part._file = Full(recording._part._file)
    _until(lambda: show.recording is None)
    _until(lambda: "the disk is full" in show.problem)
    assert show.state == "running"
    (state,) = show.outputs()
    assert (state.state, "the disk is full" in state.problem) == ("failed", True)
    _newer(show)
    again = show.record(True)
    assert again is not None
    assert [state.state for state in show.outputs()] == ["on air"]
    assert show.record(False) == again


def test_a_recording_that_fails_while_it_is_ended_holds_nobody_up(tmp_path: Path) -> None:
    class Stuck:
        """Outputs of which one fails at the moment at which it is taken away."""

        def __init__(self) -> None:
            self.ports, self.told = self, list[str]()

        def add(self, output: RecordingOutput, extra: bool) -> Port:
            return Port(output, Nothing(), "recording", extra=extra)

        def shut(self, port: Port) -> None:
            port.let_go()
            port.problem = "The disk is full."
            thread = threading.Thread(target=lambda: self.told.append(recorder.trouble()), daemon=True)
            thread.start()
            thread.join(5)
            assert not thread.is_alive(), "the sink's thread waits for whoever waits for it"

    recorder, loop = Recorder(tmp_path), Stuck()
    recorder.start(loop)  # type: ignore[arg-type]
    with pytest.raises(RealtimeError, match="disk is full"):
        recorder.stop()
    assert len(loop.told) == 1


def test_a_recording_that_fails_at_once_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    show = make()
    _running(show)
    ports = show._runner.loop.ports  # type: ignore[union-attr]

    def add(output: RecordingOutput, extra: bool = False) -> Port:
        port = Port(output, None, "recording", "The disk is full.", extra)
        show._heard("outputs")
        return port

    monkeypatch.setattr(ports, "add", add)
    show.record(True)
    assert (show.problem, show.recording) == ("The disk is full.", None)


def test_a_click_gives_somebody_a_face_and_only_this_loop_remembers(make: Make, anna: str, tmp_path: Path) -> None:
    show = make(input=_SMALL.model_copy(update={"width": 480, "people": 2}), swap=SwapSettings(assign={99: anna}))
    _running(show)
    _until(lambda: len(show.faces()) == 2)
    chosen = show.faces()[0]
    left, top, right, bottom = chosen.box
    with pytest.raises(RealtimeError, match="Nobody's face"):
        show.assign(0.5, 0.99, anna)
    with pytest.raises(RealtimeError, match="Nobody named bob"):
        show.assign((left + right) / 2, (top + bottom) / 2, "bob")
    show.assign((left + right) / 2, (top + bottom) / 2, anna)
    _until(lambda: {face.source for face in show.faces() if face.track == chosen.track} == {anna})
    assert {face.source for face in show.faces() if face.track != chosen.track} <= {None}
    saved = show.save()
    assert f"{chosen.track}:" not in saved.read_text(encoding="utf-8")
    assert "99: anna" in saved.read_text(encoding="utf-8")
    face = next(face for face in show.faces() if face.track == chosen.track)
    show.assign((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2, None)
    assert show.settings.swap.assign == {99: anna}
    show.undo()
    show.stop()
    assert show.settings.swap.assign == {99: anna}


def test_saving_and_presets(make: Make, anna: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("blend:\n  seam: 0.5  # soft\n", encoding="utf-8")
    show = make(swap=SwapSettings(sources=(anna,)))
    show.change(("blend", "opacity"), 0.5)
    assert show.save() == tmp_path / "config.yaml"
    assert "seam: 0.0  # soft" in show.config.read_text(encoding="utf-8")
    show.save_preset("evening")
    assert show.presets() == ["evening"]
    show.change(("blend", "opacity"), 0.7)
    assert show.apply_preset("evening").blend.opacity == 0.5
    show.undo()
    assert show.settings.blend.opacity == 0.7
    show.redo()
    show.remove_preset("evening")
    with pytest.raises(RealtimeError, match="no preset evening"):
        show.apply_preset("evening")
    assert show.settings.blend.opacity == 0.5


def test_no_thread_stays_after_twenty_starts_and_watchers_do(make: Make) -> None:
    before = threading.active_count()
    show = make(input=_SMALL.model_copy(update={"width": 64, "height": 64}))
    watcher = show.monitor.watch()
    running, stopped = [], []
    for number in range(20):
        show.change(("input", "width"), 64 + 2 * number)
        show.start()
        _until(lambda: show.state == "running")
        _until(lambda width=64 + 2 * number: watcher.take(60).raw.shape[1] == width)
        if number % 4 == 0:
            show.record(True)
            show.record(False)
        running.append(threading.active_count() - before)
        if number % 5 == 4:
            show.stop()
            stopped.append(threading.active_count() - before)
    show.close()
    show.close()
    assert len(set(running)) == 1
    # The thread of the show itself.
    assert set(stopped) == {1}
    _until(lambda: threading.active_count() <= before)
    with suppress(Closed):
        watcher.take(1)
    with pytest.raises(Closed):
        watcher.take(1)


def test_models_in_which_a_thread_is_stuck_are_not_used_again(make: Make, anna: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.stages.swap import Swap

    monkeypatch.setattr("realtime.pipeline._PATIENCE", 0.2)
    wanted, inside, free = threading.Event(), threading.Event(), threading.Event()
    drawn = Swap.__call__

    def hanging(self: Swap, frame: Frame) -> Frame:
        if wanted.is_set() and not inside.is_set():
            inside.set()
            free.wait(60)
        return drawn(self, frame)

    monkeypatch.setattr(Swap, "__call__", hanging)
    show = make(swap=SwapSettings(sources=(anna,)))
    try:
        show.start()
        _running(show)
        first = show._runner._standby
        show.change(("input", "height"), 200)
        _until(lambda: (view := show.monitor.latest) is not None and view.frame.image.shape[0] == 200)
        assert show._runner._standby is first
        wanted.set()
        assert inside.wait(60)
        show.change(("input", "height"), 240)
        _until(lambda: show._runner._standby is not first)
    finally:
        free.set()
