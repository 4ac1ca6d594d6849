"""Lists the machine's devices, and examines it as `swapcam doctor` does."""

from __future__ import annotations

from dataclasses import asdict

from common import another_program, report

from realtime.doctor import examine
from realtime.machine import loopback
from realtime.machine.devices import cameras

another_program(
    "import pyvirtualcam, numpy; c = pyvirtualcam.Camera(320, 240, 20); c.send(numpy.zeros((240, 320, 3), numpy.uint8)); c.close()"
)
report(
    {
        "cameras": [asdict(camera) for camera in cameras()],
        "loopbacks": [asdict(device) for device in loopback.loopbacks()],
        "checks": [asdict(check) for check in examine()],
    }
)
