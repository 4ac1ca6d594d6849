"""The quality benchmark runs the real loop, writes what it promises, goes on where it stopped and says plainly what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import flat, make
from faces import larger
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from benchmarks.__main__ import app
from benchmarks.quality import ablation, cases, compare, session, stills, store
from benchmarks.quality.figures import asked, cost
from realtime.frame import RealtimeError
from realtime.portraits import portrait

Picture = NDArray[np.uint8]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["quality", *map(str, arguments)])


@pytest.fixture
def photo(tmp_path: Path, hopper: Picture) -> Path:
    """The target as a photo, another file than the portrait itself."""
    path = tmp_path / "target.png"
    cv2.imwrite(str(path), larger(hopper, 1.5))
    return path


def test_a_photo_pair_is_judged_and_everything_is_written(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody may be writing the program while it is tested, and a result of another program does not count.
    monkeypatch.setattr(store, "code", lambda: "this program")
    files = {name: tmp_path / f"out.{name}" for name in ("json", "html", "png", "jpg")}
    options = ["--json", files["json"], "--html", files["html"], "--plot", files["png"], "--sheet", files["jpg"]]
    again = ["--clips", photo, "--sources", portrait("collins"), "--resume", tmp_path / "kept"]
    result = run(*again, *options)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    document = json.loads(files["json"].read_text())
    assert {"machine", "versions", "command", "judges", "rows", "overall"} <= set(document)
    assert str(tmp_path) not in document["command"]
    (row,) = document["rows"]
    assert (row["clip"], row["source"], row["engine"], row["frames"], row["judged"]) == ("target", "astronaut", "mesh", 1, 1)
    # Two strangers before the swap; after it the result is nearer the source.
    assert row["metrics"]["dlib.distance_base"] > 0.6 > row["metrics"]["dlib.distance"]
    assert row["metrics"]["dlib.nearer"] == row["metrics"]["dlib.retrieved"] == 1.0
    assert row["metrics"]["background_changed_px"] == 0.0
    assert "stills" not in row
    page = files["html"].read_text()
    assert page.count("data:image/jpeg;base64,") >= 6
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert not re.search(r"https?:", page)
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    # The target's row over the source's.
    sheet = np.asarray(cv2.imread(str(files["jpg"])))
    assert sheet.shape[0] == 2 * 256
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]

    def never(*_: object) -> None:
        raise AssertionError("a finished case was run again")

    monkeypatch.setattr(session, "run", never)
    assert run(*again, "--json", tmp_path / "again.json").exit_code == 0
    assert json.loads((tmp_path / "again.json").read_text())["rows"] == document["rows"]
    with pytest.raises(AssertionError, match="run again"):
        CliRunner().invoke(app, ["quality", *map(str, again), "--set", "swap.shape=0.3"], catch_exceptions=False)


def test_without_clips_the_two_portraits_wear_each_other_and_parts_are_switched_off(tmp_path: Path) -> None:
    out, table = tmp_path / "out.json", tmp_path / "table.md"
    off = [name for name, _ in ablation.variants()]
    assert {"swap.shape=0", "swap.light=0", "blend.seam=0", "blend.grain=0"} <= set(off)
    one = [("blend.grain=0", ["blend.grain=0"])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablation, "variants", lambda: one)
        result = run("--seconds", "0.3", "--every", "3", "--json", out, "--ablate", "--markdown", table)
    assert result.exit_code == 0, result.output
    document = json.loads(out.read_text())
    assert [(row["clip"], row["source"]) for row in document["rows"]] == [("hopper-moving", "collins"), ("collins-moving", "hopper")]
    assert [row["frames"] for row in document["rows"]] == [9, 9]
    assert [row["judged"] for row in document["rows"]] == [3, 3]
    assert all(row["metrics"]["pose_error_deg"] < 3 for row in document["rows"])
    with_grain, without = document["rows"], document["ablation"]["blend.grain=0"]
    assert [row["metrics"]["noise_ratio"] for row in without] < [row["metrics"]["noise_ratio"] for row in with_grain]
    assert "| noise |" in table.read_text()


def test_a_call_stands_between_the_loop_and_the_judges(tmp_path: Path, photo: Path) -> None:
    figures = {}
    for name, more in (("direct", []), ("call", ["--call", "360p"])):
        out = tmp_path / f"{name}.json"
        assert run("--clips", photo, "--sources", portrait("collins"), "--json", out, *more).exit_code == 0
        figures[name] = json.loads(out.read_text())["rows"][0]["metrics"]
    assert figures["call"]["sharpness_ratio"] != figures["direct"]["sharpness_ratio"]
    assert "background_changed_px" not in figures["call"]
    compared = run("--compare", tmp_path / "direct.json", tmp_path / "call.json")
    assert compared.exit_code == 0
    assert "Better" in compared.output
    assert "Worse" in compared.output
    assert re.search(r"\d+ of \d+ figures are the same within noise", compared.output)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--clips", "gone.mp4"], "There is no clip gone.mp4"),
        (["--sources", "gone.jpg"], "There is no source gone.jpg"),
        (["--sources", "grace"], "give grace=photo.jpg"),
        (["--engines", "magic"], "no model magic"),
        (["--set", "swap.shap=1"], 'did you mean "shape"'),
        (["--judge", "gone.onnx"], "There is no judge gone.onnx"),
        (["--call", "4k"], "expected 720p or 360p"),
        (["--json", "no/folder/out.json"], "there is no folder"),
        (["--compare", "gone.json", "gone.json"], "gone.json cannot be read"),
        (["--plot", "now.foo"], "has to end in .png"),
        (["--sheet", "now.txt"], "has to end in .jpg"),
        (["--markdown", "parts.md"], "table of --ablate"),
        (["--resume", __file__], "is a file; give a folder"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"rows": [1]}', '{"rows": [{"engine": "mesh", "clip": "a", "source": "b"}]}'])
def test_what_is_no_report_is_not_compared(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    result = run("--compare", tmp_path / "odd.json", tmp_path / "odd.json")
    assert result.exit_code == 2
    assert "give what --json wrote" in result.output


def test_a_clip_without_faces_is_left_out_and_the_others_are_reported(tmp_path: Path, photo: Path) -> None:
    empty = make(tmp_path / "wall.mp4", [flat(320, 240, (90, 120, 150))] * 3)
    out = tmp_path / "out.json"
    result = run("--clips", empty, photo, "--sources", portrait("collins"), "--json", out)
    assert result.exit_code == 2
    assert "wall: no face was found in 3 frames" in result.output
    assert [row["clip"] for row in json.loads(out.read_text())["rows"]] == ["target"]
    out.unlink()
    assert run("--clips", empty, "--sources", portrait("collins"), "--json", out).exit_code == 2
    assert not out.exists()


def test_a_source_that_fails_the_gate_is_named(tmp_path: Path, photo: Path, collins: Picture) -> None:
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), larger(collins, 0.35))
    result = run("--clips", photo, "--sources", small)
    assert result.exit_code == 2
    assert "too small" in result.output


def _wish(arguments: list[Any]) -> tuple[Any, ...]:
    """The first fields of a Wish: clips and sources, one judge, one engine, no changes, no labelled people."""
    return [str(arguments[1])], [str(arguments[3])], ["dlib"], ["mesh"], 5, None, [], []


def _report(values: dict[str, float], error: float = 0.0) -> dict[str, Any]:
    return {"rows": [{"engine": "mesh", "clip": "c", "source": "s", "metrics": values, "errors": dict.fromkeys(values, error)}]}


def test_compare_knows_which_way_is_better_and_what_is_noise() -> None:
    before = {"dlib.source": 0.9, "dlib.target": 0.8, "dlib.base": 0.7, "pose_error_deg": 1.0, "noise_ratio": 1.5, "worn": 1.0}
    after = {"dlib.source": 0.95, "dlib.target": 0.85, "dlib.base": 0.8, "pose_error_deg": 0.5, "noise_ratio": 0.9, "worn": 1.0}
    found = {change.name: change.verdict for change in compare.changes(_report(before), _report(after))}
    assert found == {
        "dlib.source": "better",
        "dlib.target": "worse",
        "dlib.base": "changed",
        "pose_error_deg": "better",
        "noise_ratio": "better",
        "worn": "same",
    }
    noisy = {change.name: change.verdict for change in compare.changes(_report(before, 0.2), _report(after, 0.2))}
    assert noisy["dlib.source"] == noisy["pose_error_deg"] == "same"
    other = _report(after) | {"rows": [_report(after)["rows"][0] | {"clip": "other"}]}
    with pytest.raises(RealtimeError, match="nothing to compare"):
        compare.changes(_report(before), other)


def test_results_go_by_the_program_that_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("models", "realtime", "benchmarks/quality"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(store, "_ROOT", tmp_path)
    first = store.code()
    (tmp_path / "benchmarks/quality/page.py").write_text("only shows")
    assert store.code() == first
    (tmp_path / "models/engine.py").write_text("draws")
    assert store.code() != first


def test_a_broken_result_is_made_again(tmp_path: Path) -> None:
    store.save(tmp_path / "kept", "a", {"metrics": {}})
    assert store.load(tmp_path / "kept", "a") == {"metrics": {}}
    (tmp_path / "kept" / "b.json").write_text('{"metr')
    assert store.load(tmp_path / "kept", "b") is None
    assert store.load(tmp_path / "kept", "c") is None
    assert store.load(None, "a") is None


def test_what_is_asked_depends_on_the_judge() -> None:
    judges = [{"name": "dlib", "distances": True}, {"name": "arc", "distances": False}]
    figures = {"dlib.distance": 0.5, "dlib.source_frontal": 0.9, "arc.source_frontal": 0.65, "pose_error_deg": 1.0, "worn": 1.0}
    assert [(line[0], line[3]) for line in asked(figures, judges)] == [
        ("dlib.distance", "no"),
        ("arc.source_frontal", "yes"),
        ("pose_error_deg", "yes"),
    ]
    assert cost("dlib.distance_target", 0.9) < cost("dlib.distance_target", 0.5)  # type: ignore[operator]


def test_the_source_has_to_be_found_among_more_people(tmp_path: Path, photo: Path, collins: Picture) -> None:
    """One of the others is the source again, in a picture that the result was made from too: the nearest is no longer sure."""
    twin = tmp_path / "twin.png"
    cv2.imwrite(str(twin), collins)
    case = ["--clips", photo, "--sources", portrait("collins")]
    seen = session.Session.open(session.Wish(*_wish(case), [str(twin), str(portrait("collins"))], None, None), tmp_path)
    # The very file of the source is no other person; the copy in another file is one embedding more.
    assert [other.name for other in seen.others] == ["twin"]
    first, second = seen.jury.gallery["dlib"]
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_somebody_enrolled_is_known_by_the_photos_given(tmp_path: Path, photo: Path) -> None:
    (case,) = cases.gather([str(photo)], [f"eileen={portrait('collins')}"], None)
    assert (case.source.name, case.source.given, case.source.photos) == ("eileen", "eileen", (portrait("collins"),))


def test_faceforensics_pairs_are_run_as_they_are_named(tmp_path: Path) -> None:
    for name in ("000", "003"):
        path = tmp_path / f"original_sequences/youtube/c23/videos/{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip")
    with pytest.raises(RealtimeError, match="no manipulated clips"):
        cases.gather([str(tmp_path)], [], None)
    path = tmp_path / "manipulated_sequences/FaceSwap/c23/videos/000_003.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"clip")
    (case,) = cases.gather([str(tmp_path)], [], None)
    assert (case.clip.name, case.source.name) == ("000", "003")


def test_people_of_whom_there_are_only_clips_become_photos(tmp_path: Path, hopper: Picture) -> None:
    """A clip of grey and of the portrait: the photo is the portrait."""
    clip = make(tmp_path / "003.mp4", [flat(512, 600, (90, 90, 90)), *[hopper] * 6])
    target = tmp_path / "000.mp4"
    case = cases.Case(cases.Clip("000", {"kind": "video", "path": str(target)}, target), cases.person(clip))
    (found,) = stills.photographed([case], tmp_path)
    assert found.source.name == "003"
    assert np.abs(cv2.imread(found.source.given).astype(int) - hopper).mean() < 6
    empty = make(tmp_path / "wall.mp4", [flat(320, 240, (90, 120, 150))] * 6)
    with pytest.raises(RealtimeError, match="no face was found"):
        stills.photographed([cases.Case(case.clip, cases.person(empty))], tmp_path)
