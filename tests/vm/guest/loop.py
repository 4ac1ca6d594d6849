"""The loop without any face model: the camera, the overlay, the virtual camera; ends at Ctrl-C as the program does."""

from __future__ import annotations

import sys

from realtime.config import CameraInput, OverlaySettings, VirtualCameraOutput
from realtime.keys import signals
from realtime.pipeline import Pipeline
from realtime.sinks.output import Painted, VirtualCamera
from realtime.sources.camera import Camera
from realtime.stages.overlay import Overlay


def say(sentence: str) -> None:
    print(sentence, flush=True)


camera = Camera(CameraInput(width=640, height=360), say)
sink = Painted(VirtualCamera(VirtualCameraOutput(), camera.rate, say), [Overlay(OverlaySettings())])
pipeline = Pipeline(camera, [[]], [sink], ["virtual-camera"])
with signals(pipeline.quit, lambda: None, lambda: None):
    pipeline.run()
pipeline.stop()
sink.close()
camera.close()
sys.exit(0)
