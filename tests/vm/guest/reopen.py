"""Opens the virtual camera again after each way in which a program may have left it, and lets it vanish and return."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import another_program, card, report

from realtime.config import VirtualCameraOutput
from realtime.frame import Frame, RealtimeError
from realtime.machine import loopback
from realtime.sinks.output import VirtualCamera

PATH = "/dev/video10"
OURS = """
import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from common import card
from realtime.config import VirtualCameraOutput
from realtime.frame import Frame, RealtimeError
from realtime.sinks.output import VirtualCamera
try:
    camera = VirtualCamera(VirtualCameraOutput(), 30.0, print)
    for index in range(3): camera.send(Frame(card(index), index, 0.0))
    print("opened")
    sys.stdout.flush()
    if sys.argv[2] == "killed": os.kill(os.getpid(), 9)
except RealtimeError as error:
    print(error)
"""
FOREIGN = """
import numpy, pyvirtualcam
camera = pyvirtualcam.Camera(320, 240, 20, device="/dev/video10")
camera.send(numpy.zeros((240, 320, 3), numpy.uint8))
camera.close()
"""
said: list[str] = []
facts: dict[str, Any] = {"said": said, "version": loopback.version(), "modern": loopback.modern(PATH)}


def state() -> str:
    device = loopback.look(PATH)
    return device.state if device else "none"


def camera(frames: int = 3, width: int = 640) -> VirtualCamera:
    result = VirtualCamera(VirtualCameraOutput(), 30.0, said.append)
    for index in range(frames):
        result.send(Frame(card(index, width), index, index / 30))
    return result


facts["again"] = []
for _ in range(3):
    camera().close()
    facts["again"].append(state())

another_program(FOREIGN)
facts["left by pyvirtualcam"] = state()
camera().close()
facts["after that"] = state()

try:
    another_program(OURS, __file__, "killed")
except RuntimeError as error:
    facts["killed"] = ["ended with -9" in str(error), state()]

# A video-call program keeps reading while swapcam restarts, in another size.
writer = camera()
reader = os.open(PATH, os.O_RDWR | os.O_NONBLOCK)
facts["bytes"] = [len(os.read(reader, 1 << 24))]
writer.close()
facts["reader stays"] = state()
writer = camera(3, 1280)
facts["bytes"].append(len(os.read(reader, 1 << 24)))
facts["held"] = loopback.format_now(PATH)
writer.close()
os.close(reader)

# Another program sends.
code = OURS.replace(
    'print("opened")', 'print("opened", flush=True)\n    import time\n    while True: camera.send(Frame(card(1), 1, 0.0)); time.sleep(0.03)'
)
with subprocess.Popen([sys.executable, "-c", code, __file__, ""], stdout=subprocess.PIPE, text=True) as other:
    assert other.stdout is not None
    facts["other"] = other.stdout.readline().strip()
    try:
        camera().close()
    except RealtimeError as error:
        facts["busy"] = str(error)
    facts["busy process"] = other.pid
    other.kill()
facts["other ended"] = state()

# Unplugged in the middle: the device file goes, the driver is reloaded, the loop goes on sending all the time.
del said[:]
running = VirtualCamera(VirtualCameraOutput(), 30.0, said.append)
begin = time.perf_counter()
index = 0
removed = reset = False
while time.perf_counter() < begin + 6:
    running.send(Frame(card(index), index, 0.0))
    index += 1
    passed = time.perf_counter() - begin
    if passed > 1 and not removed:
        Path(PATH).unlink()
        removed = True
    if passed > 3 and not reset:
        facts["let go"] = loopback.format_now(PATH) is None
        subprocess.run(["/run/vm-reset-cameras"], check=True, timeout=30)
        reset = True
    time.sleep(0.03)
facts["back"] = state() != "free" and loopback.format_now(PATH)
running.close()
links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
facts["video files"] = [link for link in links if "video" in link]
report(facts)
