"""Settings of where finished frames go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realtime.part import Part

# What several outputs have in common, each in its own place among theirs.
Rate = Annotated[float | None, Field(gt=0, le=240, title="Frame rate", description="Empty: the input's")]
Width = Annotated[int | None, Field(ge=16, le=7680, description="Empty: the input's")]
Height = Annotated[int | None, Field(ge=16, le=4320, description="Empty: the input's")]
Bitrate = Annotated[float, Field(ge=0.1, le=100, description="Megabits a second")]
Encoder = Annotated[
    Literal["auto", "software", "nvenc", "qsv", "amf", "videotoolbox", "v4l2m2m"], Field(description="auto: the hardware's where it works")
]


class VirtualCameraOutput(Part):
    """The camera that video-call programs see."""

    kind: Literal["virtual-camera"] = "virtual-camera"
    device: str | None = Field(None, description="For example /dev/video10; empty: the first that can be used")
    backend: Literal["auto", "v4l2loopback", "obs", "unitycapture"] = Field("auto", description="What makes the camera")
    fps: Rate = None
    width: Width = None
    height: Height = None


class WindowOutput(Part):
    """The preview with its hot keys."""

    kind: Literal["window"] = "window"
    statistics: bool = Field(True, description="Frame rate, latency, drops and stage times in the preview")
    mirror: bool = Field(True, description="You see yourself as in a mirror, others do not")


class RecordingOutput(Part):
    """A video file; audio and frame times of a file input are kept."""

    kind: Literal["recording"] = "recording"
    path: str = Field(description="A file that ends with .mp4 or .mkv")
    overwrite: bool = Field(False, description="Replace a file that exists")
    codec: Literal["h264", "mpeg4"] = Field("h264", description="h264 is smaller")
    quality: int = Field(20, ge=0, le=51, description="0: best, 51: smallest")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = Field(
        "veryfast", description="Slower ones make smaller files"
    )
    audio: bool = Field(True, description="With the clip's sound, or the microphone's")


class StreamOutput(Part):
    """A streaming server, or whoever listens at an address."""

    kind: Literal["stream"] = "stream"
    url: str = Field(pattern=r"^(rtmp|rtmps|srt|rtsp|udp)://[^\s]+$", title="Address", description="rtmp, rtmps, srt, rtsp or udp")
    encoder: Encoder = "auto"
    bitrate: Bitrate = 4.0
    keyframes: float = Field(2.0, ge=0.25, le=20, description="Seconds between two pictures that a viewer can begin with")
    fps: Rate = None
    width: Width = None
    height: Height = None
    audio: bool = Field(True, description="With the microphone of the section audio, or else the clip's sound")


class HlsOutput(Part):
    """A folder of short pieces and their list, which any web server can offer."""

    kind: Literal["hls"] = "hls"
    folder: str = Field(description="Where the pieces go")
    seconds: float = Field(2.0, ge=0.5, le=20, description="Length of a piece")
    keep: int = Field(6, ge=2, le=10000, description="So many pieces, older ones are deleted")
    encoder: Encoder = "auto"
    bitrate: Bitrate = 4.0
    fps: Rate = None
    width: Width = None
    height: Height = None
    audio: bool = Field(True, description="With the microphone of the section audio, or else the clip's sound")


class FaceOutput(Part):
    """Only the face with its alpha, for a program that puts it over the raw camera: numbered PNG files, or WebM with VP9."""

    kind: Literal["face"] = "face"
    path: str = Field(description="A file that ends with .webm, or a folder for numbered PNG files")
    overwrite: bool = Field(False, description="Replace what exists")


class NoOutput(Part):
    """Frames are finished and thrown away (measuring)."""

    kind: Literal["none"] = "none"


Output = Annotated[
    VirtualCameraOutput | WindowOutput | RecordingOutput | StreamOutput | HlsOutput | FaceOutput | NoOutput, Field(discriminator="kind")
]

FILES = (RecordingOutput, FaceOutput)
"""Outputs that keep every frame in files: somebody wished for them, they cannot be made again, and nobody waits for them."""

__all__ = [
    "FILES",
    "FaceOutput",
    "HlsOutput",
    "NoOutput",
    "Output",
    "RecordingOutput",
    "StreamOutput",
    "VirtualCameraOutput",
    "WindowOutput",
]
