"""Sensitivity analysis: known functions through the path of real runs, what is told of them, and what goes wrong."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.report.experiments.sensitivity_figures import draw, span
from ecosystem.report.experiments.sensitivity_page import render
from ecosystem.report.experiments.sensitivity_story import cautions, finding, ranked
from ecosystem.scenario import Scenario
from ecosystem.sensing import Sensitivity, analyse_sensitivity, plan_sensitivity
from ecosystem.sweep.dataset import finished
from ecosystem.sweep.design import Axis, read_axes
from ecosystem.sweep.indices import Indices, analyse, chance_in, elementary_effects
from ecosystem.sweep.plan import Job
from ecosystem.sweep.reader import SweepTables
from ecosystem.sweep.sensitivity import Samples, position, sample
from ecosystem.sweep.study import Study, outcomes_of

Function = Callable[[dict[str, Any]], float]
Array = NDArray[np.float64]

HOSTILE = "<img src=x onerror=alert(1)>"
SCENARIO = Scenario.model_validate(
    {
        "name": "three",
        "title": HOSTILE,
        "topics": [{"id": "coal"}],
        "personas": {key: {"name": key} for key in ("ada", "ben", "cem")},
        "affinity": {"ada": {"ben": 0.5}, "ben": {"ada": 0.5}, "cem": {"ada": -0.5}},
        "parameters": {"steps": 2, "seed": 3},
    }
)
OVER = ["homophily=0:10", "bias=0:20", "confidence=0:2"]
AXES = read_axes(OVER, "--over")
BASE = SCENARIO.parameters.model_dump()


def angle(point: dict[str, Any], name: str) -> float:
    """Return a parameter of `OVER` as an angle in [-pi, pi]."""
    high = next(axis.high for axis in AXES if axis.name == name)
    return (2 * point[name] / high - 1) * math.pi


def ishigami(point: dict[str, Any]) -> float:
    """Return Ishigami's function with a = 7, b = .1: indices .3139, .4424, 0 and .5576, .4424, .2437."""
    x, y, z = (angle(point, name) for name in ("homophily", "bias", "confidence"))
    return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)


def linear(point: dict[str, Any]) -> float:
    return 0.3 * point["homophily"] - 0.1 * point["bias"] + 0.0 * point["confidence"]


def runs_of(function: Function, spread: float = 0.0, measure: str = "coalitions") -> Any:
    """Return what performs a run of two steps whose measure ends at a function's value, seeds apart by a spread."""

    def perform(_sources: Any, job: Job) -> dict[str, pa.Table]:
        rng = np.random.default_rng([job.seed, job.point])
        value = function(job.changes) + spread * rng.standard_normal()
        return {"metrics": pa.table({"step": [1, 2], measure: [value - 1.0, value]})}

    return perform


def outcomes(samples: Samples, function: Function, replicates: int = 1, spread: float = 0.0) -> Array:
    values = np.array([function(point) for point in samples.points], float)[:, None]
    return values + spread * np.random.default_rng(5).standard_normal((len(values), replicates))


def study_of(indices: Indices, replicates: int = 1, **changes: Any) -> Study:
    return replace(Study("A debate", "coalitions", "end", replicates, 0, 0, indices), **changes)


def studied(method: str, count: int, function: Function, replicates: int = 1, spread: float = 0.0) -> Study:
    samples = sample(AXES, method, count, BASE, 1)
    return study_of(analyse(samples, outcomes(samples, function, replicates, spread), 1), replicates)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    """Return a small Sobol' analysis of Ishigami's function."""
    return analyse_sensitivity(
        SCENARIO, OVER, "coalitions", samples=64, seeds=1, workers=1, perform=runs_of(ishigami),
        out=tmp_path_factory.mktemp("runs") / "ishigami",
    )  # fmt: skip


# Designs.


def test_designs_have_the_sizes_that_are_documented() -> None:
    assert len(sample(AXES, "sobol", 16, BASE, 0).points) == 16 * (3 + 2)
    assert len(sample(AXES, "morris", 10, BASE, 0).place) == 10 * (3 + 1)
    assert len(sample(AXES, "oat", 5, BASE, 0).points) == 5 * 3 + 1


@pytest.mark.parametrize("method", ["sobol", "morris"])
def test_the_same_seed_gives_the_same_points(method: str) -> None:
    one, same, other = (sample(AXES, method, 8, BASE, seed).points for seed in (0, 0, 1))
    assert one == same != other


def test_lists_and_whole_numbers_are_sampled_evenly() -> None:
    axes = read_axes(["topic_duration=1:4", "entry=nash,individual", "homophily=1:100:log"], "--over")
    samples = sample(axes, "sobol", 256, BASE, 0)
    rows = pd.DataFrame([samples.points[place] for place in samples.place])
    assert rows["topic_duration"].value_counts(normalize=True).between(0.24, 0.26).all()
    assert rows["entry"].value_counts(normalize=True).between(0.49, 0.51).all()
    assert rows["homophily"].median() == pytest.approx(10, rel=0.05)
    assert len(samples.points) < len(samples.place), "points that coincide run once"


def test_a_trajectory_moves_each_parameter_once_and_lists_between_all_pairs() -> None:
    axes = read_axes(["homophily=0:9", "entry=nash,individual,contractual", "topic_duration=1:2"], "--over")
    samples = sample(axes, "morris", 60, BASE, 0)
    pairs, steps = set(), []
    for walk in samples.place.reshape(60, 4):
        points = [samples.points[place] for place in walk]
        moved = [[n for n in before if before[n] != after[n]] for before, after in pairwise(points)]
        assert sorted(name for names in moved for name in names) == ["entry", "homophily", "topic_duration"]
        values = {point["homophily"] for point in points}
        steps.append(max(values) - min(values))
        pairs.add(frozenset(point["entry"] for point in points))
    assert np.allclose(steps, 6.0)
    assert len(pairs) == 3


def test_one_at_a_time_starts_from_the_scenario() -> None:
    axes = read_axes(["homophily=0:10", "entry=nash,contractual"], "--over")
    samples = sample(axes, "oat", 3, BASE, 0)
    rows = [samples.points[place] for place in samples.place]
    assert [row["homophily"] for row in rows] == [2.0, 0.0, 5.0, 10.0, 2.0, 2.0]
    assert [row["entry"] for row in rows] == ["individual"] * 4 + ["nash", "contractual"]


def test_positions_along_axes() -> None:
    assert position(Axis("bias", low=2, high=4), 3) == 0.5
    assert position(Axis("bias", (8.0, 0.0, 2.0)), 2.0) == 0.25
    assert position(Axis("memory_size", (None, 4, 8)), 4) == 0.5


# Indices of functions that are known.


def test_ishigami_through_the_path_of_real_runs(made: Sensitivity) -> None:
    table = made.indices.set_index("parameter")
    for name, first, total in (("homophily", 0.3139, 0.5576), ("bias", 0.4424, 0.4424), ("confidence", 0.0, 0.2437)):
        row = table.loc[name]
        assert row["first_low"] <= first <= row["first_high"]
        assert row["total_low"] <= total <= row["total_high"]
        assert row["first_high"] - row["first_low"] < 0.8


def test_sobol_indices_of_a_product() -> None:
    """The variance of x y, x and y uniform in [0, 1], is 7/144; each alone makes 1/48 of it, together 1/144."""
    samples = sample(AXES, "sobol", 1024, BASE, 0)
    found = analyse(samples, outcomes(samples, lambda p: p["homophily"] / 10 * p["bias"] / 20), 0)
    assert found.table["first"].tolist() == pytest.approx([3 / 7, 3 / 7, 0], abs=0.02)
    assert found.table["total"].tolist() == pytest.approx([4 / 7, 4 / 7, 0], abs=0.02)
    assert found.additive[1] <= 6 / 7 <= found.additive[2]


def test_intervals_of_sobol_narrow_with_the_root_of_the_number() -> None:
    few, many = (
        analyse(samples, outcomes(samples, ishigami), 0).table
        for samples in (sample(AXES, "sobol", count, BASE, 0) for count in (64, 1024))
    )
    ratio = (few["total_high"] - few["total_low"]) / (many["total_high"] - many["total_low"])
    assert ratio.between(2, 8).all()


def test_morris_on_a_linear_function() -> None:
    found = studied("morris", 6, linear).indices.table.set_index("parameter")
    assert found["mu_star"].tolist() == pytest.approx([3.0, 2.0, 0.0])
    assert found["mu"].tolist() == pytest.approx([3.0, -2.0, 0.0])
    assert found["sigma"].tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    assert found["effects"].tolist() == [6, 6, 6]


def test_morris_with_whole_numbers_a_log_scale_and_words() -> None:
    axes = read_axes(["topic_duration=1:3", "homophily=1:100:log", "entry=nash,individual,contractual"], "--over")
    worth = {"nash": 0.0, "individual": 3.0, "contractual": 3.0}
    samples = sample(axes, "morris", 200, BASE, 0)

    def function(point: dict[str, Any]) -> float:
        return 2 * point["topic_duration"] + 5 * math.log10(point["homophily"]) + worth[point["entry"]]

    found = analyse(samples, outcomes(samples, function), 0).table.set_index("parameter")
    assert found.loc["topic_duration", "mu_star"] == pytest.approx(4.0)
    assert found.loc["homophily", "mu_star"] == pytest.approx(10.0)
    assert found.loc["entry", "mu_star"] == pytest.approx(2.0, abs=0.3), "two pairs of three differ, by 3"
    assert math.isnan(found.loc["entry", "mu"]), "words have no direction"
    assert math.isnan(found.loc["entry", "sigma"]), "and three of them no effect that varies"


def test_morris_is_that_of_salib_where_salib_can_tell() -> None:
    from SALib.analyze import morris

    samples = sample(AXES, "morris", 12, BASE, 4)
    means = outcomes(samples, ishigami)[:, 0]
    problem = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": [[0, 1]] * 3}
    theirs = morris.analyze(problem, samples.shares, means[samples.place], num_levels=4, seed=1)
    ours = analyse(samples, means[:, None], 1).table
    for name in ("mu", "mu_star", "sigma"):
        assert ours[name].tolist() == pytest.approx(list(theirs[name]), abs=1e-9)
    half = (ours["mu_star_high"] - ours["mu_star_low"]) / 2
    assert half.tolist() == pytest.approx(list(theirs["mu_star_conf"]), rel=0.3)


def test_one_at_a_time_on_a_known_function() -> None:
    found = studied("oat", 5, lambda p: p["homophily"] ** 2 - 0.5 * p["bias"], 4).indices
    table = found.table.set_index("parameter")
    assert table["range"].tolist() == pytest.approx([100.0, 10.0, 0.0])
    assert table["slope"].tolist() == pytest.approx([100.0, -10.0, 0.0]), "of the line through 0, 6.25, 25, 56.25, 100"
    assert found.responses is not None
    curve = found.responses[found.responses["parameter"] == "homophily"]
    assert curve["mean"].tolist() == pytest.approx([x**2 - 4 for x in (0, 2.5, 5, 7.5, 10)])
    assert found.responses.iloc[0]["mean"] == pytest.approx(0.0), "the scenario's own: 2 squared less half of 8"


def test_one_at_a_time_does_not_take_chance_for_an_effect() -> None:
    """Of many parameters that do nothing, about one in twenty has an interval that leaves 0 out."""
    axes = read_axes(["homophily=0:10"], "--over")
    samples = sample(axes, "oat", 9, BASE, 0)
    rng = np.random.default_rng(0)
    wrong = sum(
        analyse(samples, rng.standard_normal((10, 5)) + rng.standard_normal(5), 0).table["range_low"][0] > 0
        for _ in range(60)
    )
    assert wrong <= 9


def test_chance_is_found_as_it_was_put_in() -> None:
    rng = np.random.default_rng(1)
    points, seeds, rest = 2 * rng.standard_normal((4000, 1)), rng.standard_normal(4), rng.standard_normal((4000, 4))
    share, left, error = chance_in(points + 0.0 * seeds + rest)
    assert share == pytest.approx(1 / 5, abs=0.01)
    assert left == pytest.approx(0.25 / 4.25, abs=0.01)
    assert error == pytest.approx(0.5, abs=0.01)
    shifted = chance_in(points + 10 * seeds + rest)
    assert shifted[1:] == pytest.approx((left, error))
    assert shifted[0] > 0.8
    assert all(math.isnan(value) for value in chance_in(points))


# What cannot be told.


def test_a_constant_outcome_has_no_indices() -> None:
    for method, count in (("sobol", 8), ("morris", 4), ("oat", 3)):
        study = studied(method, count, lambda _: 0.1 + 0.2, 3)
        assert study.indices.constant == pytest.approx(0.3)
        assert not study.indices.defined
        assert "is 0.3 at every point: nothing that was varied matters" in finding(study)


def test_missing_points_break_their_blocks_alone() -> None:
    samples = sample(AXES, "sobol", 64, BASE, 0)
    whole = outcomes(samples, ishigami, 2)
    holed = whole.copy()
    holed[7], holed[100] = np.nan, np.nan  # in the blocks 1 and 20: 5 points each, none shared
    holed[200, 0] = np.nan  # has another run
    found = analyse(samples, holed, 0)
    assert (found.used, found.left_out) == (62, 2)
    blocks = np.delete(whole[:, 0].reshape(64, 5), [1, 20], axis=0)
    a, total = blocks[:, 0], blocks[:, 1]
    expected = 0.5 * np.mean((a - total) ** 2) / np.var(np.r_[a, blocks[:, 4]])
    assert found.table["total"][0] == pytest.approx(expected)
    story = " ".join(cautions(study_of(found, 2, undefined=5)))
    assert "defined in 5 runs of 640" in story
    assert "2 of 320 points have no run" in story
    assert "left out, in all 2 of 64" in story


def test_missing_ends_break_their_effects_alone() -> None:
    samples = sample(AXES, "morris", 5, BASE, 0)
    means = outcomes(samples, linear)[:, 0]
    means[samples.place[0]] = np.nan
    gaps = np.isnan(np.concatenate(elementary_effects(samples, means))).sum()
    found = analyse(samples, means[:, None], 0)
    assert found.left_out == gaps >= 1
    assert found.used == 15 - gaps
    assert found.table["mu_star"].tolist() == pytest.approx([3.0, 2.0, 0.0])


def test_nothing_known_is_no_error() -> None:
    for method, count in (("sobol", 8), ("morris", 4), ("oat", 3)):
        samples = sample(AXES, method, count, BASE, 0)
        study = study_of(analyse(samples, np.full((len(samples.points), 2), np.nan), 0), 2, undefined=2)
        assert finding(study) == (
            "“Coalitions” is not defined in any run at the last step, so nothing can be said of what matters for it. "
            "It is the number of coalitions of two agents or more."
        )
        assert cautions(study) == []
        assert "is not defined in any run, so" in finding(replace(study, outcome="mean"))
        failed = replace(study, failed=study.runs)
        assert "is not known: every run failed." in finding(failed)
        assert len(cautions(failed)) == 1
        assert "any run that did not fail" in finding(replace(study, failed=1))


def test_a_single_point_that_is_known_tells_too_little() -> None:
    samples = sample(read_axes(["homophily=0:10"], "--over"), "oat", 3, BASE, 0)
    values = np.full((len(samples.points), 2), np.nan)
    values[0], values[1] = 1.0, 2.0
    study = study_of(analyse(samples, values, 0), 2, undefined=4)
    assert "at too few points" in finding(study)
    assert "What is left" not in " ".join(cautions(study))


def test_few_effects_are_not_told() -> None:
    samples = sample(AXES, "morris", 6, BASE, 0)
    means = outcomes(samples, linear)[:, 0]
    while (~np.isnan(elementary_effects(samples, means)[0])).sum() >= 4:
        means[samples.place[np.flatnonzero((samples.varied == 0) & ~np.isnan(means[samples.place]))[0]]] = np.nan
    study = study_of(analyse(samples, means[:, None], 0))
    row = study.indices.rows["homophily"]
    left = int(row["effects"])
    assert 0 < left < 4
    assert all(math.isnan(row[name]) for name in ("mu", "mu_star", "mu_star_low", "mu_star_high", "sigma"))
    assert f"homophily has too few effects ({left}) to tell" in finding(study)
    assert ranked(study)[-1].parameter == "homophily"
    assert "too few effects to tell" in [text.get_text() for text in draw(study).axes[0].texts]
    none = finding(studied("morris", 3, linear))
    assert none.startswith("Too few effects (3 of a parameter at most) to tell what matters for “Coalitions”")
    assert "interval" not in none


# What is told.


def test_the_sobol_sentence_names_first_what_matters_most() -> None:
    told = finding(studied("sobol", 1024, lambda p: 3 * p["homophily"] / 10 + p["bias"] / 20))
    assert told.startswith("What matters most for “Coalitions” at the last step is homophily (total effect 0.9")
    assert ", then bias (total effect 0.1" in told
    assert "; confidence has no effect at all." in told
    assert "There is no sign of interactions" in told
    slight = finding(studied("sobol", 1024, lambda p: p["homophily"] + 0.01 * p["bias"] + 0.2 * p["confidence"]))
    assert "bias (0.00)" in slight
    assert "hardly matter." in slight
    assert "no effect at all" not in slight


def test_the_sobol_sentence_tells_interactions_and_ties() -> None:
    told = finding(studied("sobol", 1024, lambda p: (p["homophily"] / 10 - 0.5) * (p["bias"] / 20 - 0.5)))
    assert "homophily (total effect" in told
    assert "bias (total effect" in told
    assert " or " in told
    assert "their intervals overlap" in told
    assert "Interactions: about 1.0" in told or "Interactions: about 0.9" in told


def test_chance_is_not_told_as_an_effect() -> None:
    study = studied("sobol", 64, lambda p: p["homophily"], 2, spread=3.0)
    assert study.indices.chance > 0.2
    told = finding(study)
    assert "is homophily (total effect" in told
    share = f"{study.indices.chance:.2f} of the variance between points"
    assert told.count(f"not clearly above what chance alone would give ({share})") == 1
    assert "cannot be told from chance" not in told
    assert any("looks like interactions" in line for line in cautions(study))
    assert any("base points (--samples)" in line for line in cautions(study))
    nothing = studied("morris", 10, lambda _: 0.0, 2, spread=1.0)
    assert finding(nothing).startswith("No parameter’s effect on “Coalitions”")
    assert "is clearly above what chance alone would give (" in finding(nothing)


def test_sigma_is_told_as_the_method_has_it() -> None:
    """A σ beyond half of μ* is an interaction or a curve if it is beyond what chance gives, otherwise nothing known."""
    straight = finding(studied("morris", 20, linear))
    assert "No effect that matters depends much on where the parameters stand" in straight
    study = studied("morris", 20, lambda p: (p["homophily"] - 5) * (p["bias"] - 10), 3, 0.001)
    assert study.indices.rows["homophily"]["sigma"] > 0.8 * study.indices.rows["homophily"]["mu_star"]
    said = finding(study)
    assert "interactions, or curves." in said
    assert "No effect that matters depends" not in said
    noise = finding(studied("morris", 20, lambda _: 0.0, 3, 1.0))
    assert "cannot be told: chance alone would make σ as large" in noise
    assert "interactions" not in noise
    alone = finding(studied("morris", 20, ishigami, 1))
    assert "interactions, curves, or chance." in alone


def test_one_seed_cannot_tell_chance() -> None:
    assert any("cannot be told from interactions" in line for line in cautions(studied("sobol", 8, linear)))


def test_the_morris_sentence() -> None:
    told = finding(studied("morris", 20, linear))
    assert "is homophily (3.00, interval 3.00 to 3.00, upwards), then bias (2.00" in told
    assert "downwards)" in told
    assert "confidence has no effect at all" in told
    slight = finding(studied("morris", 20, lambda p: p["homophily"] + 0.001 * p["bias"] + 0.01 * p["confidence"]))
    assert "hardly matter" in slight


def test_the_sentence_of_one_at_a_time() -> None:
    told = finding(studied("oat", 5, linear, 4, spread=0.001))
    assert "most is homophily (from −0.80 at 0 to 2.20 at 10; range 3.00, interval 3.00 to 3.00)" in told
    assert ", then bias" in told
    assert "says nothing of interactions" in told


def test_parameters_are_ranked() -> None:
    assert [effect.parameter for effect in ranked(studied("morris", 6, linear))] == ["homophily", "bias", "confidence"]


# Figures and page.


def test_the_bars_are_the_indices() -> None:
    study = studied("sobol", 64, ishigami)
    (ax,) = draw(study).axes
    table = study.indices.table.sort_values("total", ascending=False)
    widths = [[bar.get_width() for bar in group] for group in ax.containers if hasattr(group, "patches")]
    assert widths == [table["first"].tolist(), table["total"].tolist()]


def test_the_effects_are_drawn() -> None:
    study = studied("morris", 8, ishigami)
    (ax,) = draw(study).axes
    table = study.indices.table.sort_values("mu_star", ascending=False)
    assert [bar.get_width() for bar in ax.patches] == table["mu_star"].tolist()
    points = ax.collections[-1].get_offsets()
    assert np.allclose(np.sort(points[:, 0]), np.sort(table["sigma"]))


def test_the_curves_are_the_means() -> None:
    axes = read_axes(["homophily=1:100:log", "entry=nash,individual", "memory_size=none,4,8"], "--over")
    samples = sample(axes, "oat", 5, BASE, 0)
    worth = {"nash": 0.0, "individual": 9.0}
    found = analyse(samples, outcomes(samples, lambda p: math.log10(p["homophily"]) + worth[p["entry"]], 4, 0.1), 0)
    study = study_of(found, 4)
    panels = {ax.get_title(loc="left"): ax for ax in draw(study).axes}
    assert panels["homophily"].get_xscale() == "log"
    assert "100" in [label.get_text() for label in panels["homophily"].get_xticklabels()], "not in TeX"
    curve = np.asarray(panels["homophily"].lines[0].get_ydata())
    assert curve == pytest.approx([9, 9.5, 10, 10.5, 11], abs=0.2)
    assert [label.get_text() for label in panels["entry"].get_xticklabels()] == ["nash", "individual"]
    assert [label.get_text() for label in panels["memory_size"].get_xticklabels()] == ["none", "4", "8"]


def test_spans_in_words() -> None:
    assert span(Axis("threshold", low=-0.1, high=0.1)) == "−0.1 to 0.1"
    assert span(Axis("memory_size", (None, 4))) == "none, 4"


def test_the_page_says_what_was_found_and_escapes_titles(made: Sensitivity) -> None:
    page = (made.path / "report.html").read_text()
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert made.sentence in page.replace("&#39;", "'")
    row = made.indices.set_index("parameter").loc["bias"]
    assert f"{row['total']:.2f} ({row['total_low']:.2f} to {row['total_high']:.2f})" in page
    assert "data:image/png;base64," in page
    for source in ("Sobol’ (2001)", "Saltelli et al. (2010)", "Jansen (1999)"):
        assert source in page
    assert "<script" not in page


@pytest.mark.parametrize(("method", "source"), [("morris", "Campolongo"), ("oat", "Saltelli &amp; Annoni")])
def test_pages_of_the_other_methods(method: str, source: str) -> None:
    page = render(studied(method, 4, linear, 2, 0.1), SCENARIO, {}, None)
    assert source in page
    assert "μ*" in page or method == "oat"


# The folder.


def test_the_folder_of_an_analysis_is_a_sweep(made: Sensitivity) -> None:
    sweep = SweepTables(made.path)
    assert sweep.plan["design"] == "given"
    assert len(sweep.metrics) == 2 * 320
    for name in ("indices.parquet", "sensitivity.json", "figures/sensitivity.png", "figures/sensitivity.svg"):
        assert (made.path / name).is_file()
    stored = pd.read_parquet(made.path / "indices.parquet")
    assert stored["total"].tolist() == made.indices["total"].tolist()
    assert set(stored["measure"]) == {"coalitions"}
    summary = json.loads(json.dumps(made.summary(), allow_nan=False))
    assert summary["runs"] == 320
    assert summary["failed"] == 0
    assert summary["finding"] == made.sentence
    assert summary["chance_share"] is None
    assert summary["indices"][1]["parameter"] == "bias"
    assert "homophily" in made._repr_html_()


def test_a_run_that_fails_is_recorded_and_made_up_for_later(tmp_path: Path) -> None:
    options: dict[str, Any] = {"method": "morris", "samples": 4, "seeds": 2, "workers": 1}

    def broken(point: dict[str, Any]) -> float:
        if point == plan.points[5]:
            raise ValueError("no such luck")
        return ishigami(point)

    plan = plan_sensitivity(SCENARIO, OVER, "coalitions", method="morris", samples=4, seeds=2).plan
    assert len(plan.points) == 14, "two of 16 rows are where others are"
    found = analyse_sensitivity(SCENARIO, OVER, "coalitions", out=tmp_path / "a", perform=runs_of(broken), **options)
    assert found.failed == 2
    assert found.summary()["missing_points"] == 1
    assert "2 runs of 28 failed" in " ".join(found.summary()["cautions"])
    assert "no such luck" in SweepTables(tmp_path / "a").failures["error"][0]
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "metrics").rglob("*.parquet")}
    again = analyse_sensitivity(SCENARIO, OVER, "coalitions", out=tmp_path / "a", perform=runs_of(ishigami), **options)
    assert again.failed == 0
    assert all(path.stat().st_mtime_ns == time for path, time in times.items()), "only what was missing has run"
    clean = analyse_sensitivity(SCENARIO, OVER, "coalitions", out=tmp_path / "b", perform=runs_of(ishigami), **options)
    for name in ("indices.parquet", "sensitivity.json", "figures/sensitivity.png", "figures/sensitivity.svg"):
        assert (again.path / name).read_bytes() == (clean.path / name).read_bytes(), name


def test_real_runs_and_another_measure_of_the_same_runs(tmp_path: Path) -> None:
    options: dict[str, Any] = {"method": "oat", "samples": 3, "seeds": 2, "workers": 1, "out": tmp_path / "oat"}
    over = ["threshold=-1:1", "entry=nash,contractual"]
    told: list[int] = []
    first = analyse_sensitivity(SCENARIO, over, "coalitions", announce=lambda e: told.append(e.plan.runs), **options)
    assert told == [2 * 6]
    assert "threshold" in first.sentence
    runs = finished(first.path)

    def never(*_: Any) -> Any:
        raise AssertionError("a run was made again")

    second = analyse_sensitivity(SCENARIO, over, "alone", outcome="mean", perform=never, **options)
    assert finished(second.path) == runs
    assert second.failed == 0
    last = SweepTables(second.path).metrics.groupby(["point", "replicate"])["alone"].mean()
    assert second.study.indices.means[0] == pytest.approx(last.loc[0].mean())


def test_outcomes_are_the_last_step_or_the_mean() -> None:
    metrics = pd.DataFrame(
        {"point": [0, 0, 1, 1], "replicate": [0, 0, 1, 1], "step": [2, 1, 1, 2], "alone": [1.0, 0.0, 0.5, np.nan]}
    )
    end = outcomes_of(metrics, "alone", "end", 2, 2)
    mean = outcomes_of(metrics, "alone", "mean", 2, 2)
    assert np.array_equal(end, [[1.0, np.nan], [np.nan, np.nan]], equal_nan=True)
    assert np.array_equal(mean, [[0.5, np.nan], [np.nan, 0.5]], equal_nan=True)
    assert np.isnan(outcomes_of(metrics[:0], "alone", "end", 2, 2)).all()


# Bad input.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"measure": "coalition"}, "--measure: found 'coalition'; did you mean 'coalitions'"),
        ({"method": "sobel"}, "--method: found 'sobel'; sobol, morris, oat are accepted"),
        ({"outcome": "last"}, "--outcome: found 'last'; end, mean are accepted"),
        ({"samples": 100}, "--samples: found 100; sobol takes a power of two, as 64 or 128"),
        ({"samples": 1}, "--samples: found 1; 2 to 1,048,576 base points are accepted"),
        ({"seeds": 0}, "--seeds: found 0"),
        ({"over": ["homophily=0:10"]}, "--over: found one parameter; sobol takes two or more, oat also one"),
        ({"over": ["homophily=0:10", "bias=3"]}, "--over bias: found one value"),
        (
            {"over": ["homophily=5"], "method": "oat"},
            "--over homophily: found one value; at least two, or a range, are accepted",
        ),
        ({"over": ["homophily=0:10", "seed=1:9"]}, "--over: found 'seed'"),
        ({"homophily": 3}, "--set homophily: is set and varied"),
    ],
)
def test_bad_input_is_told_in_one_line(changes: dict[str, Any], message: str) -> None:
    arguments = {"over": OVER, "measure": "coalitions", **changes}
    with pytest.raises(InputError) as told:
        plan_sensitivity(SCENARIO, **arguments)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_one_at_a_time_takes_its_base_from_what_is_set() -> None:
    question = plan_sensitivity(SCENARIO, ["homophily=0:10"], "coalitions", method="oat", samples=3, homophily=3)
    assert question.samples.points[0] == {"homophily": 3.0}


def test_salib_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "SALib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "SALib", None)
    with pytest.raises(InputError, match=r'pip install "jepa-ecosystem\[sensitivity\]"'):
        plan_sensitivity(SCENARIO, OVER, "coalitions")
    assert plan_sensitivity(SCENARIO, OVER, "coalitions", method="oat").samples.points


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    studied("sobol", 8, ishigami)
    studied("morris", 8, ishigami)
    assert capfd.readouterr() == ("", "")


def test_figures_need_no_screen() -> None:
    assert isinstance(draw(studied("oat", 3, linear)), Figure)
    assert load_scenario(SCENARIO) is SCENARIO
