"""Settings from files, options and --set; config.yaml and the defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from realtime import config, spec
from realtime.config import AnimatedInput, CameraInput, RecordingOutput, Settings, VideoInput, WindowOutput
from realtime.frame import RealtimeError
from realtime.settings import Draft, load

_CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"


def _checked(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return load(path).check()


def _blocks() -> list[dict[str, Any]]:
    """The sections of config.yaml: those in use, and those commented out with # and no space."""
    blocks, block = [], ""
    for line in [*_CONFIG.read_text().splitlines(), ""]:
        if re.match(r"#(\S|  )", line):
            if not line.startswith("#  ") and block:
                blocks.append(yaml.safe_load(block))
                block = ""
            block += line[1:] + "\n"
        elif block:
            blocks.append(yaml.safe_load(block))
            block = ""
    return [yaml.safe_load(_CONFIG.read_text()), *blocks]


def test_config_yaml_is_the_defaults() -> None:
    assert load(_CONFIG).check() == Settings()


def _parts(value: Any, part: type[BaseModel], found: dict[type[BaseModel], dict[str, Any]]) -> None:
    """Collect every group of settings that the file shows, by its class."""
    found.setdefault(part, {}).update(value)
    for name, entry in value.items():
        inner = [item for item in (entry if isinstance(entry, list) else [entry]) if isinstance(item, dict)]
        for item in inner:
            classes = [c for c in vars(config).values() if isinstance(c, type) and issubclass(c, config.Part)]
            if "kind" in item:
                _parts(item, next(c for c in classes if "kind" in c.model_fields and c.model_fields["kind"].default == item["kind"]), found)
            elif name in ("images", "texts", "pages"):
                kinds = {"images": config.ImageOverlay, "texts": config.TextOverlay, "pages": config.PageOverlay}
                _parts(item, kinds[name], found)
            elif part is Settings:
                _parts(item, type(getattr(Settings(), name)), found)


def test_config_yaml_shows_every_knob_with_its_default() -> None:
    found: dict[type[BaseModel], dict[str, Any]] = {}
    for block in _blocks():
        _parts(block, Settings, found)
    every = {c for c in vars(config).values() if isinstance(c, type) and issubclass(c, config.Part) and c is not config.Part}
    assert set(found) == every
    for part in every - {Settings}:
        assert set(found[part]) == set(part.model_fields), part.__name__
        if part is config.OverlaySettings:
            continue
        for name, field in part.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if default is not PydanticUndefined:
                shown = found[part][name]
                assert (tuple(shown) if isinstance(shown, list) else shown) == default, f"{part.__name__}.{name}"
    assert set(found[Settings]) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track:\n  filtre: kalman\n", r'my\.yaml line 2: unknown key "filtre" in track; did you mean "filter"\?$'),
        ("blnd: {}\n", r'my\.yaml line 1: unknown key "blnd"; did you mean "blend"\?$'),
        ("\n\nquux: 1\n", r'line 3: unknown key "quux"; known: audio, blend, call, detect, input, models, outputs, .*, track\.$'),
        ("input:\n  kind: camera\n  widht: 640\n", r'line 3: unknown key "widht" in input; did you mean "width"\?$'),
        ("outputs:\n  - kind: recording\n    pth: x\n", r'line 3: unknown key "pth" in outputs\.0; did you mean "path"\? \(And 1'),
        ("blend:\n  seam: 1\n  grain: 2\n", r"line 3: blend\.grain is 2; it should be less than or equal to 1\.$"),
        ("track:\n  filter: kalmann\n", r'line 2: track\.filter is "kalmann"; .* Did you mean "kalman"\?$'),
        ("input:\n  kind: vidoe\n", r'line 2: input\.kind is "vidoe"; it should be one of camera, .*\. Did you mean "video"\?$'),
        ("blend:\n  confidence: 1\n", r'line 2: unknown key "confidence" in blend; it belongs in detect\.$'),
        ("input: {fps: 3}\n", r"line 1: input\.kind is null; it should be one of camera, video, image, animated\.$"),
        ("input:\n  kind: video\n", r'line 1: the key "path" is missing in input\.$'),
        ("swap: 3\n", r"line 1: swap is 3; it should be a valid dictionary or instance of SwapSettings\.$"),
        ("swap:\n  sources: me.jpg\n", r'line 2: swap\.sources is "me\.jpg"; it should be a list\.$'),
        ("input:\n  kind: camera\n  fps: .nan\n", r"line 3: input\.fps is NaN; it should be a finite number\.$"),
        ("a: 1\na: 2\n", r'line 2: the key "a" is there twice\.$'),
        ("quality: bets\n", r'line 1: quality is "bets"; it should be .*\. Did you mean "best"\?$'),
        ("track: [\n", r"line 2: not valid YAML: "),
        ("- 3\n", r"line 1: expected sections such as input: and outputs:, got \[3\]\.$"),
        ("? [a]\n: 3\n", r"line 1: a key has to be a word or a number\.$"),
        ("input: &a [*a]\n", r"not valid YAML: "),
        ("x: \0\n", r"not valid YAML: "),
    ],
)
def test_mistakes_are_told_with_line_and_nearest_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RealtimeError, match=message) as caught:
        _checked(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_a_folder_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "missing.yaml", tmp_path, tmp_path / "binary.yaml"):
        with pytest.raises(RealtimeError, match="The settings "):
            load(path)


def test_only_true_and_false_are_truth_values(tmp_path: Path) -> None:
    assert _checked(tmp_path, "detect: {tiles: off}").detect.tiles == "off"
    assert not _checked(tmp_path, "swap: {enabled: false}").swap.enabled
    assert not _checked(tmp_path, "swap: {enabled: no}").swap.enabled


def test_an_empty_file_and_an_empty_section_mean_the_defaults(tmp_path: Path) -> None:
    assert _checked(tmp_path, "# nothing\n") == Settings()
    assert _checked(tmp_path, "blend:\n  # grain: 0.5\n") == Settings()


def test_set_reaches_into_unions_lists_and_maps() -> None:
    draft = Draft()
    for text in ("input.fps=60", "outputs.0.mirror=false", "swap.assign.2=anna", "overlay.label=none", "swap.sources=[a, b.jpg]"):
        draft.assign(text)
    settings = draft.check()
    assert settings.input == CameraInput(fps=60)
    assert settings.outputs[0] == WindowOutput(mirror=False)
    assert settings.outputs[1] == Settings().outputs[1]
    assert settings.swap.assign == {2: "anna"}
    assert settings.swap.sources == ("a", "b.jpg")
    assert settings.overlay.label == "none"


def test_set_changes_the_kind_and_goes_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("blend: {grain: 0.2, seam: 0.1}\n")
    draft = load(path)
    draft.assign("blend.grain=0.7")
    draft.assign("input.kind=animated")
    draft.assign("input.people=2")
    settings = draft.check()
    assert settings.blend.grain == 0.7
    assert settings.blend.seam == 0.1
    assert settings.input == AnimatedInput(people=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", r"expected section\.key=value"),
        ("=3", r"expected section\.key=value"),
        ("blend.garin=1", r'--set blend\.garin: unknown key "garin" in blend; did you mean "grain"\?$'),
        ("input.kind=animated input.seconds=.inf", r"--set input\.seconds: input\.seconds is Infinity; it should be a finite number\.$"),
        ("input.kind=animated input.seconds=1e308", r"--set input\.seconds: .*; it should be less than or equal to 1000000\.$"),
        ("outputs.².mirror=true", r"outputs has 2 entries, counted from 0; got ²\.$"),
        ("blend.grain=3", r"--set blend\.grain: blend\.grain is 3; it should be less than or equal to 1\.$"),
        ("outputs.7.mirror=true", r"outputs has 2 entries, counted from 0; got 7\.$"),
        ("outputs.one.mirror=true", r"outputs has 2 entries, counted from 0; got one\.$"),
        ("input.fps.x=3", r"--set input\.fps\.x: input\.fps is "),
        ("nothing.at.all=3", r'--set nothing\.at\.all: unknown key "nothing"'),
        ("overlay.label=[", r"--set overlay\.label: not valid YAML"),
    ],
)
def test_mistakes_in_set_name_the_option(text: str, message: str) -> None:
    draft = Draft()
    with pytest.raises(RealtimeError, match=message):
        _assigned(draft, text)


def _assigned(draft: Draft, text: str) -> Settings:
    for change in text.split():
        draft.assign(change)
    return draft.check()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("camera", {"kind": "camera", "device": 0}),
        ("camera:2", {"kind": "camera", "device": 2}),
        ("camera:²", {"kind": "camera", "device": "²"}),
        ("camera:/dev/video3", {"kind": "camera", "device": "/dev/video3"}),
        ("/dev/video3", {"kind": "camera", "device": "/dev/video3"}),
        ("animated:", {"kind": "animated", "path": ""}),
        ("animated:me.jpg", {"kind": "animated", "path": "me.jpg"}),
        ("clip.mp4", {"kind": "video", "path": "clip.mp4"}),
        ("C:\\clips\\a.mov", {"kind": "video", "path": "C:\\clips\\a.mov"}),
        ("rtsp://10.0.0.1/x.jpg/live", {"kind": "video", "path": "rtsp://10.0.0.1/x.jpg/live"}),
        ("Photo.JPG", {"kind": "image", "path": "Photo.JPG"}),
    ],
)
def test_inputs_in_short(text: str, expected: dict[str, Any]) -> None:
    assert spec.input_of(text) == expected
    draft = Draft()
    spec.apply(draft, text, [], False)
    assert draft.check().input.kind == expected["kind"]


def test_outputs_in_short() -> None:
    assert spec.output_of("virtual-camera:/dev/video10") == {"kind": "virtual-camera", "device": "/dev/video10"}
    assert spec.output_of("none") == {"kind": "none"}
    assert spec.output_of("a/out.mp4") == {"kind": "recording", "path": "a/out.mp4"}
    with pytest.raises(RealtimeError, match='Did you mean "window"'):
        spec.output_of("windw")


def test_options_keep_what_the_file_says_of_the_same_kind(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("input: {kind: camera, width: 640}\noutputs:\n  - {kind: recording, path: a.mp4, quality: 30}\n")
    draft = load(path)
    spec.apply(draft, "camera:1", ["out.mp4", "window"], True)
    settings = draft.check()
    assert settings.input == CameraInput(device=1, width=640)
    assert settings.outputs == (RecordingOutput(path="out.mp4", quality=30, overwrite=True), WindowOutput())
    draft = load(path)
    spec.apply(draft, "clip.mp4", [], False)
    assert draft.check().input == VideoInput(path="clip.mp4")


@pytest.mark.parametrize(
    ("input", "outputs", "realtime"),
    [
        ("clip.mp4", [], True),
        ("clip.mp4", ["virtual-camera"], True),
        ("photo.jpg", ["window"], True),
        ("clip.mp4", ["out.mp4"], False),
        ("clip.mp4", ["window", "out.mp4"], False),
        ("clip.mp4", ["none"], False),
    ],
)
def test_a_clip_plays_like_a_webcam_where_somebody_watches(input: str, outputs: list[str], realtime: bool) -> None:
    draft = Draft()
    spec.apply(draft, input, outputs, False)
    spec.pace(draft)
    assert draft.check().input.realtime is realtime  # type: ignore[union-attr]


def test_switches_of_a_clip_are_for_a_clip(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("input: {kind: video, path: a.mp4, loop: false}\n")
    clip = spec.gather(path, [], None, ["out.mp4"], [], False, ["realtime", "loop"]).input
    assert clip == VideoInput(path="a.mp4", realtime=True, loop=True)
    assert spec.gather(None, [], "b.mp4", ["none"], [], False, ["loop"]).input == VideoInput(path="b.mp4", loop=True)
    for input in (None, "camera:1", "photo.jpg", "animated:"):
        with pytest.raises(RealtimeError, match=r"^--loop is for a clip \(--input clip\.mp4\); the input is \w+\.$"):
            spec.gather(None, [], input, [], [], False, ["loop"])


def test_quality_has_an_option_and_may_be_set(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("quality: best\n")
    assert Settings().quality == "auto"
    assert spec.gather(path, [], None, [], [], False).quality == "best"
    assert spec.gather(path, [], None, [], [], False, quality="fast").quality == "fast"
    assert spec.gather(path, [], None, [], ["quality=balanced"], False).quality == "balanced"
    with pytest.raises(RealtimeError, match=r'^--quality: quality is "fats"; it should be .* Did you mean "fast"\?$'):
        spec.gather(None, [], None, [], [], False, quality="fats")


def test_a_written_realtime_stays() -> None:
    draft = Draft()
    spec.apply(draft, "clip.mp4", ["window"], False)
    draft.assign("input.realtime=false")
    spec.pace(draft)
    assert draft.check().input == VideoInput(path="clip.mp4", realtime=False)
