"""What a warm run costs. Prints; judges nothing but that the commands work.

pytest tests/benchmarks -s -m benchmark
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "ecosystem.cli", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_warm_run(tmp_path: Path) -> None:
    run = ("run", "climate-debate", "--steps", "50", "--seed", "1", "--out", str(tmp_path))
    cpu_seconds(*run)
    spent = [cpu_seconds(*run) for _ in range(3)]
    print(f"\nwarm run of 50 steps, report included: {min(spent):.1f} CPU-seconds (bound: 8)")


def test_help() -> None:
    spent = [cpu_seconds("--help") for _ in range(5)]
    print(f"\n--help: {min(spent):.2f} CPU-seconds (bound: 0.5)")


def test_import() -> None:
    command = [sys.executable, "-c", "import ecosystem"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True)
    print(f"\nimport ecosystem: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before:.2f} CPU-seconds")
