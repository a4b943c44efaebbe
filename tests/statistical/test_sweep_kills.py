"""Sweeps that are killed at random moments, parent or worker, end in the bytes of one never disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.statistical

SWEEP = (
    "sweep", "climate-debate", "--vary", "homophily=0,2,5,9", "--vary", "entry=nash,individual",
    "--seeds", "10", "--steps", "30",
)  # fmt: skip


def start(out: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ecosystem.cli", *SWEEP, "--workers", str(workers), "--out", str(out), "--quiet"]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a sweep but the manifest, which tells times."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop("manifest.json")
    return found


def workers_of(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue
        if fields.get("PPid") == str(parent) and "spawn_main" in (status.parent / "cmdline").read_text():
            found.append(int(status.parent.name))
    return found


def runs_in(folder: Path) -> int:
    return sum(1 for _ in folder.glob("metrics/*/*.parquet"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("sweeps") / "whole"
    finish(start(out, 1))
    found = files_of(out)
    assert sum(name.startswith("metrics/") for name in found) == 80
    assert {"bands.parquet", "outcomes.parquet", "report.html"} <= set(found)
    return found


def test_parent_killed_again_and_again(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Five kill -9 of the parent, each after some more runs; no worker outlives it."""
    rng, out = random.Random(5), tmp_path / "sweep"
    for number in range(5):
        process = start(out, 2)
        wanted = runs_in(out) + rng.randrange(1, 12)
        while runs_in(out) < wanted:
            assert process.poll() is None, f"kill {number} came too late"
            time.sleep(0.01)
        crew = workers_of(process.pid)
        assert len(crew) == 2
        kill(process)
        until = time.monotonic() + 10
        while any(Path(f"/proc/{worker}").exists() for worker in crew):
            assert time.monotonic() < until, "a worker outlived its parent"
            time.sleep(0.05)
    assert 0 < runs_in(out) < 80
    finish(start(out, 2))
    assert files_of(out) == undisturbed


def test_workers_killed(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Six kill -9 of a worker; the sweep goes on by itself."""
    rng, out = random.Random(7), tmp_path / "sweep"
    process = start(out, 2)
    killed = 0
    while process.poll() is None and killed < 6:
        if runs_in(out) >= 8 * (killed + 1):
            crew = workers_of(process.pid)
            if crew:
                os.kill(rng.choice(crew), signal.SIGKILL)
                killed += 1
        time.sleep(0.01)
    finish(process)
    assert killed == 6
    assert files_of(out) == undisturbed


def test_killed_while_starting_and_while_finishing(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    for moment in (0.3, 1.0, 2.0):
        process = start(out, 2)
        time.sleep(moment)
        kill(process)
    process = start(out, 2)
    while runs_in(out) < 80:
        assert process.poll() is None
        time.sleep(0.01)
    kill(process)
    assert not (out / "report.html").exists()
    finish(start(out, 2))
    assert files_of(out) == undisturbed
