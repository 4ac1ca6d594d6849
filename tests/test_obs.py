"""OBS itself shows what the studio sends, and lays the face over a camera by its alpha."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from studios import running

from realtime.config import AnimatedInput, FaceOutput, NoOutput, Settings
from realtime.frame import Frame
from realtime.portraits import portrait
from realtime.sinks.face import FaceVideo

Bytes = NDArray[np.uint8]
_MISSING = [name for name in ("obs", "Xvfb", "ffmpeg") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)} (apt install obs-studio xvfb ffmpeg)")

_GENERAL = "[General]\nFirstRun=true\nInfoIncrement=99\n[Basic]\nProfile=Untitled\nProfileDir=Untitled\nSceneCollectionFile=Untitled\n"
_VIDEO = "[General]\nName=Untitled\n[Video]\nBaseCX=1280\nBaseCY=360\nOutputCX=1280\nOutputCY=360\nFPSCommon=30\n"
_SIZE = 180, 320


@contextmanager
def obs(home: Path, sources: Mapping[str, dict[str, Any]], places: Mapping[str, int]) -> Iterator[str]:
    """An OBS whose only scene has media sources of these settings, 640 x 360, each so far from the left; name of its X display."""
    folder = home / ".config" / "obs-studio"
    (folder / "basic" / "profiles" / "Untitled").mkdir(parents=True)
    (folder / "basic" / "scenes").mkdir()
    (folder / "global.ini").write_text(_GENERAL)
    (folder / "basic" / "profiles" / "Untitled" / "basic.ini").write_text(_VIDEO)
    fitted = {"bounds_type": 2, "bounds": {"x": 640, "y": 360}, "align": 5, "visible": True}
    items = [{"name": name, "id": number, "pos": {"x": left, "y": 0}, **fitted} for number, (name, left) in enumerate(places.items(), 1)]
    media = [{"id": "ffmpeg_source", "name": name, "settings": settings} for name, settings in sources.items()]
    scene = {"id": "scene", "name": "Scene", "settings": {"id_counter": len(items), "items": items}}
    collection = {"name": "Untitled", "current_scene": "Scene", "current_program_scene": "Scene", "sources": [*media, scene]}
    (folder / "basic" / "scenes" / "Untitled.json").write_text(json.dumps(collection))
    read, write = os.pipe()
    screen = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(screen, pass_fds=(write,), stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            display = f":{number.readline().strip()}"
        # OpenCV names its own Qt plugins to every program that it starts.
        rest = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
        mine = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_RUNTIME_DIR": str(home), "DISPLAY": display}
        with (home / "log").open("wb") as log:
            command = ["obs", "--multi", "--disable-updater"]
            process = subprocess.Popen(command, env={**rest, **mine, "LIBGL_ALWAYS_SOFTWARE": "1"}, stdout=log, stderr=log)
        try:
            yield display
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            server.terminate()


def screenshot(display: str) -> Bytes:
    """What is on a display, BGR (1000, 1600, 3) uint8."""
    command = ["ffmpeg", "-v", "error", "-f", "x11grab", "-video_size", "1600x1000", "-i", display]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    data = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return np.frombuffer(data, np.uint8).reshape(1000, 1600, 3)


def blue(image: Bytes) -> NDArray[np.bool_]:
    return np.asarray((image[..., 0] > 180) & (image[..., 1:].max(axis=2) < 60))


def red(image: Bytes) -> NDArray[np.bool_]:
    return np.asarray((image[..., 2] > 180) & (image[..., :2].max(axis=2) < 60))


def clips(folder: Path) -> tuple[str, str]:
    """A camera that sees blue, and a face for it: a red disc in the middle, and nothing else."""
    with av.open(str(folder / "camera.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = _SIZE[1], _SIZE[0], "yuv420p"
        for _ in range(30):
            picture = np.full((*_SIZE, 3), (220, 20, 20), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        output.mux(stream.encode(None))
    disc = np.zeros((*_SIZE, 4), np.uint8)
    cv2.circle(disc, (160, 90), 50, (20, 20, 220, 255), -1)
    sink = FaceVideo(FaceOutput(path=str(folder / "face.webm")), lambda frame: disc, 15.0, print)
    for index in range(30):
        sink.send(Frame(np.zeros((*_SIZE, 3), np.uint8), index, index / 15))
    sink.close()
    return str(folder / "camera.mp4"), str(folder / "face.webm")


def test_obs_shows_the_studios_picture_and_the_face_over_the_camera(tmp_path: Path) -> None:
    camera, face = clips(tmp_path)
    seen = AnimatedInput(path=str(portrait("hopper")), width=640, height=360, fps=10)
    settings = Settings.model_validate({"input": seen, "outputs": (NoOutput(),), "swap": {"sources": (str(portrait("collins")),)}})
    with running(tmp_path, settings) as studio:
        studio.house.show.start()
        studio.wait()
        sources = {
            "studio": {"is_local_file": False, "input": f"{studio.root}/source.mjpg", "input_format": "mpjpeg", "buffering_mb": 0},
            "camera": {"is_local_file": True, "local_file": camera, "looping": True},
            "face": {"is_local_file": True, "local_file": face, "looping": True},
        }
        with obs(tmp_path, sources, {"studio": 0, "camera": 640, "face": 640}) as display:
            end = time.monotonic() + 120
            while True:
                image = screenshot(display)
                rows, columns = np.nonzero(blue(image))
                if len(rows) > 5000 and red(image).any():
                    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
                    shown = image[top:bottom, max(0, 2 * left - right) : left]
                    view = studio.house.show.monitor.latest
                    assert view is not None
                    wanted = cv2.resize(view.shown, shown.shape[1::-1], interpolation=cv2.INTER_AREA)
                    if np.abs(shown.astype(int) - wanted).mean() < 12:
                        break
                assert time.monotonic() < end, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.5)
    over = image[top:bottom, left:right]
    # The disc, round and whole, on the camera's picture: no box about it and no rim.
    assert 0.11 < red(over).mean() < 0.16
    assert red(over)[over.shape[0] // 2, over.shape[1] // 2]
    assert (red(over) | blue(over)).mean() > 0.95
