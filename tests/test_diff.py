"""Two runs, or two sweeps, side by side: differences that are there are found, and none that are not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ecosystem
from ecosystem.console_differences import print_difference
from ecosystem.differing import DifferenceOfRuns, DifferenceOfSweeps, diff
from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.record.company import Company
from ecosystem.record.content import same_content
from ecosystem.record.settings import scenario_rows
from ecosystem.report.differences import to_html
from ecosystem.report.notebook import Run
from ecosystem.scenario import Scenario
from ecosystem.sweep.dataset import FAILURES, encode, labelled, store
from ecosystem.sweep.plan import Job, Plan, settle
from ecosystem.sweep.reader import SweepTables
from ecosystem.sweep.work import failure_row
from ecosystem.sweeping import plan_sweep

Tables = Mapping[str, pa.Table]


def of_runs(a: Any, b: Any) -> DifferenceOfRuns:
    found = diff(a, b)
    assert isinstance(found, DifferenceOfRuns)
    return found


def of_sweeps(a: Any, b: Any) -> DifferenceOfSweeps:
    found = diff(a, b)
    assert isinstance(found, DifferenceOfSweeps)
    return found


# Runs.


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two runs of a debate that part after a while, one of other people, and one in which nothing is said."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for writer in ("gallery.write_figures", "document.write_report", "odd.write_odd"):  # nothing here reads these
            patch.setattr(f"ecosystem.report.{writer}", lambda *_: None)
        return {
            "a": ecosystem.run("climate-debate", steps=12, seed=1, out=out),
            "b": ecosystem.run("climate-debate", steps=15, seed=1, homophily=30, out=out),
            "other": ecosystem.run("climate-shock", steps=4, seed=1, out=out),
            "silent": ecosystem.run("unix-1988", steps=3, seed=1, out=out),
        }


@pytest.fixture
def copy(runs: dict[str, Run], tmp_path: Path) -> Path:
    """A copy of the first run, to be changed."""
    return Path(shutil.copytree(runs["a"].path, tmp_path / "copy"))


def rewrite(folder: Path, table: str, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    path = folder / f"{table}.parquet"
    pq.write_table(change(pq.read_table(path)), path, **options)


def test_a_run_and_its_copy_do_not_differ(runs: dict[str, Run], copy: Path) -> None:
    for table in ("metrics", "events", "latents", "affinity"):  # other bytes, the same content
        rewrite(copy, table, lambda rows: rows, compression="none", row_group_size=7)
    found = of_runs(runs["a"], copy)
    assert found.identical
    assert set(found.tables) == {path.stem for path in copy.glob("*.parquet")}
    assert found.parameters.empty
    assert found.measures["first"].isna().all()
    assert (found.coalitions["kept"] == 1).all()
    assert found.agreement["same"].all()
    assert found.first_events == (None, None)
    assert found.utterances["same"].all()
    summary = found.summary()
    assert summary["parted"] == {"utterances": None, "measures": None, "events": None, "coalitions": None}
    assert (summary["utterances"]["first"], summary["coalitions"]["moved"]) == (None, [])


def test_one_value_in_one_table_is_a_difference(runs: dict[str, Run], copy: Path) -> None:
    def nudge(rows: pa.Table) -> pa.Table:
        values = rows["opinion"].to_numpy().copy()
        values[100] = np.nextafter(values[100], np.float32(2))
        return rows.set_column(rows.schema.get_field_index("opinion"), "opinion", pa.array(values))

    rewrite(copy, "opinions", nudge)
    (copy / "latents.parquet").unlink()
    found = of_runs(runs["a"], copy)
    assert not found.identical
    assert {name: how for name, how in found.tables.items() if how != "same"} == {
        "opinions": "different",
        "latents": "a",
    }
    assert found.measures["first"].isna().all()


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ([1.0, float("nan")], [1.0, 2.0]),
        ([1.0, None], [1.0, float("nan")]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([["a"], None], [["a"], []]),
        ([[0.5, float("nan")]], [[0.5, 1.0]]),
        (["a", "b"], ["a", "c"]),
        ([1, 2], [1, 2, 3]),
        ([1, 2], [1.0, 2.0]),
    ],
)
def test_contents_are_told_apart(column: list[Any], other: list[Any], tmp_path: Path) -> None:
    for name, values, compression in (("one", column, "none"), ("same", column, "zstd"), ("other", other, "none")):
        pq.write_table(pa.table({"x": pa.array(values)}), tmp_path / name, compression=compression)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "same").read_bytes()
    assert same_content(tmp_path / "one", tmp_path / "same")
    assert not same_content(tmp_path / "one", tmp_path / "other")


def test_settings_that_differ(runs: dict[str, Run], copy: Path) -> None:
    rows = of_runs(runs["a"], runs["b"]).parameters.to_dict("records")
    assert rows == [
        {"what": "parameter", "name": "steps", "a": 12, "b": 15},
        {"what": "parameter", "name": "homophily", "a": 2.0, "b": 30.0},
    ]
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["versions"]["numpy"], manifest["weights_sha256"] = "1.0", "f" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    rows = of_runs(runs["a"], copy).parameters.to_dict("records")
    assert rows == [
        {"what": "weights", "name": "sha256", "a": runs["a"].manifest["weights_sha256"][:12], "b": "f" * 12},
        {"what": "software", "name": "numpy", "a": runs["a"].manifest["versions"]["numpy"], "b": "1.0"},
    ]


def test_measures(runs: dict[str, Run]) -> None:
    found = of_runs(runs["a"], runs["b"]).measures.set_index("measure")
    a, b = (run.metrics.iloc[:12] for run in (runs["a"], runs["b"]))
    assert set(found.index) == set(CATALOGUE)
    for name in CATALOGUE:
        ends, means = (a[name].iloc[-1], b[name].iloc[-1]), (a[name].mean(), b[name].mean())
        np.testing.assert_allclose(found.loc[name, ["end_a", "end_b"]].astype(float), ends)
        np.testing.assert_allclose(found.loc[name, ["mean_a", "mean_b"]].astype(float), means)
        np.testing.assert_allclose(found.loc[name, "end_difference"], ends[1] - ends[0])
        unlike = [
            step for step, x, y in zip(a["step"], a[name], b[name], strict=True) if x != y and not x != x != y != y
        ]
        assert found.loc[name, "first"] is pd.NA if not unlike else found.loc[name, "first"] == unlike[0], name
    assert found["first"].min() > 1, "homophily acts once there is alignment"
    assert found["relative"].between(0, 1).sum() > 20
    assert found["relative"].fillna(0).is_monotonic_decreasing


def test_coalitions(runs: dict[str, Run]) -> None:
    found = of_runs(runs["a"], runs["b"])
    last = []
    for side in "ab":
        rows = runs[side].memberships.query("step == 12").set_index("agent")["coalition"]
        assert found.coalitions.set_index("agent")[side].to_dict() == rows.to_dict()
        last.append({key: {other for other in rows.index if rows[other] == rows[key]} for key in rows.index})
    for row in found.coalitions.itertuples():
        one, other = last[0][row.agent], last[1][row.agent]
        assert row.kept == pytest.approx(len(one & other) / len(one | other))
    summary = found.summary()["coalitions"]
    names = runs["a"].manifest["agents"]
    assert {frozenset(block["members"]) for block in summary["a"]} == {
        frozenset(names[key] for key in block) for block in last[0].values() if len(block) > 1
    }
    assert set(summary["alone_b"]) == {names[key] for key, block in last[1].items() if len(block) == 1}
    assert set(summary["moved"]) == {names[key] for key in names if last[0][key] != last[1][key]}
    assert summary["ari"] < 1
    assert found.agreement["same"].iloc[0]
    unlike = found.agreement.loc[~found.agreement["same"], "step"]
    assert found.parted["coalitions"] == unlike.min()
    assert (found.agreement["ari"] < 1).sum() == len(unlike)


def test_company_by_hand() -> None:
    a, b = np.array([[0, 0, 1, 1], [0, 0, 1, 1]]), np.array([[9, 9, 4, 4], [5, 5, 6, 7]])
    everyone = np.ones((2, 4), bool)
    company = Company(a, b, everyone, everyone)
    assert company.kept().tolist() == [1, 1, 0.5, 0.5]
    assert company.agreement()["ari"].round(3).tolist() == [1, 0.571]
    assert company.agreement()["same"].tolist() == [True, False]
    someone = everyone.copy()
    someone[:, 3] = False
    absent = Company(a, b, everyone, someone)
    assert absent.agreement()["same"].tolist() == [False, False]
    assert absent.agreement()["ari"].tolist() == [1, 1], "of those who are there, all stand alike"


def test_events(runs: dict[str, Run]) -> None:
    found = of_runs(runs["a"], runs["b"])
    tables = [runs[side].events.query("step <= 12") for side in "ab"]
    for row in found.events.itertuples():
        assert (row.a, row.b) == tuple((table["event"] == row.event).sum() for table in tables)
        assert row.difference == row.b - row.a
    told = [
        [(e.step, e.event, frozenset(e.agents), frozenset(e.partners)) for e in table.itertuples()] for table in tables
    ]
    step = next(s for s in range(1, 13) if {e for e in told[0] if e[0] == s} != {e for e in told[1] if e[0] == s})
    expected = [
        next((k for k, e in enumerate(own) if e[0] == step and e not in other), None)
        for own, other in (told, told[::-1])
    ]
    assert found.first_events == tuple(expected)
    assert found.parted["events"] == step
    explained = found.summary()["events"]["told"]
    for side, row in zip("ab", expected, strict=True):
        assert explained[side] == (None if row is None else str(runs[side].explain(row)))
    assert any(explained.values())


def test_what_is_said(runs: dict[str, Run]) -> None:
    found = of_runs(runs["a"], runs["b"])
    said = [
        {(row.step, row.speaker): row.text for row in runs[side].utterances.query("step <= 12").itertuples()}
        for side in "ab"
    ]
    unlike = [key for key in sorted({*said[0], *said[1]}) if said[0].get(key) != said[1].get(key)]
    summary = found.summary()["utterances"]
    assert (summary["said"], summary["same"]) == (len({*said[0], *said[1]}), len({*said[0], *said[1]}) - len(unlike))
    first = summary["first"]
    assert first["step"] == unlike[0][0] == found.parted["utterances"]
    keys = {name: key for key, name in runs["a"].manifest["agents"].items()}
    at = (first["step"], keys[first["speaker"]])
    assert (first["a"], first["b"]) == (said[0].get(at), said[1].get(at))
    assert first["others"] == sum(key[0] == first["step"] for key in unlike) - 1


def test_runs_of_other_people(runs: dict[str, Run]) -> None:
    found = of_runs(runs["a"], runs["other"])
    summary = found.summary()
    assert summary["compared"]["steps"] == 4
    assert summary["compared"]["agents"] == 0
    assert summary["compared"]["agents_a"] == list(runs["a"].manifest["agents"].values())
    assert {"what": "scenario", "name": "name", "a": "climate-debate", "b": "climate-shock"} in summary["parameters"]
    assert (summary["coalitions"]["ari"], summary["parted"]["coalitions"]) == (None, None)
    assert found.first_events == (None, None)
    assert summary["measures"][0]["relative"] > 0.5
    assert len(found.coalitions) == 20
    quiet = of_runs(runs["silent"], runs["silent"]).summary()
    assert quiet["identical"]
    assert quiet["utterances"] == {"said": 0, "same": 0, "first": None}


def scenario(**changes: Any) -> Scenario:
    ada = {"name": "Ada", "corpus": [{"text": text, "topic": "t"} for text in ("one", "two", "three")]}
    ben = {"name": "Ben", "corpus": [{"text": "four", "topic": "t"}], "traits": {"openness": 0.5}}
    told = {"name": "duet", "topics": [{"id": "t"}], "personas": {"ada": ada, "ben": ben}} | changes
    return Scenario.model_validate(told)


def test_scenarios_that_differ() -> None:
    ada = {"name": "Ada L.", "corpus": [{"text": text, "topic": "t"} for text in ("two", "one", "five", "six")]}
    cem = {"name": "Cem", "corpus": [{"text": "four", "topic": "u"}]}
    shock = {"step": 3, "kind": "shock", "homophily": 5.0, "max_coalitions": None}
    other = scenario(
        topics=[{"id": "t", "motion": "Yes."}, {"id": "u", "title": "You"}],
        personas={"ada": ada, "cem": cem},
        interventions=[shock],
        parameters={"bias": 3, "seed": 4},
    )
    rows = [tuple(row.values()) for row in scenario_rows(scenario(), other, aside=["seed"])]
    assert rows == [
        ("parameter", "bias", 8.0, 3.0),
        ("topic", "t.motion", None, "Yes."),
        ("topic", "u", None, "You"),
        ("persona", "ada.name", "Ada", "Ada L."),
        ("corpus", "ada", 1, 2),
        ("persona", "ben", "Ben", None),
        ("persona", "cem", None, "Cem"),
        ("intervention", "step 3, shock", None, "homophily: 5.0, max_coalitions: null"),
    ]
    assert scenario_rows(other, other) == []
    backwards = scenario_rows(other, scenario(), aside=["seed"])
    assert sorted((r["what"], r["name"], r["b"], r["a"]) for r in backwards if r["what"] != "persona") == sorted(
        row for row in rows if row[0] != "persona"
    )


def test_scenarios_in_another_order_and_with_given_affinity() -> None:
    ada = {"name": "Ada", "corpus": [{"text": text, "topic": "t"} for text in ("two", "one", "three")]}
    ben = {"name": "Ben", "corpus": [{"text": "four", "topic": "t"}], "traits": {"openness": 0.4}}
    rows = [tuple(row.values()) for row in scenario_rows(scenario(), scenario(personas={"ada": ada, "ben": ben}))]
    assert rows == [("persona", "ada.corpus", "in one order", "in another"), ("persona", "ben.openness", 0.5, 0.4)]
    personas = {key: {"name": key, "corpus": []} for key in ("ada", "ben")}
    one, other = (
        scenario(personas=personas, affinity={"ada": given, "ben": {}}) for given in ({"ben": 0.5}, {"ben": 0.4})
    )
    assert [tuple(row.values()) for row in scenario_rows(one, other)] == [("affinity", "pairs given", 1, 1)]


# What a terminal and a notebook show.


def shown(summary: Mapping[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is printed on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    print_difference(summary)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(re.sub("[│┃┏┡└━─┓┩┘╇┳┴┼]", " ", text).split())


def test_runs_on_a_terminal(
    runs: dict[str, Run], copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = of_runs(runs["a"], runs["b"]).summary()
    text = shown(summary, capsys, monkeypatch)
    assert "homophily 2 30" in text
    assert "Compared up to step 12, the last that both have; steps 13 to 15 of B are left out." in text
    assert f"at step {summary['parted']['utterances']} in what is said" in text
    assert CATALOGUE[summary["measures"][0]["measure"]].title in text
    for block in summary["coalitions"]["b"]:
        assert f"{block['coalition']}: {block['members'][0]}" in text
    same = shown(of_runs(runs["a"], copy).summary(), capsys, monkeypatch)
    assert "No difference in any table (12 tables compared). Given The same settings." in same
    assert "Measures" not in same
    others = shown(of_runs(runs["a"], runs["other"]).summary(), capsys, monkeypatch)
    assert "No agent is in both: who stands with whom cannot be compared." in others
    assert "more of persona" in others


def test_names_are_no_markup(
    runs: dict[str, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = of_runs(runs["a"], runs["b"]).summary()
    summary["a"]["title"] = "[bold]<b>Loud</b>[/bold]"
    summary["coalitions"]["alone_a"] = ["[red]Ada[/red]", "<i>Ben</i>"]
    text = shown(summary, capsys, monkeypatch)
    assert "[bold]<b>Loud</b>[/bold]" in text
    assert "alone: [red]Ada[/red], <i>Ben</i>" in text
    page = to_html(summary)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;Loud&lt;/b&gt;" in page
    assert of_runs(runs["a"], runs["b"])._repr_html_().count("<table>") == 5


def test_json_is_strict(runs: dict[str, Run]) -> None:
    for other in ("b", "other", "silent"):
        summary = of_runs(runs["a"], runs[other]).summary()
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
        assert list(summary)[:4] == ["kind", "a", "b", "identical"]


# Sweeps.


def sweep(
    folder: Path, effect: float = 0.0, runs: int | None = None, fails: int = 0, seeds: int = 8, **options: Any
) -> Path:
    """Write a sweep whose measures are known: coalitions = 2 homophily + noise of the seed + effect, over two steps."""
    vary = options.pop("vary", ["homophily=0,5"])
    plan: Plan = settle(plan_sweep("climate-duet", vary, seeds=seeds, **({"steps": 2} | options)), folder)
    for number, job in enumerate(list(plan.jobs())[:runs]):
        if number < fails:
            store(folder, job, {FAILURES: encode(failure_row(job, "it broke [here]", "trace"))})
        else:
            store(folder, job, {name: encode(labelled(table, job)) for name, table in planted(job, effect).items()})
    return folder


def noise(seed: int) -> float:
    return float(np.random.default_rng(seed).normal())


def planted(job: Job, effect: float) -> Tables:
    at = 2 * job.changes.get("homophily", 2.0) + noise(job.seed) + effect
    odd = job.replicate % 2 == 1
    metrics = {
        "step": pa.array([1, 2], pa.int32()),
        "coalitions": pa.array([at - 1, at], pa.float64()),
        "largest": pa.array([0.5, 0.5], pa.float64()),
        "alone": pa.array([float("nan"), float("nan") if odd else at], pa.float64()),
        "churn": pa.array([0.0, noise(job.seed + 1) + effect / 100], pa.float64()),
    }
    return {"metrics": pa.table(metrics), "events": pa.table({"step": pa.array([job.seed % 3], pa.int32())})}


def at(found: DifferenceOfSweeps, homophily: float, measure: str, outcome: str = "end") -> pd.Series[Any]:
    rows = found.measures.query("homophily == @homophily and measure == @measure and outcome == @outcome")
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_sweep_done_again_is_identical(tmp_path: Path) -> None:
    found = of_sweeps(sweep(tmp_path / "a"), sweep(tmp_path / "b"))
    assert found.identical
    assert found.parameters.empty
    assert found.tables["metrics"] == {"a": 16, "b": 16, "both": 16, "same": 16}
    summary = found.summary()
    assert summary["compared"] == {"points": 2, "points_a": [], "points_b": [], "pairs": 16, "alike": 16}
    assert summary["clear"] == []
    partial = of_sweeps(tmp_path / "a", sweep(tmp_path / "c", runs=7))
    assert not partial.identical
    assert partial.tables["metrics"] == {"a": 16, "b": 7, "both": 7, "same": 7}
    nothing = of_sweeps(sweep(tmp_path / "d", runs=0), sweep(tmp_path / "e", runs=0))
    assert not nothing.identical
    assert nothing.measures.empty
    assert nothing.summary()["overall"] == []


def test_an_effect_is_clear_where_seeds_are_paired(tmp_path: Path) -> None:
    found = of_sweeps(sweep(tmp_path / "a"), sweep(tmp_path / "b", effect=0.25, bias=3))
    assert not found.identical
    assert found.parameters.to_dict("records") == [{"what": "parameter", "name": "bias", "a": 8.0, "b": 3.0}]
    assert found.summary()["compared"]["alike"] == 0
    for homophily in (0.0, 5.0):
        for outcome, base in (("end", 0.0), ("mean", -0.5)):
            row = at(found, homophily, "coalitions", outcome)
            values = np.array([2 * homophily + base + noise(seed) for seed in seeds_of(tmp_path / "a")])
            expected = np.quantile(values, [0.05, 0.5, 0.95])
            np.testing.assert_allclose(row[["low_a", "median_a", "high_a"]].astype(float), expected)
            np.testing.assert_allclose(row[["low_b", "median_b", "high_b"]].astype(float), expected + 0.25)
            np.testing.assert_allclose(row[["low", "difference", "high"]].astype(float), 0.25)
            assert (row["n_a"], row["n_b"], row["pairs"], row["clear"]) == (8, 8, 8, True)
        assert not at(found, homophily, "largest")["clear"]
        assert at(found, homophily, "largest")["difference"] == 0
        assert at(found, homophily, "churn")["clear"], "small, and the same for every seed"
        few = at(found, homophily, "alone")
        assert (few["n_a"], few["pairs"], few["clear"]) == (4, 4, pd.NA)
        never = at(found, homophily, "alone", "mean")
        assert never["n_a"] == 4
    overall = found.overall.set_index(["measure", "outcome"])
    assert overall.loc[("coalitions", "end"), ["points", "clearly"]].tolist() == [2, 2]
    assert overall.loc[("alone", "end"), ["points", "clearly"]].tolist() == [0, 0]
    assert set(found.overall["measure"][:4]) == {"coalitions", "churn"}
    assert found.overall["clearly"].is_monotonic_decreasing
    assert len(found.summary()["clear"]) == 8


def seeds_of(folder: Path) -> list[int]:
    return SweepTables(folder).metrics["seed"].unique().tolist()


def test_other_seeds_are_not_paired(tmp_path: Path) -> None:
    sweep(tmp_path / "a")
    near = of_sweeps(tmp_path / "a", sweep(tmp_path / "b", effect=0.25, seed=9))
    row = at(near, 5.0, "coalitions")
    assert (row["pairs"], row["clear"]) == (0, False)
    assert np.isnan([row["low"], row["high"]]).all()
    assert row["difference"] == pytest.approx(row["median_b"] - row["median_a"])
    assert near.summary()["compared"]["pairs"] == 0
    far = of_sweeps(tmp_path / "a", sweep(tmp_path / "c", effect=-20, seed=9))
    assert at(far, 5.0, "coalitions")["clear"]
    assert at(far, 5.0, "coalitions")["difference"] < -15
    few = of_sweeps(tmp_path / "a", sweep(tmp_path / "d", effect=-20, seeds=4))
    assert at(few, 5.0, "coalitions")["pairs"] == 4
    assert at(few, 5.0, "coalitions")["clear"] is pd.NA


def test_points_are_matched_by_their_values(tmp_path: Path) -> None:
    """Point 0 of one is point 2 of the other; and what varies in one is fixed in the other."""
    a = sweep(tmp_path / "a", vary=["homophily=5,0,1"])
    b = sweep(tmp_path / "b", vary=["entry=nash,individual", "homophily=0,2,5"])
    found = of_sweeps(a, b)
    both = found.points.dropna()
    assert both.to_dict("records") == [
        {"a": 0, "b": 5, "homophily": 5.0, "entry": "individual"},
        {"a": 1, "b": 3, "homophily": 0.0, "entry": "individual"},
    ]
    summary = found.summary()
    assert summary["varied"] == ["homophily", "entry"]
    assert summary["compared"]["points_a"] == [{"homophily": 1.0, "entry": "individual"}]
    assert len(summary["compared"]["points_b"]) == 4
    assert (summary["compared"]["pairs"], summary["compared"]["alike"]) == (16, 16)
    assert {row["name"]: (row["a"], row["b"]) for row in summary["parameters"]} == {
        "points": (3, 6),
        "homophily": ([5.0, 0.0, 1.0], [0.0, 2.0, 5.0]),
        "entry": (["individual"], ["nash", "individual"]),
    }


def test_failures_are_counted(tmp_path: Path) -> None:
    found = of_sweeps(sweep(tmp_path / "a", fails=3), sweep(tmp_path / "b", fails=1, seeds=9))
    assert found.failures.to_dict("records") == [{"error": "it broke [here]", "a": 3, "b": 1}]
    summary = found.summary()
    assert [summary[side][key] for side in "ab" for key in ("runs", "done", "failed")] == [16, 13, 3, 18, 17, 1]
    # The first replicate failed at both points of a, the second at one; at one point of b the first did.
    assert at(found, 0.0, "coalitions")["pairs"] == 6
    assert at(found, 5.0, "coalitions")["pairs"] == 7


def test_sweeps_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, again = sweep(tmp_path / "a"), sweep(tmp_path / "again")
    assert "Identical: the same 16 runs" in shown(of_sweeps(a, again).summary(), capsys, monkeypatch)
    found = of_sweeps(a, sweep(tmp_path / "b", effect=0.25, fails=1, bias=3))
    text = shown(found.summary(), capsys, monkeypatch)
    assert "2 design points in common, 15 pairs of runs of one seed, 0 of them alike." in text
    assert "bias 8 3" in text
    assert "Coalitions, 2 of 2" in text
    assert "+0.25 (+0.25" in text
    assert "it broke [here] 0 1" in text
    assert "+0.25 (+0.25 to +0.25)" in found._repr_html_()
    few = of_sweeps(sweep(tmp_path / "c", seeds=2), sweep(tmp_path / "d", seeds=2, bias=3, effect=0.1))
    assert "Too few runs to judge by" in shown(few.summary(), capsys, monkeypatch)
    other = of_sweeps(a, sweep(tmp_path / "e", vary=["homophily=1,2"]))
    assert "No design point in common. Only in A: homophily 0; homophily 5." in shown(
        other.summary(), capsys, monkeypatch
    )
    for each in (found, few, other):
        summary = each.summary()
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary


# What cannot be compared.


def test_bad_input_is_told_in_a_line(runs: dict[str, Run], copy: Path, tmp_path: Path) -> None:
    run, swept = runs["a"].path, sweep(tmp_path / "sweep", runs=1)
    (tmp_path / "empty").mkdir()
    for a, b, line in (
        (run, swept, f"{swept}: is a sweep, and {run} is a run; two of a kind can be compared"),
        (swept, run, f"{run}: is a run, and {swept} is a sweep; two of a kind can be compared"),
        (run, tmp_path / "no", f"{tmp_path / 'no'}: does not exist; the folder of a run or of a sweep is accepted"),
        (tmp_path / "empty", run, "is neither a run's folder (it has no manifest.json) nor a sweep's (no plan.json)"),
        (run, 7, "diff: found 7; the folder of a run or of a sweep is accepted"),
    ):
        with pytest.raises(InputError, match=re.escape(line)) as caught:
            diff(a, b)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    manifest = json.loads((copy / "manifest.json").read_bytes())
    for changes, line in (
        ({"status": "running"}, "holds a run that is not finished (its status is 'running')"),
        ({"kind": "variants"}, "is a folder of kind 'variants', not a run's"),
    ):
        (copy / "manifest.json").write_text(json.dumps(manifest | changes))
        with pytest.raises(InputError, match=re.escape(line)):
            diff(run, copy)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"events\.parquet: cannot be read as a table"):
        diff(run, copy).summary()
