"""The house: imports point down only, one place prints, one place catches everything, files stay short."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_FILES = sorted(path for folder in ("realtime", "models", "benchmarks") for path in (_ROOT / folder).rglob("*.py"))
_NAMES = [str(path.relative_to(_ROOT)) for path in _FILES]

# What stands higher may use what stands lower; the stages, sources and sinks stand together in the middle, and what is in one
# room with a level of its own stands together there.
_LEVELS = {
    "realtime.__main__": 12,
    "realtime.cli": 11,
    "realtime.studio": 10,
    "realtime.calls": 9,
    "realtime.steering": 8,
    "realtime.shelf": 7,
    "realtime.training": 7,
    "realtime.recipe": 3,
    "realtime.trainable": 3,
    "realtime.gauges": 3,
    "realtime.demo": 7,
    "realtime.build": 6,
    "realtime.loop": 5,
    "realtime.equipment": 4,
    "realtime.ports": 4,
    "realtime.pipeline": 3,
    "realtime.wardrobe": 3,
    "realtime.networks": 2,
    "realtime.steps": 2,
    "realtime.spec": 3,
    "realtime.settings": 2,
    "realtime.effort": 2,
    "realtime.meter": 1,
    "realtime.trace": 1,
    "realtime.keys": 1,
    "realtime.frame": 0,
    "realtime.slot": 0,
    "realtime.config": 0,
    "realtime.inputs": -1,
    "realtime.outputs": -1,
    "realtime.part": -2,
    "realtime.levels": 0,
}
_STAGES = 2
# The rooms, and which others each may use; what stands in none of them joins them together.
_ROOMS: dict[str, set[str]] = {
    "machine": set(),
    "stages": set(),
    "sources": {"machine"},
    "sinks": {"machine"},
    "people": {"sources"},
}
# The same for rooms in models.
_KINDS: dict[str, set[str]] = {
    "running": set(),
    "mesh": set(),
    "puppet": {"mesh"},
    "rewrite": {"running"},
    "shelf": {"families", "running"},
    "families": {"shelf"},
    "neural": {"families", "mesh"},
    "generator": {"families", "mesh", "neural", "rewrite", "running"},
    "data": {"generator", "mesh", "shelf"},
    "training": {"data", "generator", "mesh", "rewrite", "running", "shelf"},
}


def _level(module: str) -> int:
    return _LEVELS.get(module, _LEVELS.get(module.rpartition(".")[0], _STAGES) if module.count(".") > 1 else _STAGES)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[str]:
    """Every module of this project that a file names in an import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            inner = [f"{node.module}.{name.name}" for name in node.names]
            found = [name for name in inner if (_ROOT / (name.replace(".", "/") + ".py")).exists()]
            yield from found or [node.module]


@pytest.mark.parametrize("path", _FILES, ids=_NAMES)
def test_imports_point_down_only(path: Path) -> None:
    module = _module(path)
    for name in _imports(path):
        if module.startswith("models"):
            assert not name.startswith(("realtime", "benchmarks")), f"{module} imports {name}"
        if module.startswith("realtime.") and name.startswith("realtime."):
            higher, lower = _level(module), _level(name)
            beside = higher == lower and (higher == _STAGES or module.split(".")[:2] == name.split(".")[:2])
            together = beside or (module, name) == ("realtime.spec", "realtime.settings")
            assert lower < higher or together, f"{module} imports {name}"
        assert not (module.startswith("realtime") and name.startswith("benchmarks")), f"{module} imports {name}"


@pytest.mark.parametrize("path", _FILES, ids=_NAMES)
def test_rooms_use_only_the_rooms_below_them(path: Path) -> None:
    room = path.parent.name
    for name in _imports(path):
        other = name.split(".")[1] if name.startswith("realtime.") else ""
        if room in _ROOMS and other in _ROOMS and other != room:
            assert other in _ROOMS[room], f"{room}/{path.name} imports {name}"
    if path.parent.parent.name == "models":
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "models" and len(parts) > 2 and parts[1] != room:
                assert parts[1] in _KINDS[room], f"{room}/{path.name} imports {name}"


def test_training_is_needed_by_nothing_that_runs_without_it() -> None:
    """PyTorch belongs to an extra: elsewhere it and what needs it are imported late."""
    for path in _FILES:
        module = _module(path)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                alien = name.split(".")[0] == "torch" or name.startswith("models.training")
                assert not alien or module.startswith("models.training"), f"{module} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {_module(path): set(_imports(path)) for path in _FILES}

    def reach(start: str, seen: set[str]) -> set[str]:
        for name in graph.get(start, set()) - seen:
            seen |= {name}
            reach(name, seen)
        return seen

    assert [module for module in graph if module in reach(module, set())] == []


@pytest.mark.parametrize("path", _FILES, ids=_NAMES)
def test_only_the_command_line_prints_and_only_the_pipeline_catches_everything(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or path.name == "cli.py", f"{path.name}:{node.lineno} prints"
        assert not isinstance(node, ast.Global), f"{path.name}:{node.lineno} uses global"
        if isinstance(node, ast.ExceptHandler):
            names = {child.id for child in ast.walk(node.type) if isinstance(child, ast.Name)} if node.type else {"BaseException"}
            # Who closes what it has opened and raises again catches nothing.
            passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            allowed = not names & {"Exception", "BaseException"} or passes_on or path.name == "pipeline.py"
            assert allowed, f"{path.name}:{node.lineno} catches everything"


@pytest.mark.parametrize("path", _FILES, ids=_NAMES)
def test_files_and_functions_stay_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 260
    tree = ast.parse(text)
    if text.strip():
        assert ast.get_docstring(tree), "no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"class {node.name} has no docstring"
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 80, f"{node.name} has {node.end_lineno - node.lineno} lines"


@pytest.mark.parametrize("path", _FILES, ids=_NAMES)
def test_modules_are_one_word(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "manager", "base", "core", "common"}
    assert re.fullmatch(r"[a-z0-9_]+", path.stem)


def test_pyvirtualcam_and_onnxruntime_are_imported_by_one_file_each() -> None:
    for package, places in (("pyvirtualcam", {"realtime/sinks/output.py"}), ("onnxruntime", {"models/session.py", "realtime/doctor.py"})):
        users = {name for name, path in zip(_NAMES, _FILES, strict=True) if any(n.split(".")[0] == package for n in _imports(path))}
        assert users <= places, package
