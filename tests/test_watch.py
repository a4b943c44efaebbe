"""`ecosystem watch`: what it refuses before it serves, the line it prints, how it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from serving import Server

from ecosystem.app.server.gate import Address
from ecosystem.app.server.serve import PORT, listen
from ecosystem.app.server.served import Served, serve_this, served
from ecosystem.cli import main
from ecosystem.errors import InputError
from ecosystem.scenario import Scenario


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that someone else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return the one line that a command ends in; nothing may be served."""
    monkeypatch.setattr(sys, "argv", ["ecosystem", "watch", "--no-open", *options])
    monkeypatch.setattr("ecosystem.app.server.serve.serve", lambda *_, **__: pytest.fail("it serves"))
    with pytest.raises(SystemExit) as ended:
        main()
    written = capsys.readouterr()
    assert ended.value.code == 2
    assert written.out == ""
    line = written.err
    assert line.startswith("ecosystem: ")
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["climate-debat"], "did you mean 'climate-debate'?"),
        (["climate-duet", "--set", "homophili=3"], "did you mean 'homophily'?"),
        (["climate-duet", "--set", "homophily=-1"], "homophily"),
        (["climate-duet", "--seed", "1", "--set", "seed=2"], "is given twice"),
        (["--port", "70000"], "a port from 0 to 65535 is accepted"),
        (["--port", "http"], "a whole number is accepted"),
        (["--host", "no-such-machine.invalid"], "a name or an address of this machine is accepted"),
        (["--host", "203.0.113.7", "--port", "0"], "a name or an address of this machine is accepted"),
        (["--colour"], "--colour"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_ends_before_anything_is_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert words in complaint(monkeypatch, capsys, *options)


def test_a_port_that_is_asked_for_and_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: int
) -> None:
    assert f"--port: found {taken}, which is taken" in complaint(monkeypatch, capsys, "--port", str(taken))


def test_the_default_port_gives_way_to_the_next_that_is_free(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr("ecosystem.app.server.serve.PORT", taken)
    listening, address = listen()
    with listening:
        assert taken < address.port <= taken + 100
        assert address.host == "127.0.0.1"


def test_every_port_may_be_taken(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr("ecosystem.app.server.serve.PORT", taken)
    monkeypatch.setattr("ecosystem.app.server.serve._TRIED", 1)
    with pytest.raises(InputError, match="which is taken"):
        listen()


def test_the_default_port_is_the_documented_one() -> None:
    assert PORT == 8765


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_hosts_to_listen_on(host: str) -> None:
    listening, address = listen(host, 0)
    with listening:
        assert listening.getsockname() == ("0.0.0.0" if host == "0.0.0.0" else "127.0.0.1", address.port)
        assert address.loopback == (host != "0.0.0.0")


@pytest.mark.parametrize(
    ("listens", "named", "ours"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "LOCALHOST:8765", True),
        ("127.0.0.1", "localhost.:8765", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "localhost", False),
        ("127.0.0.1", "localhost:80", False),
        ("127.0.0.1", "evil.example:8765", False),
        ("127.0.0.1", "127.0.0.1.evil.example:8765", False),
        ("127.0.0.1", "evil@127.0.0.1:8765", False),
        ("127.0.0.1", "192.168.1.7:8765", False),
        ("127.0.0.1", "127.0.0.1:8765, evil.example", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "192.168.1.7:8765", True),
        ("0.0.0.0", "[2001:db8::7]:8765", True),
        ("0.0.0.0", f"{socket.gethostname()}:8765", True),
        ("0.0.0.0", "evil.example:8765", False),
        ("192.168.1.7", "192.168.1.7:8765", True),
        ("192.168.1.7", "192.168.1.8:8765", False),
        ("class.example", "class.example:8765", True),
    ],
)
def test_which_hosts_are_ours(listens: str, named: str, ours: bool) -> None:
    assert Address(listens, 8765).is_ours(named) is ours


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8765/"),
        ("::", "http://[::1]:8765/"),
        ("class.example", "http://class.example:8765/"),
    ],
)
def test_where_a_browser_on_this_machine_finds_it(host: str, url: str) -> None:
    assert Address(host, 8765).url == url


def test_help_names_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ecosystem.cli", "watch", "--help"], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )  # fmt: skip
    for option in ("SCENARIO", "--port", "--host", "--set", "--seed", "--out", "--no-open"):
        assert option in done.stdout
    assert "climate-debate" in done.stdout


@pytest.fixture
def browser(tmp_path: Path) -> str:
    """A browser that notes what it is to open in the file ``opened``."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n')
    script.chmod(0o755)
    return str(script)


def test_it_says_where_it_is_and_ends_in_peace(tmp_path: Path, browser: str) -> None:
    server = Server.start(tmp_path, "climate-duet", "--set", "homophily=5", BROWSER=browser)
    assert server.said == f"Ecosystem is at http://127.0.0.1:{server.port}/  (Ctrl-C ends it)\n"
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"<title>Ecosystem</title>" in answer.read()
    began = time.monotonic()
    server.end()
    assert time.monotonic() - began < 3
    assert not (tmp_path / "opened").exists()
    assert not (tmp_path / "runs").exists()


def test_it_opens_the_browser_and_warns_where_others_can_reach_it(tmp_path: Path, browser: str) -> None:
    command = (sys.executable, "-c", OPENING)
    server = Server.start(tmp_path, "climate-duet", "--host", "0.0.0.0", command=command, BROWSER=browser)
    assert server.ask("") == f"{server.origin}/"
    server.end()
    line = next(line for line in server.complaints.splitlines() if "listens on" in line)
    assert line == (
        f"ecosystem: listens on 0.0.0.0: whoever can reach port {server.port} can steer debates and read runs in "
        f"{tmp_path}/runs"
    )


OPENING = """
import os, pathlib, sys, threading, time
def answer():
    sys.stdin.readline()
    opened = pathlib.Path('opened')
    while not opened.exists():
        time.sleep(0.05)
    print(opened.read_text(), flush=True)
threading.Thread(target=answer, daemon=True).start()
sys.argv = ['ecosystem', 'watch', *(option for option in sys.argv[1:] if option != '--no-open')]
from ecosystem.cli import main
main()
"""
"""`ecosystem watch` that opens a browser, and tells what was opened when it is asked."""


def test_the_page_opens_with_what_was_served(monkeypatch: pytest.MonkeyPatch, duet: Scenario, tmp_path: Path) -> None:
    monkeypatch.setattr("ecosystem.app.server.served._served", None)
    assert served().scenario.name == "climate-debate"
    serve_this(Served(duet, tmp_path))
    assert (served().scenario.name, served().out) == ("climate-duet", tmp_path)
