"""What the climate debate does over seeds, with stated bounds; and kills at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.statistical

SEEDS = range(20)


@pytest.fixture(scope="module")
def histories(debate: Scenario, jepa: Any) -> list[dict[str, Any]]:
    keys = list(debate.personas)
    scientist, sceptic = keys.index("climate-scientist"), keys.index("sceptical-commentator")
    found = []
    for seed in SEEDS:
        model = EcosystemModel(debate, jepa=jepa, rng=seed)
        events: Counter[str] = Counter()
        coalitions, forecast, cosine = [], [], []
        for _ in range(debate.parameters.steps):
            model.step()
            assert model.last is not None
            events.update(entry.event.kind for entry in model.last.events)
            coalitions.append(model.last.metrics["coalitions"])
            forecast.append(model.last.metrics["forecast_correlation"])
            cosine.append(model.last.metrics["cosine_correlation"])
        found.append(
            {
                "events": events,
                "coalitions": max(coalitions),
                "apart": model.state.partition[scientist] != model.state.partition[sceptic],
                "forecast": sum(x for x in forecast[1:]) / len(forecast[1:]),
                "cosine": sum(x for x in cosine[1:]) / len(cosine[1:]),
            }
        )
    return found


def test_at_least_two_coalitions_form_at_most_seeds(histories: list[dict[str, Any]]) -> None:
    assert sum(h["coalitions"] >= 2 for h in histories) >= 16


def test_agents_join_and_leave_at_most_seeds(histories: list[dict[str, Any]]) -> None:
    moved = [h["events"]["join"] > 0 and h["events"]["leave"] + h["events"]["split"] > 0 for h in histories]
    assert sum(moved) >= 16


def test_scientist_and_sceptic_end_apart(histories: list[dict[str, Any]]) -> None:
    apart = sum(bool(h["apart"]) for h in histories)
    joins = sum(h["events"]["join"] for h in histories) / len(histories)
    print(f"\nscientist and sceptic apart at {apart} of {len(histories)} seeds; {joins:.0f} joins a run")
    assert apart >= 16


def test_forecasts_beat_cosine(histories: list[dict[str, Any]]) -> None:
    assert all(h["forecast"] > h["cosine"] + 0.1 for h in histories)


def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    """Ten kill -9 at random moments; each resumed run ends in the bytes of one never killed."""
    command = [sys.executable, "-m", "ecosystem.cli", "run", "climate-debate", "--steps", "50", "--seed", "1"]

    def start(out: Path, *more: str) -> subprocess.Popen[str]:
        arguments = [*command, "--out", str(out), "--quiet", *more]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def finish(process: subprocess.Popen[str]) -> dict[str, bytes]:
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        folder = Path(printed.strip()).parent
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}

    begun = time.monotonic()
    whole = finish(start(tmp_path / "whole"))
    duration = time.monotonic() - begun
    assert len(whole) >= 7
    moments = random.Random(0)
    for number in range(10):
        out = tmp_path / str(number)
        process = start(out)
        time.sleep(moments.uniform(0.1, 0.95) * duration)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        finals = [p for p in out.glob("*/*") if not p.name.endswith(".partial")]
        assert all((p / "report.html").is_file() for p in finals)
        assert finish(start(out, "--resume")) == whole, f"kill {number}"
        assert len(list(out.glob("*/*"))) == 1
