"""Settings kept in files: config.yaml with its comments, and presets."""

from __future__ import annotations

from pathlib import Path

from models import folders
from realtime.config import Settings
from realtime.settings import load


def home() -> Path:
    """The settings file in the user's own folder."""
    return folders.own("config.yaml")


def read(path: Path) -> Settings:
    """The settings of a file, the defaults where there is none; raises RealtimeError."""
    return load(path).check() if path.exists() else Settings()
