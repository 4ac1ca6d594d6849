"""What the tests share: real portraits, the optional folder of test media, a detector and a landmarker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.portraits import portrait

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of clips and photos beside the checkout; tests that need it skip without it."""
    if not (_SHARED / "clips").is_dir():
        pytest.skip("the folder ../shared with test clips and photos is not there")
    return _SHARED


@pytest.fixture(scope="session")
def hopper() -> NDArray[np.uint8]:
    """Grace Hopper, BGR uint8 (600, 512, 3)."""
    return np.asarray(cv2.imread(str(portrait("hopper"))), np.uint8)


@pytest.fixture(scope="session")
def collins() -> NDArray[np.uint8]:
    """Eileen Collins, BGR uint8 (512, 512, 3)."""
    return np.asarray(cv2.imread(str(portrait("collins"))), np.uint8)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh identity store for each test, so that nobody's own identities are touched."""
    path = tmp_path_factory.mktemp("swapcam-home")
    monkeypatch.setenv("SWAPCAM_HOME", str(path))
    return path


@pytest.fixture(scope="session")
def landmarker() -> Iterator[object]:
    """The real landmark model."""
    from models.landmarks import Landmarker

    model = Landmarker()
    yield model
    model.close()


@pytest.fixture(scope="session")
def detector() -> Iterator[object]:
    """The real face detector."""
    from models.detector import Detector

    model = Detector()
    yield model
    model.close()
