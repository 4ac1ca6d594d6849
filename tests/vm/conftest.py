"""Boots the virtual machine of ../shared/vm, which has real V4L2 devices, for one script of tests/vm/guest."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_GUEST = Path(__file__).resolve().parent / "guest"
_ROOT = _GUEST.parents[2]
_ROOM = 3 * 2**30


@dataclass(frozen=True)
class Visit:
    """What a script did in the machine; report: what it wrote with `report()`; folder: the files it left."""

    report: dict[str, Any]
    out: str
    folder: Path


Boot = Callable[..., Visit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a test of the machine, and may take its time."""
    for item in items:
        if _GUEST.parent in item.path.parents:
            item.add_marker(pytest.mark.vm)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def boot(shared: Path, tmp_path: Path) -> Boot:
    """Run a script in a fresh machine: boot("send.py", kernel="prebuilt", webcam="vivid", parameters="", arguments=())."""
    machine = shared / "vm"
    if platform.machine() != "x86_64" or not (machine / "run.sh").is_file():
        pytest.skip("the virtual machine ../shared/vm is not there, or not for this processor")
    if shutil.which("perl") is None or shutil.which("taskset") is None:
        pytest.skip("perl or taskset, which the virtual machine needs, is not installed")
    if shutil.disk_usage(tmp_path).free < _ROOM:
        pytest.skip(f"less than {_ROOM >> 30} GB free for the memory of the virtual machine")

    def visit(
        script: str,
        kernel: str = "prebuilt",
        webcam: str = "vivid",
        parameters: str = "",
        arguments: tuple[str, ...] = (),
        seconds: int = 150,
    ) -> Visit:
        if not (machine / kernel / "kernel-uml").is_file():
            pytest.skip(f"the kernel {kernel} of ../shared/vm is not built")
        folder = tmp_path / f"{Path(script).stem}-{kernel}"
        options = ["-m", "2048", "-t", str(seconds), "-w", webcam, "-o", str(folder)] + (["-p", parameters] if parameters else [])
        names = {"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "SWAPCAM_HOME": "/tmp/swapcam"}
        inside = ["env", *(f"{name}={value}" for name, value in names.items()), sys.executable, "-u", str(_GUEST / script), *arguments]
        done = subprocess.run(
            [str(machine / "run.sh"), *options, str(machine / kernel), "--", *inside],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + 60,
            cwd=_ROOT,
        )
        if done.returncode != 0:
            console = folder / "console.log"
            tail = console.read_text(errors="replace")[-2000:] if console.is_file() else "(none)"
            pytest.fail(f"{script} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nconsole: {tail}")
        return Visit(json.loads((folder / "report.json").read_text()), done.stdout + done.stderr, folder)

    return visit
