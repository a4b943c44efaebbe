"""Serving the page: where it listens, whom it tells, how it ends."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecosystem.app.server.gate import LOOPBACK, Address
from ecosystem.app.server.local import serve_alone
from ecosystem.app.server.served import DEFAULT, Served, serve_this
from ecosystem.errors import InputError, shorten
from ecosystem.files import RUNS
from ecosystem.jepa import PRETRAINED
from ecosystem.progress import Progress, silent
from ecosystem.reading import load_scenario
from ecosystem.record.manifest import file_hash
from ecosystem.scenario import Scenario
from ecosystem.sweep.readings import read_statements

PORT = 8765
KEPT = "ECOSYSTEM_KEPT_SECONDS"
"""Environment variable: seconds for which a debate is kept when its visitor's browser vanishes."""

_TRIED = 100
_M_ARENA_MAX = -8  # of glibc's malloc.h
_ENDING_SECONDS = 1


def open_with(
    scenario: str | Path | Scenario = DEFAULT,
    *,
    out: str | Path = RUNS,
    weights: str | Path | None = None,
    progress: Progress = silent,
    **parameters: Any,
) -> Served:
    """Return what the page opens with, with its statements read, so that the first page is fast.

    Raises
    ------
    InputError
        The scenario, a parameter or the weights cannot be used.
    """
    served = Served(load_scenario(scenario, **parameters), Path(out), Path(weights or PRETRAINED))
    reading = read_statements(served.scenario, served.weights, file_hash(served.weights), progress)
    return replace(served, reading=reading)


def listen(host: str = LOOPBACK[0], port: int | None = None) -> tuple[socket.socket, Address]:
    """Return a socket that listens, and its address.

    Parameters
    ----------
    host : str
        A name or an address of this machine.
    port : int, optional
        0 is any free one; by default 8765, or the next that is free.

    Raises
    ------
    InputError
        It cannot be listened on.
    """
    wanted = [port] if port is not None else [*range(PORT, PORT + _TRIED)]
    for number in wanted:
        try:
            family, place = _place(host, number)
            listening = socket.create_server(place, family=family)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number != wanted[-1]:
                continue
            raise _complaint(error, host, number) from None
        return listening, Address(host, listening.getsockname()[1])
    raise AssertionError  # the last one returns or raises


def _keep_few_arenas() -> None:
    """Let glibc keep two arenas of memory: with some for every visitor's threads, what is freed does not come back."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def serve(
    served: Served,
    listening: socket.socket,
    address: Address,
    *,
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    served : Served
        What a new visitor's page begins with.
    listening, address
        What `listen` returned.
    open_browser : bool
        Whether to open the page in the user's browser.
    say : callable
        Told, once, where the page is.
    """
    import uvicorn

    _keep_few_arenas()
    serve_alone()
    from ecosystem.app.server.web import KEPT_SECONDS, application

    serve_this(served)
    app = application(address, _seconds(KEPT, KEPT_SECONDS))
    config = uvicorn.Config(
        app, loop="asyncio", lifespan="on", log_config=None, access_log=False, proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=_ENDING_SECONDS,
    )  # fmt: skip

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(f"Ecosystem is at {address.url}  (Ctrl-C ends it)")
                if open_browser:
                    threading.Thread(target=_open, args=(address.url,), daemon=True).start()

    with suppress(KeyboardInterrupt):
        Server(config).run([listening])


def _place(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Return the family and the address that a host name stands for."""
    if host == "localhost":
        host = LOOPBACK[0]
    family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return family, (str(place[0]), port)


def _complaint(error: OSError, host: str, port: int) -> InputError:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return InputError("--host", f"found {shorten(host)}; a name or an address of this machine is accepted")
    if error.errno == errno.EADDRINUSE:
        return InputError("--port", f"found {port}, which is taken; a free port, or 0 for any, is accepted")
    return InputError("--port", f"found {port}; it cannot be listened on ({error.strerror or error})")


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        seconds = float(text or default)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise InputError(name, f"found {shorten(text)}; a number of seconds is accepted")
    return seconds


def _open(url: str) -> None:
    """Open the page in the user's browser, if there is one that does not take over the terminal."""
    with suppress(Exception):
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser or os.environ.get("BROWSER"):
            browser.open(url)
