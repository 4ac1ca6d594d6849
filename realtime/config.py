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

    model: Name = Field(
        "mediapipe",
        description="What finds faces: mediapipe is built in; or the name or file of an ONNX detector",
        json_schema_extra={"names": "detector"},
    )
    interval: float = Field(0.5, ge=0, le=60, description="Seconds between two looks for new faces; a lost face is looked for at once")
    confidence: float = Field(0.5, gt=0, lt=1, description="How sure the detector has to be")
    tiles: Literal["auto", "off"] = Field(
        "auto", description="auto: large frames are searched in pieces, for small faces; off: once as a whole"
    )


class TrackSettings(Part):
    """Following faces."""

    faces: int = Field(4, ge=1, le=32, description="At most so many people are followed")
    filter: Literal["kalman", "one-euro", "none"] = Field("kalman", description="What steadies the points of a face")
    smoothing: float = Field(1.0, ge=0.0, le=10.0, description="How much they are steadied; 0: not at all")
    patience: float = Field(3.0, ge=0.5, le=60.0, description="Seconds that a lost face is waited for")
    entry: Unit = Field(0.65, description="Detection score that a new face needs; known faces come back with any score")


class SwapSettings(Part):
    """Whose face goes on whom."""

    enabled: bool = Field(True, title="Swap", description="Faces are swapped; off: the real ones are shown")
    engine: Name = Field(
        "mesh", description="mesh and neural are built in; or the name or file of an ONNX swapper", json_schema_extra={"names": "swapper"}
    )
    sources: tuple[str, ...] = Field((), description="Enrolled names or photos; the first is worn", json_schema_extra={"names": "people"})
    faces: Literal["largest", "all", "left-to-right"] = Field(
        "largest", description="largest: the nearest person, until they leave; all; left-to-right: each the next source"
    )
    assign: dict[int, str] = Field(default_factory=dict, description="Track number to source", json_schema_extra={"names": "people"})
    on_gone: Literal["auto", "cover", "show"] = Field(
        "auto", title="When nobody is found", description="Cover the whole picture, or show it; auto covers live input only"
    )
    shape: Unit = Field(1.0, description="Bone structure: 0 the person's own, 1 the source's")
    eyes: Unit = Field(1.0, description="0 the person's own, 1 the source's, looking where the person looks")
    light: Unit = Field(1.0, description="How far light and colour follow the picture")
    occlusion: Unit = Field(1.0, description="How far hands, cups and hair before the face stay on top")
    glasses: Unit = Field(1.0, description="How far the person's own glasses stay on the new face; for mesh and neural")
    identity: float = Field(
        1.0, ge=0.5, le=1.5, description="The source's share in who it looks like; more than 1 goes away from the person; for ONNX swappers"
    )
    morph: Unit = Field(1.0, description="Where a DeepFaceLab model stands between the person and its face")
    boost: int = Field(1, ge=1, le=4, description="An ONNX swapper runs boost x boost times a frame for so many times its resolution")
    masks: tuple[Name, ...] = Field(
        (),
        description="Models that say what lies before the face, beside occlusion; for ONNX swappers",
        json_schema_extra={"names": "mask"},
    )
    points: Name = Field(
        "mediapipe",
        description="What aligns the face: mediapipe, or the name of a landmark model; for ONNX swappers",
        json_schema_extra={"names": "landmarks"},
    )
    recogniser: Name = Field(
        "auto",
        description="The model that reads who the source is; auto: the one that the swapper was made for",
        json_schema_extra={"names": "recogniser"},
    )
    enhancer: Name = Field(
        "none",
        description="A model that sharpens the swapped face, for example gfpgan_1.4; none: no model",
        json_schema_extra={"names": "enhancer"},
    )
    enhance: Unit = Field(0.8, description="How far the enhancer's detail shows")
    refine: Unit = Field(1.0, description="How far the network of neural corrects what mesh draws")


class ModelSettings(Part):
    """How models that users bring may run."""

    licence: Literal["any", "permissive"] = Field(
        "any", description="permissive: models whose licence forbids commercial use, or is not known, are refused"
    )
    providers: tuple[Literal["tensorrt", "cuda", "directml", "coreml", "openvino", "cpu"], ...] = Field(
        (), description="What runs models, in order of preference; none: the fastest"
    )
    precision: Literal["auto", "fp32", "fp16"] = Field("auto", description="auto: fp16 where it is faster and the result stays the same")
    rewrite: bool = Field(True, description="Run an equal graph that is faster, proved on the model itself when it is opened")
    threads: int = Field(0, ge=0, le=256, description="Processor threads for a model; 0: as many as help")


class BlendSettings(Part):
    """How the new face sits in the picture."""

    opacity: Unit = Field(1.0, description="How much of the new face shows")
    seam: Unit = Field(1.0, description="How far differences at the rim are spread inwards")
    grain: Unit = Field(1.0, description="How far sharpness and noise follow the camera's")
    on_lost: Literal["hold", "blur", "blank", "pass"] = Field(
        "blur", title="A lost face", description="What is shown of a face that cannot be swapped; pass shows the real one"
    )


class ImageOverlay(Part):
    """A picture with alpha; x and y place its top left corner as fractions of the frame."""

    path: str = Field(description="A picture with alpha")
    x: Unit = Field(0.0, title="From the left", description="Left edge, part of the frame's width")
    y: Unit = Field(0.0, title="From the top", description="Top edge, part of the frame's height")
    width: float | None = Field(None, gt=0, le=1, description="Part of the frame's width; empty: its own size")
    opacity: Unit = Field(1.0, description="How much of it shows")


class TextOverlay(Part):
    """A line of text; strftime codes show the clock."""

    text: str = Field(description="strftime codes such as %H:%M:%S show the clock")
    x: Unit = Field(0.5, title="Across", description="0 left, 0.5 the middle, 1 right")
    y: Unit = Field(0.95, title="Down", description="0 top, 0.5 the middle, 1 bottom")
    size: float = Field(0.04, gt=0, le=0.5, description="Height of the letters, part of the frame's")
    colour: Colour = Field("#ffffff", description="Of the letters")


class PageOverlay(Part):
    """A web page, drawn by nobody but the browser source; x, y, width and height as fractions of the frame."""

    path: str = Field(description="A file on this machine, or an address")
    x: Unit = Field(0.0, title="From the left", description="Left edge, part of the frame's width")
    y: Unit = Field(0.0, title="From the top", description="Top edge, part of the frame's height")
    width: float = Field(1.0, gt=0, le=1, description="Part of the frame's width")
    height: float = Field(1.0, gt=0, le=1, description="Part of the frame's height")


class OverlaySettings(Part):
    """What is drawn over every output that leaves the machine."""

    label: str = Field("AI-altered", description="Tells viewers that the video is altered; none turns it off")
    corner: Corner = Field("bottom-left", description="Where the label stands")
    size: float = Field(0.035, ge=0.015, le=0.2, description="Height of the label's letters, part of the frame's")
    images: tuple[ImageOverlay, ...] = Field((), description="Pictures with alpha")
    texts: tuple[TextOverlay, ...] = Field((), description="Lines of text")
    pages: tuple[PageOverlay, ...] = Field((), description="Web pages, drawn by the browser source alone")
    guides: Literal["none", "action", "title", "thirds"] = Field(
        "none", description="In previews only: safe areas for action and titles, or thirds"
    )


class AudioSettings(Part):
    """The sound that goes with the pictures, held back until they have come through the loop."""

    microphone: Name = Field(
        "none", description="none, default, (part of) a device's name, or a sound file; heard instead of a clip's own sound"
    )
    delay: Annotated[float, Field(ge=0, le=5)] | Literal["auto"] = Field(
        "auto", description="Seconds that the sound is held back; auto: the latency as it is measured"
    )
    virtual_microphone: Name = Field(
        "none", description="A loopback device that gets the delayed sound, for programs that make calls: (part of) its name"
    )


class CallSettings(Part):
    """Visitors of the page /call, whose browsers are cameras."""

    visitors: int = Field(4, ge=0, le=32, description="So many at once")
    height: int = Field(720, ge=144, le=1080, description="Pictures are made no higher")
    fps: float = Field(30.0, ge=5, le=60, title="Frame rate", description="Pictures come no faster")
    sources: tuple[Name, ...] = Field(
        (),
        title="Faces",
        description="Enrolled names that visitors may wear; none: everybody enrolled",
        json_schema_extra={"names": "people"},
    )


class Settings(Part):
    """Everything."""

    input: Input = Field(default_factory=CameraInput, description="Where frames come from")
    quality: Literal["auto", "fast", "balanced", "best"] = Field(
        "auto", description="How much work a frame may cost; auto: as good as the frame rate allows"
    )
    outputs: tuple[Output, ...] = Field((WindowOutput(), VirtualCameraOutput()), description="Where finished frames go")
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
