"""Settings of the whole loop: frozen, checked, with their defaults here, in inputs.py and in outputs.py, and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realtime.inputs import AnimatedInput, CameraInput, ImageInput, Input, VideoInput
from realtime.outputs import (
    FaceOutput,
    HlsOutput,
    NoOutput,
    Output,
    RecordingOutput,
    StreamOutput,
    VirtualCameraOutput,
    WindowOutput,
)
from realtime.part import Colour, Corner, Name, Part, Unit


class DetectSettings(Part):
    """Finding faces."""

    model: Name = "mediapipe"
    interval: float = Field(0.5, ge=0, le=60)
    confidence: float = Field(0.5, gt=0, lt=1)
    tiles: Literal["auto", "off"] = "auto"


class TrackSettings(Part):
    """Following faces."""

    faces: int = Field(4, ge=1, le=32)
    filter: Literal["kalman", "one-euro", "none"] = "kalman"
    smoothing: float = Field(1.0, ge=0.0, le=10.0)
    patience: float = Field(3.0, ge=0.5, le=60.0)
    entry: Unit = 0.65


class SwapSettings(Part):
    """Whose face goes on whom."""

    enabled: bool = True
    engine: Name = "mesh"
    sources: tuple[str, ...] = ()
    faces: Literal["largest", "all", "left-to-right"] = "largest"
    assign: dict[int, str] = Field(default_factory=dict)
    on_gone: Literal["auto", "cover", "show"] = "auto"
    shape: Unit = 1.0
    eyes: Unit = 1.0
    light: Unit = 1.0
    occlusion: Unit = 1.0
    glasses: Unit = 1.0
    identity: float = Field(1.0, ge=0.5, le=1.5)
    morph: Unit = 1.0
    boost: int = Field(1, ge=1, le=4)
    masks: tuple[Name, ...] = ()
    points: Name = "mediapipe"
    recogniser: Name = "auto"
    enhancer: Name = "none"
    enhance: Unit = 0.8
    refine: Unit = 1.0


class ModelSettings(Part):
    """How models that users bring may run."""

    licence: Literal["any", "permissive"] = "any"
    providers: tuple[Literal["tensorrt", "cuda", "directml", "coreml", "openvino", "cpu"], ...] = ()
    precision: Literal["auto", "fp32", "fp16"] = "auto"
    rewrite: bool = True
    threads: int = Field(0, ge=0, le=256)


class BlendSettings(Part):
    """How the new face sits in the picture."""

    opacity: Unit = 1.0
    seam: Unit = 1.0
    grain: Unit = 1.0
    on_lost: Literal["hold", "blur", "blank", "pass"] = "blur"


class ImageOverlay(Part):
    """A picture with alpha; x and y place its top left corner as fractions of the frame."""

    path: str
    x: Unit = 0.0
    y: Unit = 0.0
    width: float | None = Field(None, gt=0, le=1)
    opacity: Unit = 1.0


class TextOverlay(Part):
    """A line of text; strftime codes show the clock."""

    text: str
    x: Unit = 0.5
    y: Unit = 0.95
    size: float = Field(0.04, gt=0, le=0.5)
    colour: Colour = "#ffffff"


class PageOverlay(Part):
    """A web page, drawn by nobody but the browser source; x, y, width and height as fractions of the frame."""

    path: str
    x: Unit = 0.0
    y: Unit = 0.0
    width: float = Field(1.0, gt=0, le=1)
    height: float = Field(1.0, gt=0, le=1)


class OverlaySettings(Part):
    """What is drawn over every output that leaves the machine."""

    label: str = "AI-altered"
    corner: Corner = "bottom-left"
    size: float = Field(0.035, ge=0.015, le=0.2)
    images: tuple[ImageOverlay, ...] = ()
    texts: tuple[TextOverlay, ...] = ()
    pages: tuple[PageOverlay, ...] = ()
    guides: Literal["none", "action", "title", "thirds"] = "none"


class AudioSettings(Part):
    """The sound that goes with the pictures, held back until they have come through the loop."""

    microphone: Name = "none"
    delay: Annotated[float, Field(ge=0, le=5)] | Literal["auto"] = "auto"
    virtual_microphone: Name = "none"


class CallSettings(Part):
    """Visitors of the page /call, whose browsers are cameras."""

    visitors: int = Field(4, ge=0, le=32)
    height: int = Field(720, ge=144, le=1080)
    fps: float = Field(30.0, ge=5, le=60)


class Settings(Part):
    """Everything."""

    input: Input = Field(default_factory=CameraInput)
    quality: Literal["auto", "fast", "balanced", "best"] = "auto"
    outputs: tuple[Output, ...] = (WindowOutput(), VirtualCameraOutput())
    detect: DetectSettings = DetectSettings()
    track: TrackSettings = TrackSettings()
    swap: SwapSettings = SwapSettings()
    blend: BlendSettings = BlendSettings()
    overlay: OverlaySettings = OverlaySettings()
    audio: AudioSettings = AudioSettings()
    call: CallSettings = CallSettings()
    models: ModelSettings = ModelSettings()


__all__ = [
    "AnimatedInput",
    "AudioSettings",
    "BlendSettings",
    "CallSettings",
    "CameraInput",
    "Corner",
    "DetectSettings",
    "FaceOutput",
    "HlsOutput",
    "ImageInput",
    "ImageOverlay",
    "Input",
    "ModelSettings",
    "NoOutput",
    "Output",
    "OverlaySettings",
    "PageOverlay",
    "Part",
    "RecordingOutput",
    "Settings",
    "StreamOutput",
    "SwapSettings",
    "TextOverlay",
    "TrackSettings",
    "VideoInput",
    "VirtualCameraOutput",
    "WindowOutput",
]
