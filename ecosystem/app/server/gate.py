"""Who may talk to the page's server, and what its pages may do.

A debate is steered by whoever can send to the server. Listening on 127.0.0.1 keeps other machines out, but not other
web sites that are open in the visitor's browser: they can name the server by a host name of their own (DNS rebinding)
or open a WebSocket to it [1]_. So a request must name a host that is ours, and whatever can change something must come
from a page that is ours. What our pages may load, and from where, is limited to the server itself [2]_.

References
----------
.. [1] OWASP, "WebSocket Security Cheat Sheet", section on origin validation.
.. [2] W3C, "Content Security Policy Level 3", working draft, 2024.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NONCE = "ecosystem.nonce"
"""Where a request's scope has the number that scripts of the page must show."""

_READS = ("GET", "HEAD")
_HOST = re.compile(r"\[([0-9a-f:.]+)\](?::(\d{1,5}))?|([^\s:/@\[\]]+)(?::(\d{1,5}))?", re.IGNORECASE)
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host}; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Vue compiles its templates in the browser (unsafe-eval) and sets styles; a script needs the page's nonce, so that
markup that slipped in could not run one."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes
    ----------
    host : str
        A host name or an address; 0.0.0.0 or :: for all of the machine's.
    port : int
    """

    host: str
    port: int

    @property
    def everywhere(self) -> bool:
        """Whether it listens on all of the machine's addresses."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url(self) -> str:
        """Address of the page, for a browser on this machine.

        Examples
        --------
        >>> Address("127.0.0.1", 8765).url, Address("::1", 80).url
        ('http://127.0.0.1:8765/', 'http://[::1]:80/')
        """
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def is_ours(self, named: str) -> bool:
        """Return whether a Host header names this server.

        Examples
        --------
        >>> address = Address("127.0.0.1", 8765)
        >>> [address.is_ours(host) for host in ("localhost:8765", "127.0.0.1:8766", "evil.example:8765")]
        [True, False, False]
        """
        found = _HOST.fullmatch(named)
        if found is None:
            return False
        host = (found[1] or found[3]).lower().rstrip(".")
        if int(found[2] or found[4] or 80) != self.port:
            return False
        if host == self.host.lower() or (host in LOOPBACK and (self.loopback or self.everywhere)):
            return True
        if not self.everywhere:
            return False
        return _is_literal(host) or host in _machine_names()


class Gate:
    """ASGI middleware that turns away what does not come from the server's own pages.

    Parameters
    ----------
    app : ASGI application
        What is behind the gate.
    address : Address
        Where the server listens.
    """

    def __init__(self, app: Application, address: Address) -> None:
        self._app = app
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with 400, 403 or 405."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        status = self._status(scope, headers)
        if status is None:
            scope[NONCE] = secrets.token_urlsafe(16)
            policy = _POLICY.format(nonce=scope[NONCE], host=headers["host"])
            await self._app(scope, receive, _with_headers(send, policy) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(send, status, self._address.url)

    def _status(self, scope: Scope, headers: dict[str, str]) -> int | None:
        """Return the status of a refusal; None where the request is let through."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._address.is_ours(host) or not scope["path"].isprintable():
            return 400
        if scope["type"] == "websocket":
            return None if origin == f"http://{host}" else 403
        if scope["method"] not in (*_READS, "POST"):
            return 405
        if scope["method"] == "POST" and origin != f"http://{host}":
            return 403
        return None


def _headers(scope: Scope) -> dict[str, str]:
    """Return a request's headers; one that is there twice has both values, and so is no host or origin of ours."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _with_headers(send: Send, policy: str) -> Send:
    added = {**_HEADERS, "content-security-policy": policy}

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.decode("latin-1").lower() not in added]
            message["headers"] = [*kept, *((name.encode(), value.encode("latin-1")) for name, value in added.items())]
        await send(message)

    return send_with


async def _refuse(send: Send, status: int, url: str) -> None:
    body = f"Refused. Ecosystem is at {url}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _machine_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}
