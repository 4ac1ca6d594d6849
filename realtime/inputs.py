"""Settings of where frames come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realtime.part import Part


class CameraInput(Part):
    """A webcam."""

    kind: Literal["camera"] = "camera"
    device: int | str = 0
    width: int = Field(1280, ge=16, le=7680)
    height: int = Field(720, ge=16, le=4320)
    fps: float = Field(30.0, gt=0, le=240)
    format: Literal["auto", "mjpeg", "yuyv"] = "auto"


class VideoInput(Part):
    """A video file or network stream."""

    kind: Literal["video"] = "video"
    path: str
    realtime: bool = False
    loop: bool = False


class ImageInput(Part):
    """One photo, shown once or, with realtime, as a standing picture."""

    kind: Literal["image"] = "image"
    path: str
    realtime: bool = False
    fps: float = Field(30.0, gt=0, le=240)


class AnimatedInput(Part):
    """A portrait moved like a person in front of a webcam; an empty path takes a portrait from an installed package."""

    kind: Literal["animated"] = "animated"
    path: str = ""
    width: int = Field(1280, ge=64, le=3840)
    height: int = Field(720, ge=64, le=2160)
    fps: float = Field(30.0, gt=0, le=240)
    seconds: float | None = Field(None, gt=0, le=1e6)
    realtime: bool = True
    people: int = Field(1, ge=1, le=4)
    speed: float = Field(1.0, ge=0, le=10)
    noise: float = Field(2.0, ge=0, le=50)
    seed: int = Field(0, ge=0)


Input = Annotated[CameraInput | VideoInput | ImageInput | AnimatedInput, Field(discriminator="kind")]

__all__ = ["AnimatedInput", "CameraInput", "ImageInput", "Input", "VideoInput"]
