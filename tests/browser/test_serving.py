"""The server of the page, talked to as its own pages do, and as other web sites and idle hands might."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from browsing import OPTIONS, Visitor, chromium
from serving import Server

import ecosystem

KEPT = 4.0
"""Seconds for which the server of these tests keeps a debate whose visitor is gone."""

WATCHING = """
import gc, sys, threading

strangers = []

def watch(event, arguments):
    if event == 'socket.connect' and isinstance(arguments[1], tuple) and arguments[1][0] not in ('127.0.0.1', '::1'):
        strangers.append(arguments[1])
    if event == 'socket.getaddrinfo' and arguments[0] not in (None, '127.0.0.1', 'localhost'):
        strangers.append(arguments[0])

sys.addaudithook(watch)
"""
"""A program that notes whom it tries to reach."""

COUNTING = """
def answer():
    from ecosystem.model import EcosystemModel
    for line in sys.stdin:
        if line == 'strangers\\n':
            print(strangers, flush=True)
            continue
        from solara.server.kernel_context import contexts
        gc.collect()
        print(len(contexts), sum(isinstance(one, EcosystemModel) for one in gc.get_objects()), flush=True)

threading.Thread(target=answer, daemon=True).start()
sys.argv = ['ecosystem', 'watch', *sys.argv[1:]]
from ecosystem.cli import main
main()
"""
"""`ecosystem watch` that answers on stdout: how many visitors and models there are, whom it tried to reach."""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("counted")
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = {"ECOSYSTEM_KEPT_SECONDS": str(KEPT), "TMPDIR": str(temporary)}
    server = Server.start(folder, "climate-duet", command=(sys.executable, "-c", WATCHING + COUNTING), **environment)
    yield server
    assert server.ask("strangers") == "[]"
    server.end()
    assert not list(temporary.glob("ecosystem-*"))


def answer_to(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """Return the answer to a request whose path and headers are sent as they stand."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": f"127.0.0.1:{server.port}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()


COOKIE = "solara-session-id=00000000-0000-0000-0000-000000000000"


def knock(server: Server, kernel: str = "k", **headers: str) -> int:
    """Return the status of the answer to the opening of a WebSocket; 101: it is open."""
    asked = {
        "Host": f"127.0.0.1:{server.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items() if value)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"GET /jupyter/api/kernels/{kernel}/channels?session_id=p HTTP/1.1\r\n{lines}\r\n".encode())
        return int(connection.recv(64).split()[1])


def eventually(what: Callable[[], Any], expected: Any, seconds: float) -> None:
    """Wait until something is as expected."""
    until = time.monotonic() + seconds
    while (found := what()) != expected:
        assert time.monotonic() < until, f"{found}, not {expected}, after {seconds} s"
        time.sleep(0.2)


def visitors(server: Server) -> int:
    """Return how many visitors' kernels there are."""
    return int(server.ask("count").split()[0])


def count(server: Server) -> tuple[int, int]:
    """Return how many visitors' kernels and how many models there are."""
    kernels, models = server.ask("count").split()
    return int(kernels), int(models)


# What the page may do.


def test_the_page_says_what_it_may_do(counted: Server) -> None:
    answer, body = answer_to(counted, "/")
    assert answer.status == 200
    policy = dict(part.strip().split(" ", 1) for part in answer.getheader("content-security-policy", "").split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{counted.port}"
    assert "'unsafe-inline'" not in policy["script-src"]
    nonce = policy["script-src"].partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) >= 16
    assert body.count(b"<script") == body.count(f'<script nonce="{nonce}"'.encode()) > 5
    assert answer.getheader("x-content-type-options") == "nosniff"
    assert answer.getheader("x-frame-options") == "DENY"
    assert answer.getheader("referrer-policy") == "same-origin"
    assert answer.getheader("cache-control") == "no-store"
    cookie = answer.getheader("set-cookie", "").lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    other, _ = answer_to(counted, "/")
    assert nonce not in other.getheader("content-security-policy", "")


def test_the_page_names_no_other_machine(counted: Server) -> None:
    _, body = answer_to(counted, "/")
    sources = [part.split(b'"')[0] for mark in (b'src="', b'href="', b'url("') for part in body.split(mark)[1:]]
    assert len(sources) > 5
    assert not [source for source in sources if b"//" in source]


# Who may talk to it.


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1"])
def test_other_names_for_the_server_are_refused(counted: Server, host: str) -> None:
    named = host.format(port=counted.port)
    for path in ("/", "/static/ansi.js"):
        answer, body = answer_to(counted, path, Host=named)
        assert answer.status == 400
        assert len(body) < 100
    assert knock(counted, Host=named or "evil.example", Origin=f"http://{named}") in (400, 403)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 101),
        ("", 403),
        ("null", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1", 403),
        ("http://127.0.0.1:1", 403),
        ("http://localhost:{port}", 403),
        ("http://127.0.0.1:{port}.evil.example", 403),
        ("https://127.0.0.1:{port}", 403),
    ],
)
def test_only_its_own_pages_may_open_a_websocket(counted: Server, origin: str, status: int) -> None:
    assert knock(counted, Origin=origin.format(port=counted.port), Cookie=COOKIE) == status


def test_localhost_is_a_name_of_its_own(counted: Server) -> None:
    host = f"localhost:{counted.port}"
    assert answer_to(counted, "/", Host=host)[0].status == 200
    assert knock(counted, Host=host, Origin=f"http://{host}", Cookie=COOKIE) == 101


def test_a_visitor_cannot_reach_the_debate_of_another(counted: Server, visit: Callable[..., Visitor]) -> None:
    visitor = visit(counted)
    opened(visitor)
    kernel = kernels(visitor)[0]
    own = f"http://127.0.0.1:{counted.port}"
    session = next(one["value"] for one in visitor.page.context.cookies() if one["name"] == "solara-session-id")
    assert knock(counted, kernel=kernel, Origin=own) == 403
    assert knock(counted, kernel=kernel, Origin=own, Cookie=COOKIE) == 403
    assert knock(counted, kernel=kernel, Origin=own, Cookie=f"solara-session-id={session}") == 101


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_refused(counted: Server, method: str) -> None:
    assert answer_to(counted, "/", method)[0].status == 405


def test_only_its_own_pages_may_say_that_they_were_left(counted: Server) -> None:
    path = "/_solara/api/close/k?session_id=p"
    assert answer_to(counted, path, "POST")[0].status == 403
    assert answer_to(counted, path, "POST", Origin="http://evil.example")[0].status == 403
    assert answer_to(counted, path, "POST", Origin=f"http://127.0.0.1:{counted.port}")[0].status == 204


# What it serves.

UP = "../" * 12


@pytest.mark.parametrize("root", ["/_solara/cdn", "/static", "/static/assets", "/jupyter/nbextensions/jupyter-vue", ""])
@pytest.mark.parametrize(
    "path",
    [
        f"/{UP}etc/passwd",
        f"/{UP}etc/passwd".replace(".", "%2e"),
        f"/{UP}etc/passwd".replace("/", "%2f"),
        f"/{UP}etc/passwd".replace(".", "%252e"),
        f"/{UP}etc/passwd".replace("/", "\\"),
        "//etc/passwd",
        "/%2fetc/passwd",
        "/file:///etc/passwd",
        "/..%00/etc/passwd",
        "/etc/passwd%00.js",
        f"/{'x' * 5000}",
    ],
)
def test_no_path_leads_out(counted: Server, root: str, path: str) -> None:
    answer, body = answer_to(counted, root + path)
    assert answer.status in (400, 404)
    assert b"root:" not in body
    assert "Traceback" not in counted.complaints


@pytest.mark.parametrize(
    "path",
    [
        "/_solara/cdn/no-such-package@1.0.0/index.js",
        "/_solara/cdn/vue",
        "/_solara/cdn/",
        "/static/",
        "/static/public/page.py",
        "/static/../app.py",
        "/static/nbextensions/",
        "/jupyter/nbextensions/",
        "/jupyter/nbextensions/jupyter-vue/../../../../pyvenv.cfg",
        "/jupyter/api/kernels",
        "/ecosystem/app/page.py",
        "/page.py",
        "/return.js",
        "/apidoc",
        "/search",
        "/readyz",
        "/resourcez",
        "/docs",
        "/favicon.ico",
    ],
)
def test_there_is_nothing_else(counted: Server, path: str) -> None:
    began = time.monotonic()
    assert answer_to(counted, path)[0].status == 404
    assert time.monotonic() - began < 2  # nor was it looked for elsewhere


def test_no_kernel_is_evicted_by_request(counted: Server) -> None:
    own = f"http://127.0.0.1:{counted.port}"
    assert answer_to(counted, "/_solara/api/evict/k", "POST", Origin=own)[0].status in (404, 405)


# Who is there, and for how long.


def opened(visitor: Visitor) -> None:
    """Wait until the page shows its debate."""
    visitor.page.wait_for_selector(".ecosystem", timeout=30_000)


def kernels(visitor: Visitor) -> list[str]:
    """Return the kernels that a page connected to, in order."""
    return [url.split("/kernels/")[1].split("/")[0] for url in visitor.requests if url.startswith("ws:")]


def test_nothing_leaves_the_machine(counted: Server, visit: Callable[..., Visitor]) -> None:
    visitor = visit(counted)
    opened(visitor)
    assert visitor.page.url == f"{counted.origin}/"
    assert visitor.page.title().endswith("Ecosystem")
    assert len(visitor.requests) > 5
    assert visitor.strangers() == []
    assert counted.ask("strangers") == "[]"


def test_a_script_in_markup_would_not_run(counted: Server, visit: Callable[..., Visitor]) -> None:
    visitor = visit(counted)
    opened(visitor)
    markup = "<img src=x onerror='window.ran = 1'><a id=link href='javascript:window.ran = 2'>x</a>"
    visitor.page.evaluate("markup => document.body.insertAdjacentHTML('beforeend', markup)", markup)
    visitor.page.evaluate("document.getElementById('link').click()")
    visitor.page.wait_for_timeout(300)
    assert visitor.page.evaluate("window.ran") is None
    assert visitor.errors
    visitor.errors.clear()  # the browser says what it refused


def test_visitors_are_apart_and_a_reload_comes_back(counted: Server, visit: Callable[..., Visitor]) -> None:
    eventually(lambda: count(counted), (0, 0), 2 * KEPT + 10)
    first, second = visit(counted), visit(counted)
    opened(first)
    opened(second)
    twin = Visitor(first.page.context.new_page(), counted.origin)  # another tab of the same browser
    twin.page.goto(counted.origin)
    opened(twin)
    assert len({*kernels(first), *kernels(second), *kernels(twin)}) == 3
    assert count(counted) == (3, 3)
    first.page.reload()
    opened(first)
    assert kernels(first) == [kernels(first)[0]] * 2
    assert first.page.url == f"{counted.origin}/"
    assert count(counted) == (3, 3)
    twin.check()
    for visitor in (first, second):
        visitor.page.context.close()
    eventually(lambda: count(counted), (0, 0), KEPT + 10)


def test_a_page_that_is_left_and_a_browser_that_vanishes(
    counted: Server, visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    eventually(lambda: count(counted), (0, 0), 2 * KEPT + 10)
    visitor = visit(counted)
    opened(visitor)
    vanishing = subprocess.Popen(
        [chromium(), *OPTIONS, "--headless", f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0",
         counted.origin],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    eventually(lambda: count(counted), (2, 2), 30)
    os.killpg(vanishing.pid, signal.SIGKILL)
    vanishing.wait()
    visitor.page.goto("about:blank")
    left = time.monotonic()
    assert visitors(counted) == 2
    eventually(lambda: count(counted), (0, 0), KEPT + 15)
    assert time.monotonic() - left > KEPT / 2


def test_a_short_break_of_the_connection_loses_nothing(counted: Server, visit: Callable[..., Visitor]) -> None:
    visitor = visit(counted)
    opened(visitor)
    visitor.page.wait_for_function("window.solara && solara.debug && solara.debug.viewMounted()")
    visitor.page.evaluate("document.querySelector('.ecosystem').dataset.mark = 'same'")
    assert visitor.page.evaluate("solara.debug.dropConnection()")
    visitor.page.wait_for_function("solara.debug.reconnectCount > 0 && solara.debug.connectionStatus === 'connected'")
    assert kernels(visitor) == [kernels(visitor)[0]] * 2
    assert visitor.page.evaluate("document.querySelector('.ecosystem').dataset.mark") == "same"
    assert visitor.page.get_by_text("Please refresh").count() == 0


def test_a_page_that_could_not_connect_may_try_again(counted: Server) -> None:
    # Where this is 404 the page takes its debate for lost, and tries no more.
    answer, body = answer_to(counted, "/jupyter/api/kernels/some-kernel")
    assert answer.status == 200
    assert json.loads(body)["id"] == "some-kernel"


def test_ctrl_c_ends_it_with_pages_open(tmp_path: Path, browser: Any) -> None:
    server = Server.start(tmp_path, "climate-duet")
    visitor = Visitor(browser.new_page(), server.origin)
    visitor.page.goto(server.origin)
    opened(visitor)
    visitor.check()
    began = time.monotonic()
    server.end()
    assert time.monotonic() - began < 3
    visitor.page.close()


SOLARA = """
def answer():
    for line in sys.stdin:
        print('strangers', strangers, flush=True)

threading.Thread(target=answer, daemon=True).start()
sys.argv = ['solara', 'run', *sys.argv[1:]]
from solara.__main__ import main
main()
"""
"""`solara run` that answers on stdout whom it tried to reach."""


def test_solara_run_shows_the_same_page(tmp_path: Path, visit: Callable[..., Visitor]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = Path(ecosystem.__file__).parent / "app" / "page.py"
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-open", "--no-check-version")
    with subprocess.Popen(
        [sys.executable, "-c", WATCHING + SOLARA, str(page), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "SOLARA_HOME": str(tmp_path / "solara")},
    ) as process:  # fmt: skip
        server = Server(tmp_path, process, f"http://127.0.0.1:{port}")
        try:
            eventually(lambda: listens(port), True, 150)
            visitor = visit(server)
            opened(visitor)
            assert visitor.page.title() == "The climate debate – Ecosystem"
            told = server.ask("strangers")
            while not told.startswith("strangers"):
                assert process.stdout is not None
                told = process.stdout.readline().strip()
            assert told == "strangers []"
            visitor.page.close()
        finally:
            process.kill()


def listens(port: int) -> bool:
    """Return whether someone listens on a port."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
