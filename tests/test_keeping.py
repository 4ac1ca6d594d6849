"""Keeping: settings files are changed where they have to be, and nowhere else; presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import folders
from realtime.config import AnimatedInput, AudioSettings, ImageOverlay, NoOutput, RecordingOutput, Settings, TextOverlay, VideoInput
from realtime.frame import RealtimeError
from realtime.settings import load
from realtime.steering import keeping
from realtime.steering.history import changed

_SHIPPED = Path(__file__).parents[1] / "config.yaml"
_BY_HAND = """\
# My evening stream.
swap:   # who
  sources: [anna, 'bob']   # Anna first
  light: 0.8
  assign: {2: bob}

# the label stays
overlay:
  label: "made with swapcam"
  images:
    # the logo
    - path: logo.png   # from Carla
      x: 0.1
    - path: frame.png
blend:
outputs:
  - kind: none
  - kind: recording   # for the archive
    path: out.mp4
detect: {tiles: off, interval: 1.5}
"""


def _change(settings: Settings, **values: object) -> Settings:
    for path, value in values.items():
        settings = changed(settings, path.split("__"), value)
    return settings


def _written(tmp_path: Path, text: str = _BY_HAND) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_is_written_where_nothing_has_changed(tmp_path: Path) -> None:
    for text in (_BY_HAND, _SHIPPED.read_text(encoding="utf-8"), "swap:\n    light:  0.80\n"):
        path = _written(tmp_path, text)
        before = path.stat().st_mtime_ns
        keeping.save(path, keeping.read(path), keeping.read(path))
        assert path.read_text(encoding="utf-8") == text
        assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("values", "there", "gone"),
    [
        ({"swap__light": 0.25}, ["  light: 0.25\n"], ["light: 0.8"]),
        ({"swap__light": 1.0}, ["  light: 1.0\n"], ["light: 0.8"]),
        ({"swap__eyes": 0.5}, ["  eyes: 0.5\n"], []),
        ({"blend__seam": 0.5}, ["blend:\n  seam: 0.5\n"], ["opacity"]),
        ({"track__faces": 2}, ["track:\n  faces: 2\n"], ["patience"]),
        ({"detect__tiles": "auto"}, ["detect: {tiles: auto, interval: 1.5}"], []),
        ({"overlay__images__0__x": 0.2}, ["    - path: logo.png   # from Carla\n      x: 0.2\n"], ["opacity"]),
        ({"swap__sources": ["bob"]}, ["  sources: [bob]   # Anna first\n"], ["[anna"]),
        ({"swap__sources": ["carla", "anna"]}, ["sources: [carla, anna]"], ["bob']"]),
        ({"swap__assign": {2: "bob", 5: "anna"}}, ["assign: {2: bob, 5: anna}"], ["'5'"]),
        ({"swap__assign": {}}, [], ["2: bob"]),
        ({"outputs__1__path": "new.mp4"}, ["recording   # for the archive\n    path: new.mp4"], ["out.mp4", "codec"]),
        ({"outputs": [{"kind": "recording", "path": "out.mp4"}]}, ["- kind: recording   # for the archive"], ["kind: none"]),
        ({"input": {"kind": "animated", "people": 2}}, ["input:\n", "kind: animated\n", "people: 2\n"], []),
        ({"quality": "fast"}, ["quality: fast\n"], []),
        ({"overlay__label": "off"}, ["  label: off\n"], ["made with"]),
        ({"overlay__label": "yes: it # is"}, [], ["made with"]),
        ({"overlay__label": "1e3"}, [], ["made with"]),
    ],
)
def test_a_change_is_written_and_everything_else_stays(
    values: dict[str, object], there: list[str], gone: list[str], tmp_path: Path
) -> None:
    path = _written(tmp_path)
    before = keeping.read(path)
    wanted = _change(before, **values)
    assert wanted != before
    keeping.save(path, wanted, before)
    text = path.read_text(encoding="utf-8")
    assert load(path).check() == wanted
    for piece in (*there, "# My evening stream.\n", "swap:   # who\n", "\n# the label stays\noverlay:\n"):
        assert piece in text
    for piece in gone:
        assert piece not in text
    # No line that says something else was touched.
    lost = set(_BY_HAND.splitlines()) - set(text.splitlines())
    assert len(lost) <= 2, lost
    assert list(tmp_path.iterdir()) == [path]


def test_the_shipped_file_keeps_every_comment_of_its_own(tmp_path: Path) -> None:
    path = _written(tmp_path, _SHIPPED.read_text(encoding="utf-8"))
    before = keeping.read(path)
    wanted = _change(before, swap__light=0.5, overlay__texts=[{"text": "%H:%M"}], input__device=2, blend__on_lost="blank")
    wanted = wanted.model_copy(update={"outputs": (*wanted.outputs, RecordingOutput(path="a.mp4"))})
    keeping.save(path, wanted, before)
    text = path.read_text(encoding="utf-8")
    assert load(path).check() == wanted
    comments = [line.partition("#")[2] for line in _SHIPPED.read_text(encoding="utf-8").splitlines() if "#" in line]
    missing = [comment for comment in comments if comment and comment not in text]
    assert missing == []
    keeping.save(path, before, wanted)
    assert load(path).check() == before


def test_what_somebody_wrote_into_the_file_meanwhile_stays(tmp_path: Path) -> None:
    path = _written(tmp_path)
    before = keeping.read(path)
    path.write_text(_BY_HAND.replace("light: 0.8", "light: 0.3 # darker").replace("- kind: none", "- kind: window"), encoding="utf-8")
    keeping.save(path, _change(before, swap__eyes=0.5), before)
    found = keeping.read(path)
    assert (found.swap.light, found.swap.eyes) == (0.3, 0.5)
    assert found.outputs[0].kind == "window"
    assert "light: 0.3 # darker" in path.read_text(encoding="utf-8")


def test_a_new_file_has_what_differs_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "config.yaml"
    wanted = Settings(input=AnimatedInput(people=2), outputs=(NoOutput(),), audio=AudioSettings(microphone="default"))
    wanted = _change(wanted, overlay__texts=[{"text": "hello", "x": 0.2}], swap__sources=["anna"])
    keeping.save(path, wanted, Settings())
    assert load(path).check() == wanted
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Settings of swapcam")
    assert "light" not in text
    assert len(text.splitlines()) < 20
    keeping.save(path, Settings(), wanted)
    assert load(path).check() == Settings()


def test_a_link_stays_a_link_and_rights_stay(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    before = keeping.read(link)
    keeping.save(link, _change(before, swap__light=0.1), before)
    assert link.is_symlink()
    assert keeping.read(path).swap.light == 0.1
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_written_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _written(tmp_path)
    before = keeping.read(path)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RealtimeError, match=r"mine\.yaml cannot be written: No space left on device\."):
        keeping.save(path, _change(before, swap__light=0.1), before)
    assert path.read_text(encoding="utf-8") == _BY_HAND
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    path.write_text("swap: [", encoding="utf-8")
    with pytest.raises(RealtimeError, match=r"mine\.yaml line 1: not valid YAML"):
        keeping.save(path, before, before)
    (tmp_path / "file").touch()
    with pytest.raises(RealtimeError, match="cannot be written"):
        keeping.save(tmp_path / "file" / "config.yaml", before, Settings())


def test_a_file_that_is_protected_or_no_text_by_now_is_told(tmp_path: Path) -> None:
    path = _written(tmp_path)
    before = keeping.read(path)
    path.chmod(0o444)
    with pytest.raises(RealtimeError, match=r"mine\.yaml cannot be written: it is write-protected\."):
        keeping.save(path, _change(before, swap__light=0.1), before)
    assert path.read_text(encoding="utf-8") == _BY_HAND
    path.chmod(0o644)
    path.write_bytes(b"quality: fast  # f\xfcr Anna\n")
    with pytest.raises(RealtimeError, match="UTF-8"):
        keeping.save(path, before, before)
    path.unlink()
    path.mkdir()
    with pytest.raises(RealtimeError, match=r"mine\.yaml"):
        keeping.save(path, before, before)


def test_lines_end_as_they_did(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"# Anna's\r\nquality: fast  # quick\r\n")
    before = keeping.read(path)
    keeping.save(path, _change(before, quality="best", swap__light=0.1), before)
    assert path.read_bytes() == b"# Anna's\r\nquality: best  # quick\r\nswap:\r\n  light: 0.1\r\n"


def test_a_preset_keeps_how_faces_look_and_not_where_they_go() -> None:
    assert keeping.presets() == []
    settings = _change(Settings(), swap__sources=["anna"], swap__assign={3: "bob"}, blend__seam=0.5, call__visitors=2)
    settings = settings.model_copy(update={"input": VideoInput(path="a.mp4"), "outputs": (NoOutput(),)})
    settings = _change(settings, overlay__images=[{"path": "logo.png"}], overlay__texts=[{"text": "hi"}])
    assert keeping.save_preset("evening", settings) == "evening"
    keeping.save_preset("day.2", _change(settings, blend__seam=0.1, swap__sources=[]))
    assert keeping.presets() == ["day.2", "evening"]
    text = (folders.own("presets") / "evening.yaml").read_text(encoding="utf-8")
    assert [word for word in ("a.mp4", "none", "visitors", "assign", "bob") if word in text] == []
    now = _change(Settings(), swap__sources=["carla"], swap__assign={1: "carla"}, track__faces=1, audio__microphone="default")
    taken = keeping.preset("evening", now)
    assert taken.swap.sources == ("anna",)
    assert taken.swap.assign == {1: "carla"}
    assert (taken.blend.seam, taken.track.faces) == (0.5, 4)
    assert taken.overlay.images == (ImageOverlay(path="logo.png"),)
    assert taken.overlay.texts == (TextOverlay(text="hi"),)
    assert (taken.input, taken.outputs, taken.audio, taken.call) == (now.input, now.outputs, now.audio, now.call)
    # A preset without a face must not unmask anybody.
    assert keeping.preset("day.2", now).swap.sources == ("carla",)
    # Nor one that was kept while the swap or the label was off.
    keeping.save_preset("bare", _change(settings, swap__enabled=False, overlay__label="none"))
    bare = keeping.preset("bare", now)
    assert bare.swap.enabled
    assert bare.overlay.label == now.overlay.label != "none"
    assert bare.overlay.texts == settings.overlay.texts
    assert keeping.preset("bare", _change(now, overlay__label="none")).overlay.label == "none"
    keeping.remove_preset("bare")
    keeping.remove_preset("evening")
    assert keeping.presets() == ["day.2"]


@pytest.mark.parametrize("name", ["../config", "a/b", "", "a\0b", "CON", "x" * 101, ".hidden", "photo.jpg"])
def test_a_preset_s_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(RealtimeError):
        keeping.save_preset(name, Settings())
    with pytest.raises(RealtimeError):
        keeping.preset(name, Settings())
    with pytest.raises(RealtimeError):
        keeping.remove_preset(name)
    assert keeping.presets() == []


def test_a_preset_that_is_not_there_or_broken_is_told() -> None:
    with pytest.raises(RealtimeError, match="There is no preset day; none was saved yet"):
        keeping.preset("day", Settings())
    keeping.save_preset("day", Settings())
    with pytest.raises(RealtimeError, match="There is no preset night; there are: day"):
        keeping.preset("night", Settings())
    (folders.own("presets") / "day.yaml").write_text("swap: {lihgt: 1}", encoding="utf-8")
    with pytest.raises(RealtimeError, match='unknown key "lihgt" in swap; did you mean "light"'):
        keeping.preset("day", Settings())
