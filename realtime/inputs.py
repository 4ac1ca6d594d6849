"""Settings of where frames come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realtime.part import Part


class CameraInput(Part):
    """A webcam."""

    kind: Literal["camera"] = "camera"
    device: int | str = Field(0, description="Number of the camera, or a name such as /dev/video2")
    width: int = Field(1280, ge=16, le=7680, description="Asked of the camera; the log says what it gives")
    height: int = Field(720, ge=16, le=4320, description="Asked of the camera")
    fps: float = Field(30.0, gt=0, le=240, title="Frame rate", description="Asked of the camera")
    format: Literal["auto", "mjpeg", "yuyv"] = Field("auto", description="mjpeg: large pictures over USB 2; yuyv: plain ones")


class VideoInput(Part):
    """A video file or network stream."""

    kind: Literal["video"] = "video"
    path: str = Field(description="A video file, or the address of a network camera")
    realtime: bool = Field(False, description="Play it like a webcam, late frames are skipped")
    loop: bool = Field(False, description="Start again at the end")


class ImageInput(Part):
    """One photo, shown once or, with realtime, as a standing picture."""

    kind: Literal["image"] = "image"
    path: str = Field(description="A photo")
    realtime: bool = Field(False, description="A standing picture without end")
    fps: float = Field(30.0, gt=0, le=240, title="Frame rate", description="Of the standing picture")


class AnimatedInput(Part):
    """A portrait moved like a person in front of a webcam; an empty path takes a portrait from an installed package."""

    kind: Literal["animated"] = "animated"
    path: str = Field("", description="A portrait; empty takes one from an installed package")
    width: int = Field(1280, ge=64, le=3840, description="Of the picture")
    height: int = Field(720, ge=64, le=2160, description="Of the picture")
    fps: float = Field(30.0, gt=0, le=240, title="Frame rate", description="Of the picture")
    seconds: float | None = Field(None, gt=0, le=1e6, description="How long; empty: without end")
    realtime: bool = Field(True, description="At its own pace; off: as fast as the loop takes frames")
    people: int = Field(1, ge=1, le=4, description="How many")
    speed: float = Field(1.0, ge=0, le=10, description="Of the motion; 0: still")
    noise: float = Field(2.0, ge=0, le=50, description="Of the camera, grey levels")
    seed: int = Field(0, ge=0, description="Another number moves otherwise")


Input = Annotated[CameraInput | VideoInput | ImageInput | AnimatedInput, Field(discriminator="kind")]

__all__ = ["AnimatedInput", "CameraInput", "ImageInput", "Input", "VideoInput"]
