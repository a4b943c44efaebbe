"""Sobol' indices and elementary effects of functions whose values are known, through the path of real runs.

``pytest -m statistical -s tests/statistical/test_ishigami.py`` prints what was found. About a minute of CPU time.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ecosystem.reading import load_scenario
from ecosystem.sensing import analyse_sensitivity
from ecosystem.sweep.design import Axis
from ecosystem.sweep.indices import analyse
from ecosystem.sweep.plan import Job
from ecosystem.sweep.sensitivity import sample

pytestmark = pytest.mark.statistical

THREE = {"homophily": 10.0, "bias": 20.0, "confidence": 2.0}
SIX = {**THREE, "learning_rate": 1.0, "convergence": 0.5, "switching_cost": 3.0}
WEIGHTS = (0.0, 0.5, 3.0, 9.0, 99.0, 99.0)

# Ishigami & Homma (1990) with a = 7, b = 0.1: variance 13.845, parts 4.345, 6.125, 0 and 3.374 of the first and third.
FIRST = {"homophily": 0.3139, "bias": 0.4424, "confidence": 0.0}
TOTAL = {"homophily": 0.5576, "bias": 0.4424, "confidence": 0.2437}


def ishigami(point: dict[str, Any]) -> float:
    x, y, z = ((2 * point[name] / high - 1) * math.pi for name, high in THREE.items())
    return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)


def g_function(point: dict[str, Any]) -> float:
    """Return Sobol's G function: the product of (|4 x - 2| + a) / (1 + a)."""
    shares = [point[name] / high for name, high in SIX.items()]
    return math.prod((abs(4 * x - 2) + a) / (1 + a) for x, a in zip(shares, WEIGHTS, strict=True))


def g_indices() -> tuple[dict[str, float], dict[str, float]]:
    """Return the first and total order of the G function: parts 1 / (3 (1 + a)^2), each factor's variance."""
    parts = np.array([1 / (3 * (1 + a) ** 2) for a in WEIGHTS])
    variance = np.prod(1 + parts) - 1
    totals = [parts[k] * np.prod(np.delete(1 + parts, k)) / variance for k in range(len(parts))]
    return dict(zip(SIX, parts / variance, strict=True)), dict(zip(SIX, totals, strict=True))


def perform_ishigami(_sources: Any, job: Job) -> dict[str, pa.Table]:
    """Return a run that ends at Ishigami's function and what the seed adds: the same at every point."""
    luck = np.random.default_rng(job.seed).normal()
    return {"metrics": pa.table({"step": [1], "coalitions": [ishigami(job.changes) + luck]})}


def test_ishigami_through_worker_processes(tmp_path: Path) -> None:
    over = [f"{name}=0:{high:g}" for name, high in THREE.items()]
    found = analyse_sensitivity(
        load_scenario("unix-1988"), over, "coalitions", samples=512, seeds=2, workers=2,
        perform=perform_ishigami, out=tmp_path / "ishigami",
    )  # fmt: skip
    print(f"\n{found.indices.round(3).to_string()}\n{found.sentence}")
    table = found.indices.set_index("parameter")
    for name in THREE:
        for order, known in (("first", FIRST), ("total", TOTAL)):
            row = table.loc[name]
            assert row[f"{order}_low"] <= known[name] <= row[f"{order}_high"], (name, order)
            assert row[f"{order}_high"] - row[f"{order}_low"] < 0.3
    assert found.study.indices.chance == pytest.approx(0, abs=1e-9), "luck that all points share cancels"
    assert found.sentence.startswith(
        "What matters most for “Coalitions” at the last step is homophily (total effect 0."
    )
    assert "Interactions: about 0.2" in found.sentence


@pytest.mark.parametrize(("function", "ranges"), [(ishigami, THREE), (g_function, SIX)])
def test_intervals_hold_what_is_true(function: Any, ranges: dict[str, float]) -> None:
    """Of 95 % intervals over 60 designs, at least 90 % hold the index; the estimates' mean is within .02 of it."""
    axes = [Axis(name, low=0.0, high=high) for name, high in ranges.items()]
    known = (FIRST, TOTAL) if ranges is THREE else g_indices()
    held, errors = [], []
    for seed in range(60):
        samples = sample(axes, "sobol", 256, {}, seed)
        values = np.array([function(point) for point in samples.points])[:, None]
        table = analyse(samples, values, seed).table.set_index("parameter")
        for order, truth in zip(("first", "total"), known, strict=True):
            true = np.array([truth[name] for name in ranges])
            held.append((true >= table[f"{order}_low"] - 1e-9) & (true <= table[f"{order}_high"] + 1e-9))
            errors.append(table[order].to_numpy() - true)
    coverage, bias = np.mean(held), np.abs(np.mean(np.reshape(errors, (60, 2, -1)), axis=0)).max()
    print(f"\n{function.__name__}: intervals hold the truth in {coverage:.3f}, largest bias {bias:.4f}")
    assert coverage >= 0.9
    assert bias <= 0.02


def test_elementary_effects_of_the_g_function_rank_as_its_totals() -> None:
    axes = [Axis(name, low=0.0, high=high) for name, high in SIX.items()]
    samples = sample(axes, "morris", 200, {}, 0)
    values = np.array([g_function(point) for point in samples.points])[:, None]
    star = analyse(samples, values, 0).table["mu_star"].tolist()
    assert star[:4] == sorted(star[:4], reverse=True)
    assert max(star[4:]) < 0.05 * star[0]


def test_one_in_twenty_that_do_nothing_is_taken_for_an_effect() -> None:
    axes = [Axis("homophily", low=0.0, high=10.0)]
    samples = sample(axes, "oat", 7, {"homophily": 2.0}, 0)
    rng = np.random.default_rng(2)
    shape = (len(samples.points), 6)
    wrong = [
        analyse(samples, rng.standard_normal(shape) + 3 * rng.standard_normal(6), 0).table["range_low"][0] > 0
        for _ in range(1000)
    ]
    print(f"\ntaken for an effect: {np.mean(wrong):.3f}")
    assert 0.03 <= np.mean(wrong) <= 0.07
