"""Settings of the whole loop: frozen, checked, with their defaults here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
Name = Annotated[str, Field(min_length=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Part(BaseModel):
    """A group of settings; unknown keys are refused, values never change in place."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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


class NoOutput(Part):
    """Frames are finished and thrown away (measuring)."""

    kind: Literal["none"] = "none"


Output = Annotated[VirtualCameraOutput | WindowOutput | RecordingOutput | NoOutput, Field(discriminator="kind")]


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


class OverlaySettings(Part):
    """What is drawn over every output that leaves the machine."""

    label: str = "AI-altered"
    corner: Corner = "bottom-left"
    size: float = Field(0.035, ge=0.015, le=0.2)
    images: tuple[ImageOverlay, ...] = ()
    texts: tuple[TextOverlay, ...] = ()


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
    models: ModelSettings = ModelSettings()
