"""Two public-domain portraits that come with packages this project depends on anyway."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from realtime.frame import RealtimeError

_PLACES = {
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    "collins": ("skimage", "data/astronaut.png"),
}


def portrait(name: str) -> Path:
    """Path of the photo: 'hopper' (Grace Hopper, 512x600) or 'collins' (Eileen Collins, 512x512).

    Raises RealtimeError where the package that carries it was installed without its sample data.
    """
    package, inside = _PLACES[name]
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise RealtimeError(f"The portrait {inside} is missing from {package}; reinstall it with: pip install --force-reinstall {package}")
    return path
