"""The web server around the studio: its socket, its connections, and its end within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from uvicorn import Config, Server

from realtime.frame import RealtimeError
from realtime.keys import signals
from realtime.studio.connection import Connection

Begin = Callable[[asyncio.AbstractEventLoop], None]
_FAREWELL = 0.4
# So many bytes wait in the system for a reader: a moving picture that waits grows old.
_SENT = 64 << 10


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises RealtimeError where the address is no address of this machine, in use, or not allowed."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, OverflowError, UnicodeError):
        raise RealtimeError(f"--host {host}: there is no such address; give 127.0.0.1, or an address of this machine.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            # Else the port would stay taken for a minute after the last studio; on Windows the word means something else.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Every connection takes it over.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise RealtimeError(_reason(error, host, port)) from None
    listener.setblocking(False)
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use, perhaps by another swapcam studio; end that one, or choose another port with --port."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} may not be used by this user; choose one from 1024 up with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is no address of this machine; 0.0.0.0 means all of them."
    return f"The studio cannot listen at {host} port {port}: {error.strerror}."


def check_certificate(certificate: Path, key: Path | None) -> None:
    """Raise RealtimeError for a certificate and key that cannot be used."""
    for what, path in (("certificate", certificate), ("key", key)):
        if path is not None and not path.is_file():
            raise RealtimeError(f"There is no file {path} for --{what}; check the name.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError):
        hint = "give its key with --key." if key is None else "they have to be PEM files that belong together, the key without a password."
        raise RealtimeError(f"The certificate {certificate} cannot be used; {hint}") from None
    except OSError as error:
        raise RealtimeError(f"The certificate {certificate} cannot be read: {error.strerror}.") from None


class Hosted(Server):
    """uvicorn's server, which leaves signals alone and says when it is about to end.

    begin: told the loop before the first connection.  ending: awaited once before connections are waited for, so that
    endless answers can end first.
    """

    def __init__(self, config: Config, begin: Begin, ending: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._begin, self._ending = begin, ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: serve() listens to them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        self._begin(asyncio.get_running_loop())
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        await self._ending()
        # Whoever does not take the last bytes by then holds nobody up.
        late = asyncio.get_running_loop().call_later(_FAREWELL, self._hang_up)
        await super().shutdown(sockets)
        late.cancel()
        self._hang_up()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=_FAREWELL)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def server(
    app: Any,
    begin: Begin,
    ending: Callable[[], Awaitable[None]],
    certificate: Path | None = None,
    key: Path | None = None,
) -> Hosted:
    """A server for an application; `should_exit` ends it."""
    connections = type("Connection", (Connection,), {"counts": {}})
    config = Config(
        app,
        http=connections,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=32 << 10,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    return Hosted(config, begin, ending)


def serve(hosted: Hosted, listener: socket.socket, toggle: Callable[[], None], ready: Callable[[], None]) -> None:
    """Run until Ctrl-C or SIGTERM, or until `should_exit`; a second one waits for no connection, a third interrupts.

    toggle: called for SIGUSR1, in the server's loop.  ready: called once when connections are taken.
    """
    marks: set[str] = set()

    def quit() -> None:
        hosted.should_exit = True
        # Some programs that start others pass a signal on twice.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, insist)

    def insist(number: int, _: FrameType | None) -> None:
        hosted.force_exit = True
        signal.signal(number, signal.default_int_handler)

    async def run() -> None:
        task = asyncio.create_task(hosted.serve([listener]))
        while not hosted.started and not task.done():
            await asyncio.sleep(0.01)
        if hosted.started:
            ready()
        while not task.done():
            if marks:
                marks.clear()
                toggle()
            await asyncio.wait([task], timeout=0.1)
        await task

    with signals(quit, lambda: marks.add("toggle"), None):
        asyncio.run(run())


__all__ = ["Hosted", "bind", "check_certificate", "serve", "server"]
