"""The summaries of a sweep: bands, whether the replicates suffice, and whether the runs fall in two clusters."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.sweep import summarise as summaries
from ecosystem.sweep.dataset import encode, labelled, part, store
from ecosystem.sweep.modes import bimodal, two_modes
from ecosystem.sweep.plan import Job
from ecosystem.sweep.replication import Sufficiency, noise, recommend, runs_for, runs_needed
from ecosystem.sweep.spread import quantile_bands, spread_of
from ecosystem.sweep.summarise import summarise

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
Array = NDArray[np.float64]

drawn = given(
    seed=st.integers(0, 10**6), n=st.integers(1, 30), holes=st.sampled_from([0.0, 0.3, 1.0]), coarse=st.booleans()
)


def draw(seed: int, n: int, holes: float, coarse: bool, k: int = 4) -> Array:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, k))
    values = np.round(values) if coarse else values
    return np.where(rng.random((n, k)) < holes, np.nan, values)


# --- bands ---


@quick
@drawn
def test_quantiles_are_numpys(seed: int, n: int, holes: float, coarse: bool) -> None:
    values = draw(seed, n, holes, coarse)
    low, median, high = quantile_bands(values)
    for k in range(values.shape[1]):
        known = values[np.isfinite(values[:, k]), k]
        expected = np.quantile(known, [0.05, 0.5, 0.95]) if len(known) else [np.nan] * 3
        assert [low[k], median[k], high[k]] == pytest.approx(list(expected), nan_ok=True)
        assert len(known) == 0 or known.min() <= low[k] <= median[k] <= high[k] <= known.max()


@quick
@drawn
def test_spread_is_pandas_and_the_order_of_the_runs_no_matter(seed: int, n: int, holes: float, coarse: bool) -> None:
    values = draw(seed, n, holes, coarse)
    found, frame = spread_of(values), pd.DataFrame(values)
    for name, expected in (
        ("n", frame.count()),
        ("mean", frame.mean()),
        ("sd", frame.std()),
        ("low", frame.quantile(0.05)),
    ):
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-12)
    shuffled = spread_of(values[np.random.default_rng(seed + 1).permutation(n)])
    for name in found:
        np.testing.assert_array_equal(found[name], shuffled[name])


def test_a_band_of_one_run_is_that_run() -> None:
    found = spread_of(np.array([[2.5]]))
    assert [found[name][0] for name in ("n", "low", "median", "high", "mean")] == [1, 2.5, 2.5, 2.5, 2.5]
    assert np.isnan(found["sd"][0])


# --- do the replicates suffice ---


@pytest.mark.parametrize("n", [4, 6, 8, 10])
def test_noise_is_the_distance_of_halves_averaged_over_all_orders(n: int) -> None:
    runs = np.random.default_rng(n).gamma(2, size=n)
    halves = np.array(list(itertools.combinations(runs, n // 2)))
    s = runs.std(ddof=1)
    of_mean = np.sqrt(((halves.mean(1) - runs.mean()) ** 2).mean())
    of_spread = np.sqrt(((halves.var(1, ddof=1) - runs.var(ddof=1)) ** 2).mean()) / (2 * s)
    assert of_mean == pytest.approx(s / np.sqrt(n))
    assert noise(runs[:, None])[0] == pytest.approx(np.sqrt(n) * max(of_mean, of_spread))


@pytest.mark.parametrize("n", [4, 5, 7, 10, 20, 50, 200])
def test_runs_that_suffice_are_those_of_students_t(n: int) -> None:
    """With sd 1, n runs give a 95 % interval no wider than 1.96 × 0.2 to each side, and n - 1 would not."""
    t = stats.t.ppf(0.975, [n - 1, n - 2]) / stats.norm.ppf(0.975)
    just, short = 0.2 * np.sqrt([n, n - 1]) / t
    assert runs_for(just * 0.99, 0.2) <= n
    assert runs_for(just * 1.03, 0.2) > n
    assert n == 4 or runs_for(short * 0.97, 0.2) < n


@pytest.mark.parametrize(
    ("values", "scale", "expected"),
    [
        ([0.4] * 10, 0.3, 4),  # all alike
        ([0.0] * 10, None, 4),
        ([0.0, 1.0] * 10, 0.5, 29),  # s² = 20/19 / 4: 25 × 20/19 + 2.5 = 28.8
        ([0.0, 1.0] * 10, 5.0, 4),
        ([100.0, 101.0] * 10, 0.5, 4),  # half a per cent of the mean
        ([1.0, 2.0, 3.0], 1.0, None),
        ([1.0, 2.0, 3.0, np.nan, np.nan], 1.0, None),
        ([], 1.0, None),
    ],
)
def test_runs_needed(values: list[float], scale: float | None, expected: int | None) -> None:
    assert runs_needed(values, scale) == expected


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(4, 30), factor=st.sampled_from([-4.0, 0.5, 8.0]))
def test_runs_needed_know_neither_order_nor_unit(seed: int, n: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    runs = rng.exponential(size=n)
    needed = runs_needed(runs, 2.0)
    assert needed is not None
    assert runs_needed(rng.permutation(runs), 2.0) == needed
    assert runs_needed(np.append(runs, np.nan), 2.0) == needed
    assert runs_needed(runs * factor, 2.0 * abs(factor)) == needed
    assert (runs_needed(runs, 1.0) or 0) >= needed >= 4


@pytest.mark.parametrize(
    ("name", "sd", "kurtosis", "within_two"),
    [("normal", 1.0, 3.0, 0.85), ("random", 12**-0.5, 1.8, 0.9), ("exponential", 1.0, 9.0, 0.3)],
)
def test_needed_is_about_right(name: str, sd: float, kurtosis: float, within_two: float) -> None:
    """By ten runs, for an outcome that the design does not move: within a factor of two of the truth."""
    truth = 25 * max(1, (kurtosis - 1) / 4) + 2.5
    values = getattr(np.random.default_rng(0), name)(size=(10, 2000))
    needed = runs_for(noise(values), 0.2 * sd)
    assert ((truth / 2 <= needed) & (needed <= truth * 2)).mean() >= within_two
    assert (needed <= 10).mean() <= 0.2  # the truth is 28 or more


def test_enough_is_said_when_it_is_true() -> None:
    rng = np.random.default_rng(0)
    share = {n: (runs_for(noise(rng.normal(size=(n, 1000))), 0.2) <= n).mean() for n in (5, 10, 30, 100)}
    assert share[5] < 0.05
    assert share[10] < 0.06
    assert 0.4 < share[30] < 0.9  # 28 are needed
    assert share[100] == 1


# --- two clusters ---


def naive_two_modes(values: Sequence[float]) -> bool | None:
    runs = sorted(v for v in values if np.isfinite(v))
    n = len(runs)
    if n < 8:
        return None
    splits = [k for k in range(2, n - 1) if min(k, n - k) >= 0.1 * n]
    best = min(splits, key=lambda k: k * np.var(runs[:k]) + (n - k) * np.var(runs[k:]))
    left, right = runs[:best], runs[best:]
    within = np.sqrt((np.var(left, ddof=1) + np.var(right, ddof=1)) / 2)
    smaller = min(len(left), len(right))
    apart = (np.mean(right) - np.mean(left)) * smaller / (smaller + 1)
    return bool(apart > (12**0.5 + 4.4 / n**0.5) * within)


def mixture(rng: np.random.Generator, n: int, samples: int, apart: float, share: float) -> Array:
    return np.asarray(rng.normal(size=(n, samples)) + apart * (rng.random((n, samples)) < share))


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), apart=st.sampled_from([0.0, 5.0, 8.0]))
def test_two_modes_equal_their_naive_form(seed: int, n: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    values = mixture(rng, n, 5, apart, 0.4)
    values[rng.random(values.shape) < 0.1] = np.nan
    found = bimodal(values)
    for k in range(5):
        expected = naive_two_modes(values[:, k])
        assert two_modes(values[:, k]) is expected
        assert two_modes(rng.permutation(values[:, k])) is expected
        assert two_modes(7 - 1e-3 * values[:, k]) is expected
        np.testing.assert_equal(found[k], np.nan if expected is None else float(expected))


@pytest.mark.parametrize("n", [8, 10, 20, 50, 100])
@pytest.mark.parametrize("name", ["normal", "random", "exponential"])
def test_one_cluster_is_seldom_taken_for_two(name: str, n: int) -> None:
    values = getattr(np.random.default_rng(n), name)(size=(n, 4000))
    assert bimodal(values).mean() <= 0.06


@pytest.mark.parametrize(
    ("n", "apart", "share", "least"),
    [
        (10, 10, 0.5, 0.9),
        (20, 10, 0.2, 0.85),
        (10, 6, 0.5, 0.45),
        (20, 6, 0.5, 0.8),
        (50, 6, 0.2, 0.9),
        (100, 4, 0.5, 0.7),
    ],
)
def test_two_clusters_are_seen(n: int, apart: float, share: float, least: float) -> None:
    assert bimodal(mixture(np.random.default_rng(n), n, 1000, apart, share)).mean() >= least


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([0.2] * 5 + [0.9] * 5, 0, True),  # two points
        ([0.2] * 8 + [0.9] * 2, 0, True),
        ([0.2] * 9 + [0.9], 0, False),  # one run is no cluster
        ([0.2] * 28 + [0.9] * 2, 0, False),  # nor is a fifteenth of the runs
        ([0.3] * 10, 0, False),
        ([0.1 + 0.2, 0.3] * 5, 0, False),  # rounding
        ([0.2] * 4 + [0.9] * 3, 0, None),
        ([np.nan] * 20, 0, None),
        ([0.0, 1.0] * 10, 1, False),  # settled in half of the runs: a share
        ([2.0, 3.0] * 10, 1, False),
        ([2.0] * 7 + [3.0] * 4 + [4.0] * 2, 1, False),
        ([1.0, 4.0] * 5, 1, True),
        ([1.0] * 40 + [2.0] * 3 + [3.0] * 57, 1, True),  # a valley between two hills
        ([3 / 14, 4 / 14] * 10, 1 / 14, False),  # an agent more or fewer
        ([3 / 14, 9 / 14] * 10, 1 / 14, True),
        ([2.03, 2.04, 2.05, 2.06, 2.07, 2.93, 2.94, 2.95, 2.96, 2.97], 1, False),  # means of counts
        ([2.03, 2.04, 2.05, 2.06, 2.07, 3.93, 3.94, 3.95, 3.96, 3.97], 1, True),
    ],
)
def test_known_clusters(values: list[float], unit: float, expected: bool | None) -> None:
    assert two_modes(values, unit) is expected


def test_counts_are_seldom_taken_for_two_clusters() -> None:
    rng = np.random.default_rng(0)
    for rate in (0.5, 2, 5):
        assert bimodal(rng.poisson(rate, (20, 2000)).astype(float), 1.0).mean() <= 0.05


# --- the summaries of a folder ---

Measured = Mapping[str, Any]


def lay_out(folder: Path, points: Sequence[Mapping[str, Any]], runs: Mapping[tuple[int, int], Measured]) -> Path:
    """Write a sweep's folder as its workers do: the measures by step of each (point, replicate)."""
    axes = [{"name": name, "values": [point[name] for point in points]} for name in points[0]]
    plan = {"axes": axes, "points": list(points), "replicates": 3, "hash": "0" * 8}
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "scenario.json").write_text(json.dumps({"personas": {name: {} for name in "abcdefghij"}}))
    for (point, replicate), measured in runs.items():
        n_steps = len(next(iter(measured.values())))
        table = pa.table(
            {"step": pa.array(range(1, n_steps + 1), pa.int32()), "topic": ["tax"] * n_steps, **measured,
             "cycle": pa.array([0] * n_steps, pa.int32())}
        )  # fmt: skip
        job = Job(point, replicate, 11 * replicate, dict(points[point]))
        store(folder, job, {"metrics": encode(labelled(table, job))})
    return folder


POINTS = ({"homophily": 0.0, "entry": "nash"}, {"homophily": 9.0, "entry": None})


def measured(rng: np.random.Generator, n_steps: int = 5) -> dict[str, Any]:
    alone = rng.random(n_steps)
    alone[rng.random(n_steps) < 0.2] = np.nan
    return {
        "coalitions": rng.integers(1, 5, n_steps).astype(float),
        "alone": alone,
        "bloc_recovery": np.full(n_steps, np.nan),
        "potential": rng.normal(1e6, 3, n_steps),
        "settled": rng.random(n_steps) < 0.5,
    }


def some_runs(seed: int = 0, points: Sequence[int] = (0, 1), replicates: int = 9) -> dict[tuple[int, int], Measured]:
    rng = np.random.default_rng(seed)
    return {(point, replicate): measured(rng) for point in points for replicate in range(replicates)}


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / "bands.parquet"), pd.read_parquet(folder / "outcomes.parquet")


def test_bands_and_outcomes_equal_their_naive_form(tmp_path: Path) -> None:
    runs = some_runs()
    bands, outcomes = read(summarised(lay_out(tmp_path / "sweep", POINTS, runs)))
    measures = ["coalitions", "alone", "bloc_recovery", "potential", "settled"]
    assert list(bands) == ["point", "step", "measure", "n", "low", "median", "high", "mean", "sd"]
    assert len(bands) == 2 * 5 * len(measures)
    assert len(outcomes) == 2 * 2 * len(measures)
    pooled: dict[tuple[str, str], list[float]] = {}
    for (point, replicate), name in itertools.product(runs, measures):
        series = pd.Series(runs[point, replicate][name]).astype(float)
        pooled.setdefault((name, "end"), []).append(series.iloc[-1])
        pooled.setdefault((name, "mean"), []).append(series.mean())
    for point, name in itertools.product((0, 1), measures):
        table = pd.DataFrame({r: runs[point, r][name] for r in range(9)}).astype(float)
        shown = bands[(bands["point"] == point) & (bands["measure"] == name)].set_index("step")
        assert list(shown.index) == [1, 2, 3, 4, 5]
        expected = {
            "n": table.count(axis=1), "low": table.quantile(0.05, axis=1), "median": table.quantile(0.5, axis=1),
            "high": table.quantile(0.95, axis=1), "mean": table.mean(axis=1), "sd": table.std(axis=1),
        }  # fmt: skip
        for column, numbers in expected.items():
            np.testing.assert_allclose(shown[column].astype(float), numbers, rtol=1e-9, atol=1e-12)
        for outcome, values in (("end", table.iloc[-1]), ("mean", table.mean())):
            of = (outcomes["point"] == point) & (outcomes["measure"] == name) & (outcomes["outcome"] == outcome)
            (row,) = outcomes[of].to_dict("records")
            assert (row["homophily"], row["entry"]) == tuple(POINTS[point].values())
            assert row["n"] == values.count()
            assert row["median"] == pytest.approx(values.quantile(0.5), nan_ok=True)
            assert row["sd"] == pytest.approx(values.std(), nan_ok=True, rel=1e-6)
            needed = runs_needed(values, float(pd.Series(pooled[name, outcome]).std()))
            assert (None if np.isnan(row["needed"]) else row["needed"]) == needed
            assert row["enough"] is (None if needed is None else bool(needed <= values.count()))
            unit = {"coalitions": 1, "settled": 1, "alone": 0.1}.get(name, 0)
            assert row["bimodal"] is two_modes(values, unit)


def summarised(folder: Path) -> Path:
    summarise(folder)
    return folder


def test_the_bytes_depend_on_nothing_but_the_runs(tmp_path: Path) -> None:
    runs = some_runs()
    again = dict(reversed(runs.items()))  # written in another order
    renumbered = {(point, 8 - replicate): run for (point, replicate), run in runs.items()}
    folders = [
        summarised(lay_out(tmp_path / name, POINTS, made))
        for name, made in (("one", runs), ("again", again), ("renumbered", renumbered))
    ]
    folders.append(summarised(folders[0]))
    for name in ("bands.parquet", "outcomes.parquet"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1
    assert not list(tmp_path.rglob("*.tmp"))


def test_points_without_runs_have_no_rows(tmp_path: Path) -> None:
    bands, outcomes = read(summarised(lay_out(tmp_path / "some", POINTS, some_runs(points=[1]))))
    assert set(bands["point"]) == set(outcomes["point"]) == {1}
    schema = pq.read_schema(tmp_path / "some" / "outcomes.parquet")
    bands, outcomes = read(summarised(lay_out(tmp_path / "none", POINTS, {})))
    assert len(bands) == len(outcomes) == 0
    assert pq.read_schema(tmp_path / "none" / "outcomes.parquet") == schema
    assert [schema.field(name).type for name in ("homophily", "entry")] == [pa.float64(), pa.string()]


def test_one_replicate_says_what_it_can(tmp_path: Path) -> None:
    bands, outcomes = read(summarised(lay_out(tmp_path / "sweep", POINTS, some_runs(replicates=1))))
    potential = outcomes[outcomes["measure"] == "potential"]
    assert (potential["low"] == potential["high"]).all()
    assert outcomes[["sd", "enough", "needed", "bimodal"]].isna().all(axis=None)
    assert bands["sd"].isna().all()
    assert recommend(outcomes).sentence() == "Whether 1 replicate suffices cannot be said: it takes at least 4."


def test_points_may_have_different_numbers_of_steps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = ({"steps": 3}, {"steps": 7})
    runs = {(point, r): measured(rng, points[point]["steps"]) for point in (0, 1) for r in range(4)}
    bands, outcomes = read(summarised(lay_out(tmp_path / "sweep", points, runs)))
    assert bands.groupby("point")["step"].max().to_list() == [3, 7]
    assert "steps" not in set(bands["measure"])
    ends = outcomes[(outcomes["measure"] == "potential") & (outcomes["outcome"] == "end")].set_index("point")
    for point in (0, 1):
        last = [runs[point, r]["potential"][-1] for r in range(4)]
        assert ends.loc[point, "median"] == pytest.approx(np.median(last))


def test_what_a_design_spreads_decides_what_is_enough(tmp_path: Path) -> None:
    """The same noise matters where the points are alike, and not where they are far apart."""
    rng = np.random.default_rng(0)
    found = {}
    for apart in (0.0, 10.0):
        runs = {(p, r): {"entropy": rng.normal(p * apart, 1, 3)} for p in (0, 1) for r in range(10)}
        outcomes = read(summarised(lay_out(tmp_path / str(apart), POINTS, runs)))[1]
        found[apart] = outcomes[outcomes["outcome"] == "end"]
    assert not found[0.0]["enough"].any()
    assert found[0.0]["needed"].between(14, 60).all()
    assert found[10.0]["enough"].all()


def test_memory_is_flat_in_the_number_of_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "_ROW_GROUP", 100)
    points = [{"homophily": float(p)} for p in range(30)]
    folder = lay_out(tmp_path / "sweep", points, some_runs(points=range(30), replicates=2))
    alive: list[weakref.ref[pa.Table]] = []
    most = []
    read_points = summaries.read_points

    def watched(*arguments: Any) -> Iterator[tuple[int, pa.Table]]:
        for point, rows in read_points(*arguments):
            alive.append(weakref.ref(rows))
            most.append(sum(len(table) for one in alive if (table := one()) is not None))
            yield point, rows

    monkeypatch.setattr(summaries, "read_points", watched)
    summarise(folder)
    assert len(most) == 30
    assert max(most) <= 2 * 10  # rows of a point and of the one before it
    bands = pq.ParquetFile(folder / "bands.parquet")
    groups = [bands.metadata.row_group(k).num_rows for k in range(bands.num_row_groups)]
    assert sum(groups) == 30 * 25
    assert max(groups) == 100
    assert bands.read()["point"].to_pylist() == sorted(list(range(30)) * 25)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    summarise(lay_out(tmp_path / "sweep", POINTS, some_runs()), lambda *now: told.append(now))
    assert told == [("summarise", 0, 2), ("summarise", 1, 2), ("summarise", 2, 2)]


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a sweep's folder"):
        summarise(tmp_path)
    rng = np.random.default_rng(0)
    uneven = {(0, 0): measured(rng, 3), (0, 1): measured(rng, 4)}
    with pytest.raises(InputError, match="design point 0: holds runs of different steps"):
        summarise(lay_out(tmp_path / "uneven", POINTS, uneven))
    other = {(0, 0): measured(rng), (1, 0): {"entropy": [1.0]}}
    with pytest.raises(InputError, match="design point 1: has other columns"):
        summarise(lay_out(tmp_path / "other", POINTS, other))
    broken = lay_out(tmp_path / "broken", POINTS, some_runs(replicates=2))
    part(broken, "metrics", 1, 1).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"replicate-0001\.parquet: cannot be read"):
        summarise(broken)
    (broken / "scenario.json").write_text("[]")
    with pytest.raises(InputError, match=r"scenario\.json: is not the scenario of a sweep"):
        summarise(broken)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("bands.parquet"))


def test_measures_that_move_in_steps_are_in_the_catalogue() -> None:
    assert set(CATALOGUE) >= summaries.COUNTS | summaries.SHARES


def test_summaries_load_nothing_heavy() -> None:
    script = "import sys, ecosystem.sweep.summarise\nprint(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "mesa", "matplotlib", "pandas", "scipy", "sklearn", "networkx"}


# --- the sentence ---


def judged(rows: Sequence[tuple[int, str, str, bool | None, float]]) -> pd.DataFrame:
    columns = ["point", "outcome", "measure", "enough", "needed"]
    frame = pd.DataFrame(rows, columns=columns).assign(n=10)
    frame.insert(1, "homophily", frame["point"] * 4.5)
    frame.insert(2, "entry", np.where(frame["point"] == 0, None, "nash"))
    return frame


def test_the_sentence_names_the_most_uncertain() -> None:
    rows = [
        (0, "end", "churn", True, 4), (0, "mean", "churn", False, 31), (2, "end", "churn", True, 5),
        (0, "end", "alone", True, 9), (2, "end", "alone", True, 10), (2, "end", "entropy", False, 143),
        (2, "end", "bloc_recovery", None, np.nan),
    ]  # fmt: skip
    found = recommend(judged(rows))
    assert found == Sufficiency(10, 3, 1, "entropy", "end", {"homophily": 9.0, "entry": "nash"}, 143)
    assert found.sentence() == (
        "10 replicates suffice for 1 of 3 measures at every point; the most uncertain is Entropy (at the end) at "
        "homophily=9, entry=nash, which would need about 140."
    )
    assert "Churn (mean over the steps) at homophily=0, entry=None" in recommend(judged(rows[:3])).sentence()
    unsure = [(0, "end", "churn", False, 31), (2, "end", "alone", False, 30)]
    assert "suffice for none of 2 measures" in recommend(judged(unsure)).sentence()
    sure = [(0, "end", "churn", True, 9), (2, "end", "alone", True, 10)]
    assert recommend(judged(sure)).sentence() == "10 replicates suffice for all 2 measures at every point."


def test_no_sentence_without_runs() -> None:
    assert recommend(judged([])).judged == 0
    assert recommend(judged([])).sentence().startswith("Whether 0 replicates suffice cannot be said")
