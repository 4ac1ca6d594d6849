"""Settings of where finished frames go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realtime.part import Part

Encoder = Literal["auto", "software", "nvenc", "qsv", "amf", "videotoolbox", "v4l2m2m"]

class VirtualCameraOutput(Part):
    """The camera that video-call programs see."""

    kind: Literal["virtual-camera"] = "virtual-camera"
    device: str | None = None
    backend: Literal["auto", "v4l2loopback", "obs", "unitycapture"] = "auto"
    fps: float | None = Field(None, gt=0, le=240)
    width: int | None = Field(None, ge=16, le=7680)
    height: int | None = Field(None, ge=16, le=4320)


class WindowOutput(Part):
    """The preview with its hot keys."""

    kind: Literal["window"] = "window"
    statistics: bool = True
    mirror: bool = True


class RecordingOutput(Part):
    """A video file; audio and frame times of a file input are kept."""

    kind: Literal["recording"] = "recording"
    path: str
    overwrite: bool = False
    codec: Literal["h264", "mpeg4"] = "h264"
    quality: int = Field(20, ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = "veryfast"
    audio: bool = True


class StreamOutput(Part):
    """A streaming server, or whoever listens at an address."""

    kind: Literal["stream"] = "stream"
    url: str = Field(pattern=r"^(rtmp|rtmps|srt|rtsp|udp)://[^\s]+$")
    encoder: Encoder = "auto"
    bitrate: float = Field(4.0, ge=0.1, le=100)
    keyframes: float = Field(2.0, ge=0.25, le=20)
    fps: float | None = Field(None, gt=0, le=240)
    width: int | None = Field(None, ge=16, le=7680)
    height: int | None = Field(None, ge=16, le=4320)
    audio: bool = True


class HlsOutput(Part):
    """A folder of short pieces and their list, which any web server can offer."""

    kind: Literal["hls"] = "hls"
    folder: str
    seconds: float = Field(2.0, ge=0.5, le=20)
    keep: int = Field(6, ge=2, le=10000)
    encoder: Encoder = "auto"
    bitrate: float = Field(4.0, ge=0.1, le=100)
    fps: float | None = Field(None, gt=0, le=240)
    width: int | None = Field(None, ge=16, le=7680)
    height: int | None = Field(None, ge=16, le=4320)
    audio: bool = True


class FaceOutput(Part):
    """Only the face with its alpha, for a program that puts it over the raw camera: numbered PNG files, or WebM with VP9."""

    kind: Literal["face"] = "face"
    path: str
    overwrite: bool = False


class NoOutput(Part):
    """Frames are finished and thrown away (measuring)."""

    kind: Literal["none"] = "none"


Output = Annotated[
    VirtualCameraOutput | WindowOutput | RecordingOutput | StreamOutput | HlsOutput | FaceOutput | NoOutput, Field(discriminator="kind")
]

__all__ = ["FaceOutput", "HlsOutput", "NoOutput", "Output", "RecordingOutput", "StreamOutput", "VirtualCameraOutput", "WindowOutput"]
