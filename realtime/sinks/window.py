"""The preview on the screen and its hot keys."""

from __future__ import annotations

from collections.abc import Callable

import cv2

from realtime.config import WindowOutput
from realtime.frame import Frame, RealtimeError
from realtime.machine.devices import display_problem

_NAMES = {27: "esc", 32: "space"}


class Window:
    """A window that shows frames; to be used by the main thread alone, as macOS and Qt ask.

    settings: read by whoever puts the stages before it (mirror, statistics).
    on_key: called with the key's name: "a" to "z", "0" to "9", "space", "esc"; closing the window counts as "q".
    Raises RealtimeError where there is no display.
    """

    main = True

    def __init__(self, settings: WindowOutput, on_key: Callable[[str], None], title: str = "swapcam") -> None:
        problem = display_problem()
        if problem:
            raise RealtimeError(f"The preview window cannot be opened: {problem}")
        self.settings = settings
        self.on_key = on_key
        self.title = title
        self._opened = self._closed = False

    def send(self, frame: Frame) -> None:
        """Show the frame; the first one opens the window."""
        if self._closed or frame.image.size == 0:
            return
        if not self._opened:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(self.title, *_fitting(frame.image.shape[1], frame.image.shape[0]))
            self._opened = True
        cv2.imshow(self.title, frame.image)
        self.poll()

    def poll(self) -> None:
        """Let the window handle its events, and report keys; to be called often, also while no frame comes."""
        if not self._opened or self._closed:
            return
        name = _name(cv2.waitKeyEx(1))
        if name:
            self.on_key(name)
        # imshow would open a window again that was closed by hand.
        if cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            self._closed = True
            self.on_key("q")

    def close(self) -> None:
        """Take the window away."""
        if self._opened and not self._closed:
            cv2.destroyWindow(self.title)
            cv2.waitKeyEx(1)
        self._closed = True


def _name(key: int) -> str:
    # Keys without a letter (arrows, F5) have codes above 127, whose last byte can be that of a letter.
    if not 0 <= key < 128:
        return ""
    return _NAMES.get(key) or (chr(key).lower() if chr(key).isalnum() else "")


def _fitting(width: int, height: int) -> tuple[int, int]:
    # Small enough for a laptop's screen, big enough to read; the user may resize it.
    scale = min(1.0, 1280 / width, 720 / height)
    return max(160, round(width * scale)), max(120, round(height * scale))


__all__ = ["Window"]
