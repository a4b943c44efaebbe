"""`ecosystem watch` in a process of its own, for tests that talk to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

_LINE = re.compile(r"Ecosystem is at (http://\S+?)/  \(Ctrl-C ends it\)\n")


@dataclass
class Server:
    """`ecosystem watch` in a process of its own, with folders of its own.

    Attributes
    ----------
    folder : Path
        Where it runs: ``runs`` is its folder for runs, ``stderr`` what it complained of.
    origin : str
        Address of its page, without the last slash.
    """

    folder: Path
    process: subprocess.Popen[str]
    origin: str = ""
    said: str = ""

    @classmethod
    def start(cls, folder: Path, *options: str, command: tuple[str, ...] = (), **environment: str) -> Server:
        """Start a server on any free port, and wait until it listens.

        ``command`` is what runs instead of ``ecosystem watch``, with the same options.
        """
        program = command or (sys.executable, "-m", "ecosystem.cli", "watch")
        with (folder / "stderr").open("w") as log:
            process = subprocess.Popen(
                [*program, "--no-open", "--port", "0", "--out", str(folder / "runs"), *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
                env=os.environ | {"OMP_NUM_THREADS": "1", "SOLARA_HOME": str(folder / "solara")} | environment,
            )  # fmt: skip
        server = cls(folder, process)
        assert process.stdout is not None
        server.said = process.stdout.readline()
        found = _LINE.fullmatch(server.said)
        if found is None:
            server.end(check=False)
            pytest.fail(f"no server: {server.said}{server.complaints}")
        server.origin = found[1]
        return server

    @property
    def port(self) -> int:
        """The port it listens on."""
        port = urlsplit(self.origin).port
        assert port is not None
        return port

    @property
    def complaints(self) -> str:
        """What it wrote on stderr."""
        return (self.folder / "stderr").read_text()

    def ask(self, line: str) -> str:
        """Return its answer to a line, where the command that runs gives one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def end(self, *, check: bool = True) -> None:
        """End it as Ctrl-C does; it must do so in peace."""
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        if check:
            assert status == 0, self.complaints
            assert "Traceback" not in self.complaints, self.complaints
