"""Settings as a loop that somebody watches plays them."""

from __future__ import annotations

from realtime.config import ImageInput, Settings, VideoInput, WindowOutput
from realtime.outputs import FILES


def at_once(settings: Settings, before: Settings) -> Settings:
    """The settings of before with what is new in others and costs but a moment: nothing has to be opened or read for it."""
    opened = {name: getattr(before.detect, name) for name in ("model", "confidence", "tiles")}
    faces = ("sources", "assign", "engine", "boost", "masks", "points", "recogniser", "enhancer")
    update: dict[str, object] = {name: getattr(settings, name) for name in ("quality", "track", "blend", "overlay", "call")}
    update["detect"] = settings.detect.model_copy(update=opened)
    update["swap"] = settings.swap.model_copy(update={name: getattr(before.swap, name) for name in faces})
    return before.model_copy(update=update)


def played(settings: Settings) -> Settings:
    """The settings as a loop that somebody watches has them: no windows, and clips at their own pace unless a file is made."""
    outputs = tuple(output for output in settings.outputs if not isinstance(output, WindowOutput))
    recorded = any(isinstance(output, FILES) for output in outputs)
    update: dict[str, object] = {"outputs": outputs}
    if isinstance(settings.input, (VideoInput, ImageInput)) and not recorded:
        update["input"] = settings.input.model_copy(update={"realtime": True})
    return settings.model_copy(update=update)


__all__ = ["at_once", "played"]
