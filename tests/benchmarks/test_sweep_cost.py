"""What a sweep costs beside its bare steps, and what a second worker is worth. Prints; judges nothing.

pytest tests/benchmarks/test_sweep_cost.py -s -m benchmark
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ecosystem.model import EcosystemModel
from ecosystem.opening import Reading
from ecosystem.sweep.execute import carry_out
from ecosystem.sweep.plan import Plan
from ecosystem.sweeping import plan_sweep

pytestmark = pytest.mark.benchmark

VARY = ["homophily=0,2,5,9", "entry=nash,individual"]


def plan_of(seeds: int = 10, steps: int = 30) -> Plan:
    return plan_sweep("climate-debate", VARY, seeds=seeds, steps=steps)


def test_overhead_over_bare_steps(jepa: Any, tmp_path: Path) -> None:
    """The same 80 runs, as steps alone and as a sweep in this process, by turns; the first warms up."""
    plan = plan_of()
    reading = Reading.of(plan.scenario, jepa)
    bare, swept = [], []
    for turn in range(4):
        models = [
            EcosystemModel(plan.scenario, reading=reading, rng=job.seed, **job.changes) for job in plan.jobs()
        ]  # fmt: skip
        began = time.process_time()
        with threadpool_limits(1, "blas"):
            for model in models:
                for _ in range(30):
                    model.step()
        bare.append(time.process_time() - began)
        swept.append(cpu_of_runs(plan, tmp_path / str(turn)))
    over = [one / other - 1 for one, other in zip(swept[1:], bare[1:], strict=True)]
    print(f"\n80 runs of 30 steps: {median(bare):.2f} CPU-s bare, {median(swept):.2f} as a sweep")
    print(f"overhead {median(over):.1%} ({min(over):.1%} to {max(over):.1%} in {len(over)} turns; bound: 15 %)")


def cpu_of_runs(plan: Plan, folder: Path) -> float:
    """Return the CPU seconds from the first run of a sweep in this process to the last."""
    marks: list[float] = []
    carry_out(plan, folder, workers=1, progress=lambda *_: marks.append(time.process_time()))
    return marks[-1] - marks[0]


def command(out: Path, workers: int) -> tuple[float, float]:
    """Return wall seconds of the whole command, and of its runs."""
    vary = [part for axis in VARY for part in ("--vary", axis)]
    arguments = [
        "sweep",
        "climate-debate",
        *vary,
        "--seeds",
        "10",
        "--steps",
        "30",
        "--workers",
        str(workers),
        "--out",
        str(out),
    ]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "ecosystem.cli", *arguments, "--quiet"], check=True, capture_output=True)
    return time.perf_counter() - began, json.loads((out / "manifest.json").read_text())["runs_s"]


def test_two_workers(tmp_path: Path) -> None:
    """The whole command and the 80 runs in it, by one worker and by two, twice by turns."""
    command(tmp_path / "warm", 2)
    found = {workers: [command(tmp_path / f"{turn}-{workers}", workers) for turn in range(2)] for workers in (1, 2)}
    for place, what in ((1, "80 runs of 30 steps"), (0, "the whole command, report included")):
        one, two = (median(times[place] for times in found[workers]) for workers in (1, 2))
        print(f"\n{what}: {one:.1f} s by one worker, {two:.1f} s by two: {one / two:.2f} times as fast (bound: 1.7)")


def test_memory_of_the_parent(tmp_path: Path) -> None:
    """Peak resident memory of the parent after 200 and after 2,000 short runs, by two workers."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ecosystem.sweep.execute import carry_out\n"
        "from ecosystem.sweeping import plan_sweep\n"
        "plan = plan_sweep('climate-duet', ['homophily=0:9:10'], seeds=int(sys.argv[1]), steps=2)\n"
        # What it holds at the moment: the peak that the kernel keeps begins with that of the process that started it.
        "def held():\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6\n"
        "marks = []\n"
        "carry_out(plan, Path(sys.argv[2]), workers=2, progress=lambda *_: marks.append(held()))\n"
        "print(marks[0], max(marks))\n"
    )
    for seeds in (20, 200):
        done = subprocess.run(
            [sys.executable, "-c", script, str(seeds), str(tmp_path / str(seeds))],
            check=True,
            capture_output=True,
            text=True,
        )
        before, after = map(float, done.stdout.split())
        print(f"\n{10 * seeds} runs: peak of the parent {before:.0f} MB when they begin, {after:.0f} MB at the end")
