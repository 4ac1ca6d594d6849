"""A file is written whole or not at all, by its final name and with the permissions that it should have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.whole import replacing

_ROOT = Path(__file__).parents[1]
_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions here")


def _write(path: Path, content: bytes, mode: int | None = 0o600) -> None:
    with replacing(path, mode) as file:
        file.write(content)


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    _write(path, b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"new")]


def _fails(path: Path, error: BaseException) -> None:
    with replacing(path) as file:
        file.write(b"half of it")
        raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("No idea"), KeyboardInterrupt("No more")])
def test_what_fails_leaves_the_old_one_alone(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "file"
    _write(path, b"old")
    with pytest.raises(type(error), match="No "):
        _fails(path, error)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"old")]


@_POSIX
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_are_those_asked_for(mask: int, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from models.whole import replacing
        for name, mode in (("own", 0o600), ("shared", 0o644), ("any", None)):
            with replacing(Path(sys.argv[1]) / name, mode) as file:
                print(oct(Path(file.name).stat().st_mode & 0o777))
    """
    # The mask belongs to a whole process, threads of other tests too.
    begin = [sys.executable, "-c", f"import os; os.umask({mask})\n{code}", str(tmp_path)]
    shown = subprocess.run(begin, cwd=_ROOT, check=True, capture_output=True, text=True)
    assert shown.stdout.split() == ["0o600", "0o600", oct(0o666 & ~mask)]
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found == {"own": 0o600, "shared": 0o644, "any": 0o666 & ~mask}


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "file", tmp_path / "folder"):
        with pytest.raises(OSError, match="directory") as told:
            _write(path, b"new")
        assert told.value.filename == str(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_an_error_that_is_of_another_file_names_that(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told, replacing(tmp_path / "file") as file:
        file.write((tmp_path / "other").read_bytes())
    assert Path(told.value.filename) == tmp_path / "other"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited here")
def test_a_disk_that_is_full_for_numpy_is_called_full(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=f"{os.strerror(27)}|{os.strerror(28)}") as told, replacing(tmp_path / "file") as file:
            np.save(file, np.zeros(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.value.filename == str(tmp_path / "file")
    assert not list(tmp_path.iterdir())
