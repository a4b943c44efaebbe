"""The web application around the page: Solara's, reduced to what the page needs, and nothing fetched from elsewhere.

`ecosystem.app.server.local.serve_alone` comes before its import.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import solara.server.app as applications
import solara.server.server as pages
import solara.server.settings as settings
import solara.server.starlette as web
from solara.server.kernel_context import VirtualKernelContext, contexts
from solara.server.websocket import WebSocketDisconnect as Gone
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ecosystem.app.server.gate import NONCE, Address, Application, Gate
from ecosystem.errors import InputError

PAGE = "ecosystem.app.page"
"""The module with the component `Page`."""

KEPT_SECONDS = 90.0
"""How long a debate is kept when its visitor's browser vanishes: long enough for a laptop that sleeps for a moment."""

RETURN_SECONDS = 10.0
"""How long it is kept when the page is closed: long enough for the same page to come back, as a reload makes it."""

_HERE = Path(__file__).parent
_EXTENSIONS = ("jupyter-vue", "jupyter-vuetify")
_SESSION = re.compile(r"[0-9a-f-]{36}")
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_ICON = re.compile(r'<link rel="icon"[^>]*>')


def application(address: Address, kept: float = KEPT_SECONDS) -> Application:
    """Return the web application, behind its gate.

    Parameters
    ----------
    address : Address
        Where it will listen.
    kept : float
        Seconds for which a debate is kept when its visitor's browser vanishes.

    Raises
    ------
    InputError
        The scripts that browsers need are not installed.
    """
    settings.kernel.cull_timeout = f"{kept:g}s"
    app = Starlette(routes=_routes(min(RETURN_SECONDS, kept)), lifespan=_lifespan)
    applications.apps["__default__"] = script = applications.AppScript(PAGE)
    script.check()
    return Gate(app, address)


def _routes(grace: float) -> list[Any]:
    scripts = Path(settings.assets.proxy_cache_dir)
    if not scripts.is_dir():
        raise InputError("solara-assets", f"not found in {scripts}; `pip install solara-assets` brings them")
    leaving = _Leaving(grace)
    return [
        Route("/", _page),
        Route("/icon.svg", _icon),
        Route("/_solara/api/close/{kernel}", leaving.page_left, methods=["POST"]),
        Route("/jupyter/api/kernels/{kernel}", _kernel),
        WebSocketRoute("/jupyter/api/kernels/{kernel_id}/{name}", _connect),
        Mount("/_solara/cdn", _Assets(scripts)),
        Mount("/static/assets", _Assets(pages.solara_static.parent / "assets")),
        Mount("/static", _Assets(pages.solara_static)),
        *(Mount(f"/jupyter/nbextensions/{name}", _Assets(_extension(name))) for name in _EXTENSIONS),
    ]


def _extension(name: str) -> Path:
    """Return the folder of a widget library's scripts."""
    for folder in pages.nbextensions_directories:
        if (folder / name).is_dir():
            return Path(folder / name)
    raise InputError(name, "its scripts are not installed; `pip install ipyvuetify ipyvue` brings them")


class _Assets(web.StaticFilesOptionalAuth):
    """Files of a folder, and none from anywhere else; links inside the folder are followed, as installers make them."""

    _exact = re.compile(r"@\d+\.\d+\.\d+/")

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, follow_symlink=True)

    async def get_response(self, path: str, scope: Any) -> Response:
        """Answer a request; files of an exact version may be kept by the browser."""
        response: Response = await super().get_response(path, scope)
        if response.status_code in (200, 304) and self._exact.search(path):
            response.headers["cache-control"] = web.immutable_cache_control()
        return response


async def _page(request: Request) -> Response:
    """Answer with the page."""
    session = request.cookies.get(pages.COOKIE_KEY_SESSION_ID, "")
    if not _SESSION.fullmatch(session):
        session = str(uuid.uuid4())
    text = pages.read_root("/", "")
    assert text is not None
    response = HTMLResponse(dress(text, request.scope[NONCE], _alive(session)))
    response.headers["cache-control"] = "no-store"
    response.set_cookie(pages.COOKIE_KEY_SESSION_ID, session, httponly=True, samesite="strict")
    return response


def dress(text: str, nonce: str, alive: dict[str, str]) -> str:
    """Return Solara's page as ours: its language, its icon, its look while it loads, and scripts that may run.

    Parameters
    ----------
    text : str
        The page as Solara has it.
    nonce : str
        What scripts must show to run.
    alive : dict
        Debates of this browser that a reload may come back to: kernel, and the widget that shows it.
    """
    script = (_HERE / "return.js").read_text("utf-8").replace("{}", json.dumps(alive).replace("<", "\\u003c"), 1)
    style = (_HERE / "loading.css").read_text("utf-8")
    text = _ICON.sub("", text).replace(", maximum-scale=1, user-scalable=no, minimal-ui", "")
    text = text.replace("<html>", '<html lang="en">', 1)
    head = f'<link rel="icon" type="image/svg+xml" href="/icon.svg"><style>{style}</style><script>{script}</script>'
    text = text.replace("</head>", f"{head}</head>", 1)
    return _SCRIPT.sub(f'<script nonce="{nonce}"', text)


def _alive(session: str) -> dict[str, str]:
    """Return a browser's debates, and the widget that shows each; those that failed to draw are left out."""
    found = {}
    for key, context in list(contexts.items()):
        if context.session_id == session and context.container is not None and not _failed(context):
            found[key] = context.container._model_id
    return found


def _failed(context: VirtualKernelContext) -> bool:
    root = getattr(context.app_object, "context_root", None)
    return context.app_object is None or bool(getattr(root, "exceptions_children", ()))


async def _connect(connection: WebSocket) -> None:
    """Connect a page to its debate; that of another browser it cannot reach."""
    session = connection.cookies.get(pages.COOKIE_KEY_SESSION_ID)
    context = contexts.get(connection.path_params["kernel_id"])
    if not session or not connection.query_params.get("session_id") or (context and context.session_id != session):
        await connection.close(1008)
        return
    try:
        await web.kernel_connection(connection)
    except* (WebSocketDisconnect, Gone, ValueError, TypeError, KeyError, AttributeError):
        pass  # a visitor's browser may vanish at any moment, and what speaks to us may be none


def _kernel(request: Request) -> Response:
    """Answer a page that lost its connection: it may connect again, and learns then what is left of its debate."""
    return JSONResponse({"id": request.path_params["kernel"], "name": "ecosystem"})


def _icon(_: Request) -> Response:
    return Response((_HERE / "icon.svg").read_bytes(), media_type="image/svg+xml")


class _Leaving:
    """What happens when a page is left: its debate ends, unless the same page comes back."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._tasks: set[asyncio.Task[None]] = set()

    async def page_left(self, request: Request) -> Response:
        """Note that a page was left; only the browser that had it can say so."""
        context = contexts.get(request.path_params["kernel"])
        page = request.query_params.get("session_id")
        session = request.cookies.get(pages.COOKIE_KEY_SESSION_ID)
        if context is not None and context.session_id == session and page in context.page_status:
            task = asyncio.create_task(self._end(context, page))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return Response(status_code=204)

    async def _end(self, context: VirtualKernelContext, page: str) -> None:
        await asyncio.sleep(self._grace)
        # In a thread: closing waits for what the debate is doing.
        await anyio.to_thread.run_sync(context.page_close, page)


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    for context in list(contexts.values()):
        with suppress(Exception):
            context.close(reason="server-shutdown")
