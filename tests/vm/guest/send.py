"""Sends the test card through VirtualCamera while OpenCV and ffmpeg, in programs of their own, read the device."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import card, report

from realtime.config import OverlaySettings, VirtualCameraOutput
from realtime.frame import Frame
from realtime.sinks.output import Painted, VirtualCamera
from realtime.stages.overlay import Overlay

RATE = 25.0
said: list[str] = []
label = Overlay(OverlaySettings())
sink = Painted(VirtualCamera(VirtualCameraOutput(), RATE, said.append), [label])
stop = threading.Event()
sent: list[float] = []


def send() -> None:
    index = 0
    begin = time.perf_counter()
    while not stop.wait(max(0.0, begin + index / RATE - time.perf_counter())):
        before = time.perf_counter()
        sink.send(Frame(card(index % 4096), index, before))
        sent.append(time.perf_counter() - before)
        index += 1


def read(program: str, frames: int) -> object:
    command = [sys.executable, str(Path(__file__).with_name("read.py")), program, str(frames)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=100, check=True).stdout)


thread = threading.Thread(target=send)
thread.start()
time.sleep(0.5)
driver_rate = Path("/sys/class/video4linux/video10/format").read_text().strip()
facts = {"opencv": read("opencv", 100), "ffmpeg": read("ffmpeg", 30)}
stop.set()
thread.join()
sink.close()
sent.sort()
report({**facts, "said": said, "driver": driver_rate, "send_ms": sent[len(sent) // 2] * 1000})
