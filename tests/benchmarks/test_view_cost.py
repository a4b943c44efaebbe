"""What the browser view costs: from a click on Step to the page that shows it, and memory over a long play. Prints.

ECOSYSTEM_VIEW_STEPS=2000 pytest tests/benchmarks/test_view_cost.py -s -m benchmark

Without the variable 500 steps are played, a quarter as long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from browsing import step_of, take_steps, wait_for_step, wait_until_drawn
from crowds import crowd
from serving import Server

from ecosystem.record.manifest import write_config
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.benchmark

ROOMS = ["Debate", "Coalitions", "Affinity", "Positions", "Measures", "Forecast"]
STEPS = int(os.environ.get("ECOSYSTEM_VIEW_STEPS", "500"))
MEASURED = """async () => {
  const began = performance.now(), pulse = document.querySelector(".ec-pulse"), before = pulse.dataset.revision;
  document.querySelector("[aria-label='Step (→)']").click();
  while (pulse.dataset.revision === before) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
"""Milliseconds from a click on Step until two frames have been drawn after the page has changed."""


def served(folder: Path, scenario: Scenario) -> Server:
    write_config(folder, scenario)
    return Server.start(folder, str(folder / "config.yaml"))


def resident(pid: int) -> float:
    """Return the megabytes that a process holds."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("size", [12, 200])
def test_from_click_to_page(size: int, debate: Scenario, visit: Callable[..., Any], tmp_path: Path) -> None:
    server = served(tmp_path, crowd(debate, size).with_parameters(steps=1000))
    page = wait_until_drawn(visit(server).page)
    take_steps(page, 5)
    print(f"\n{size} agents, from a click on Step to the page that shows it (bound: {700 if size == 12 else 1500} ms)")
    for room in ROOMS:
        page.get_by_role("tab", name=room).click()
        page.wait_for_timeout(1000)
        took = [page.evaluate(MEASURED) for _ in range(12)]
        print(f"  {room:10} median {median(took):4.0f} ms, least {min(took):4.0f}, most {max(took):4.0f}")
    page.context.close()
    server.end()


def test_memory_over_a_long_play(visit: Callable[..., Any], debate: Scenario, tmp_path: Path) -> None:
    server = served(tmp_path, crowd(debate, 12).with_parameters(steps=STEPS))
    page = wait_until_drawn(visit(server).page)
    page.get_by_label("Speed").click(force=True)
    page.get_by_text("fastest").click()
    page.get_by_label("Play (space)").click()
    began, session = time.monotonic(), page.context.new_cdp_session(page)
    print(f"\n{STEPS} steps of 12 agents, played as fast as the page can be drawn")
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        wait_for_step(page, int(share * STEPS), timeout=1_200_000)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
        took = time.monotonic() - began
        print(
            f"  step {step_of(page):5}: server {resident(server.process.pid):6.0f} MB, page {heap:5.1f} MB of scripts, "
            f"{step_of(page) / took:4.1f} steps a second"
        )
    page.context.close()
    server.end()
