"""Running the studio: settings, socket, links, the loop's show and the server, from the first word to the last file closed."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models import folders
from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.machine.home import expanded
from realtime.studio.access import Access, is_loopback
from realtime.studio.certificate import own_address, own_certificate, private

if TYPE_CHECKING:
    from realtime.steering.show import Show
    from realtime.studio.app import Studio
    from realtime.studio.serving import Hosted

_SHORTEST = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """How a studio is to be reached.

    token: None: nobody needs one on this machine alone, and everybody beyond it; "auto": everybody needs one, which is kept;
    else the token itself.  certificate, key: PEM files for HTTPS; None: one of our own where others may come in.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs while a studio is open.  links: lines that say what to open; the first is the page."""

    hosted: Hosted
    listener: socket.socket
    show: Show
    studio: Studio
    access: Access
    links: tuple[str, ...]


def host(settings: Settings, wish: Wish, config: Path | None, folder: Path, say: Callable[[str], None]) -> None:
    """Serve the studio until Ctrl-C or SIGTERM; the loop starts at once.

    config: where the settings came from and are saved to.  folder: for recordings, made where it is missing.  say: takes
    lines for the terminal.  Raises RealtimeError.
    """
    from realtime.studio.serving import serve

    with opened(settings, wish, config, folder) as house:

        def ready() -> None:
            for line in house.links:
                say(line)
            house.show.start()
            if wish.open and _has_browser():
                # Some browsers answer only when they are closed.
                threading.Thread(target=webbrowser.open, args=(house.links[0].split()[-1],), daemon=True).start()

        serve(house.hosted, house.listener, house.studio.toggle, ready)


@contextmanager
def opened(settings: Settings, wish: Wish, config: Path | None, folder: Path) -> Iterator[House]:
    """A studio that is ready to serve, its loop not started yet; on the way out everything closes.  Raises RealtimeError."""
    from realtime.sinks.monitor import Monitor
    from realtime.steering.show import Show
    from realtime.studio.app import Studio
    from realtime.studio.serving import bind, check_certificate, server

    _check(wish)
    loopback = is_loopback(wish.host)
    with ExitStack() as parts:
        # The socket first: a second studio is to find out before it takes the camera.
        listener = bind(wish.host, wish.port)
        parts.callback(listener.close)
        certificate, key = wish.certificate, wish.key
        if certificate is None and not loopback:
            certificate, key = own_certificate(wish.host)
        if certificate is not None:
            check_certificate(certificate, key)
        access = Access(_token(wish, loopback), listener.getsockname()[1], loopback, certificate is not None)
        place = _folder(folder)
        monitor = Monitor()
        parts.callback(monitor.close)
        show = Show(settings, monitor, config, place)
        parts.callback(show.close)
        studio = Studio(show, monitor, access, place)
        parts.callback(studio.close)
        hosted = server(studio.app, studio.begin, studio.end, certificate, key)
        yield House(hosted, listener, show, studio, access, tuple(links(access, wish.host)))


def _has_browser() -> bool:
    """Whether a browser has a screen; without one some would take over the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def links(access: Access, host: str) -> list[str]:
    """What to open, one line each; the first is the page."""
    name = _reachable(host)
    root = f"http{'s' * access.secure}://{f'[{name}]' if ':' in name else name}:{access.port}"
    if access.token is None:
        return [f"Studio   {root}/", f"Call     {root}/call", f"OBS      {root}/source"]
    return [
        f"Studio   {root}/?token={access.token}",
        f"Call     {root}/call?token={access.visitor}",
        f"OBS      {root}/source?token={access.token}",
    ]


def _reachable(host: str) -> str:
    """A name by which others reach this machine, where it listens at all of its addresses."""
    if host not in ("", "0.0.0.0", "::"):
        return host
    return own_address() or socket.gethostname()


def _check(wish: Wish) -> None:
    if not 0 <= wish.port <= 65535:
        raise RealtimeError(f"--port {wish.port} is no port; expected 1 to 65535, or 0 for a free one.")
    if wish.key is not None and wish.certificate is None:
        raise RealtimeError("--key is given without --certificate; give both, or neither.")
    if wish.token not in (None, "auto") and (len(wish.token) < _SHORTEST or not _plain(wish.token)):
        raise RealtimeError(f"--token needs at least {_SHORTEST} letters, digits, - _ or . so that nobody guesses it; auto makes one.")


def _plain(token: str) -> bool:
    return token.isascii() and all(letter.isalnum() or letter in "-_." for letter in token)


def _token(wish: Wish, loopback: bool) -> str | None:
    """The token of this studio; one of our own is kept, so that links and open pages outlive a restart."""
    if wish.token is None and loopback:
        return None
    if wish.token not in (None, "auto"):
        return wish.token
    path = folders.own("studio") / "token"
    try:
        if path.is_file():
            kept = path.read_text(encoding="ascii").strip()
            if len(kept) >= _SHORTEST and _plain(kept):
                return kept
        token = secrets.token_urlsafe(24)
        private(path, token.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise RealtimeError(f"The token in {path.parent} cannot be read or written ({error}); give one with --token.") from None
    return token


def _folder(folder: Path) -> Path:
    place = expanded(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RealtimeError(f"--folder {folder} cannot be used: {error.strerror}.") from None
    return place


__all__ = ["Wish", "host", "links"]
