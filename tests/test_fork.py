"""Forks: byte for byte what a run from the beginning gives, matched random numbers, and what the page says of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ecosystem
from ecosystem.dynamics.draws import Draws
from ecosystem.errors import InputError
from ecosystem.forking import Fork, fork
from ecosystem.measures import CATALOGUE
from ecosystem.record.folder import RunWriter
from ecosystem.record.manifest import CONFIG
from ecosystem.report.experiments.fork_effects import by_chance, find_effects, find_parting, sign_test
from ecosystem.report.experiments.fork_story import chance_alone, lone_events
from ecosystem.scenario import Scenario
from ecosystem.sweep.branches import Origin

HOSTILE = "<img src=x onerror=alert(1)>"
TABLES = (
    "metrics", "utterances", "affinity", "alignment", "memberships", "opinions", "defections", "interventions",
    "events", "latents",
)  # fmt: skip
SAID = {
    HOSTILE: ["Gas is no bridge; we must not build terminals.", "A high carbon price is fair.", "Build wind farms."],
    "Ben": ["We need new gas terminals.", "A carbon price only hurts workers.", "No more turbines in our hills."],
    "Cem": ["Every new gas plant heats the planet.", "The price on carbon must rise.", "Wind farms are cheap."],
    "Dee": ["Gas keeps us warm, so build terminals.", "Taxing carbon costs jobs.", "Turbines spoil the land."],
    "Eve": ["Gas plants can close by 2030.", "A carbon price is the least we can do.", "Turbines pay for schools."],
}


def debate(*events: dict[str, Any], **parameters: Any) -> Scenario:
    """Return a debate of five on three topics, eleven steps with a checkpoint every four."""
    topics = ["gas", "carbon", "wind"]
    personas = {
        f"p{k}": {"name": name, "corpus": [{"topic": t, "text": text} for t, text in zip(topics, texts, strict=True)]}
        for k, (name, texts) in enumerate(SAID.items())
    }
    return Scenario.model_validate(
        {
            "name": "small",
            "topics": [{"id": topic} for topic in topics],
            "personas": personas,
            "interventions": events,
            "parameters": {
                "steps": 11, "seed": 4, "checkpoint_every": 4, "memory_size": 6, "learning_rate": 0.5, **parameters
            },
        }
    )  # fmt: skip


def event(step: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"step": step, "kind": kind, **fields}


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every table and checkpoint, and of the configuration."""
    files = [*folder.glob("*.parquet"), *folder.glob("checkpoints/*"), folder / CONFIG, folder / "alignment.graphml"]
    return {path.name: path.read_bytes() for path in sorted(files)}


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out figures and pages, which no table depends on."""
    without_pages(monkeypatch)
    monkeypatch.setattr("ecosystem.report.experiments.fork_page.write_page", lambda *_: None)


def without_pages(patch: pytest.MonkeyPatch) -> None:
    """Leave out the figures and the report of runs."""
    patch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
    patch.setattr("ecosystem.report.document.write_report", lambda *_: None)
    patch.setattr("ecosystem.report.odd.write_odd", lambda *_: None)


def run(scenario: Scenario | str | Path, out: Path, **parameters: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        without_pages(patch)
        return ecosystem.run(scenario, out=out, **parameters)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run(debate(), tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def forked(parent: Any, tmp_path_factory: pytest.TempPathFactory) -> Fork:
    """A fork with figures and page, in seven replicates."""
    with pytest.MonkeyPatch.context() as patch:
        without_pages(patch)
        return fork(parent, at=5, seeds=7, out=tmp_path_factory.mktemp("fork"), homophily="40", bias=0, threshold=0.6)


# The run.


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("at", [0, 4, 6, 10])
def test_without_changes_a_fork_is_its_parent(at: int, parent: Any, tmp_path: Path) -> None:
    found = fork(parent, at=at, seeds=2, out=tmp_path)
    assert len(content(parent.path)) == 12 + 3 + 2
    assert content(found.run.path) == content(parent.path)
    assert found.run.manifest["fork"] == {"of": str(parent.path), "at": at, "changes": {}}
    differs = ("fork", "timings", "started_utc", "encoded_statements", "command")
    for name, value in parent.manifest.items():
        assert name in differs or found.run.manifest[name] == value, name
    assert not found.divergence[["said", "company", "alignment"]].to_numpy().any()
    assert (found.divergence["agreement"] == 1).all()


CHANGES: list[dict[str, Any]] = [
    {"homophily": "40", "bias": 0},
    {"kernel": "deffuant", "convergence": 0.2, "policy": "random"},
    {"entry": "nash", "threshold_rule": "mean", "max_coalitions": 2},
    {"topic_duration": 1, "agenda": "random"},
    {"max_coalitions": None},
]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("at", "changes"), [*zip([0, 6, 8, 6, 10], CHANGES, strict=True)])
def test_a_fork_is_the_run_of_its_configuration(at: int, changes: dict[str, Any], parent: Any, tmp_path: Path) -> None:
    changed = fork(parent, at=at, seeds=1, out=tmp_path / "fork", **changes)
    again = run(changed.run.path / CONFIG, tmp_path / "again")
    assert content(again.path) == content(changed.run.path)
    assert again.manifest["config_hash"] == changed.run.manifest["config_hash"]
    assert again.manifest["config_hash"] != parent.manifest["config_hash"]
    assert changed.run.interventions["step"].tolist() == [at + 1]
    assert list(changed.run.manifest["fork"]["changes"]) == list(changed.run.scenario.interventions[-1].changes)


@pytest.mark.statistical
@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("learn", ["adapt", "online"])
def test_a_debate_in_which_the_model_learns_can_be_forked(learn: str, tmp_path: Path) -> None:
    learned = run(debate(learn=learn), tmp_path, steps=6)
    same = fork(learned, at=5, seeds=2, out=tmp_path / "fork")
    assert content(same.run.path) == content(learned.path)
    changed = fork(learned, at=4, seeds=2, out=tmp_path / "fork", bias=0, homophily=40)
    assert content(run(changed.run.path / CONFIG, tmp_path / "again").path) == content(changed.run.path)
    own = changed.branches.query("replicate == 0 and branch == 'changed'").iloc[:, 2:]
    pd.testing.assert_frame_equal(own.reset_index(drop=True), changed.run.metrics.iloc[4:].reset_index(drop=True))


@pytest.mark.usefixtures("plain")
def test_interventions_take_place_in_both_branches(tmp_path: Path) -> None:
    events = (
        event(2, "message", topic="gas", text="Gas leaks methane."),
        event(3, "enter", persona="p3"),
        event(6, "shock", homophily=9, stubbornness=0.9),
        event(7, "shock", entry="nash", homophily=3),
        event(9, "shock", entry="contractual"),
        event(9, "leave", persona="p0"),
    )
    told = run(debate(*events), tmp_path)
    same = fork(told, at=6, seeds=1, out=tmp_path / "fork")
    assert content(same.run.path) == content(told.path)
    found = fork(told, at=6, seeds=2, out=tmp_path / "fork", entry="individual", bias=2)
    assert found.run.interventions["changes"].tolist() == [
        None, None, "homophily=9, stubbornness=0.9", "homophily=3, entry=nash", "bias=2, entry=individual",
        "entry=contractual", None,
    ]  # fmt: skip
    assert content(run(found.run.path / CONFIG, tmp_path / "again").path) == content(found.run.path)
    away = found.memberships[~found.memberships["present"]]
    assert {(s, a) for s, a in zip(away["step"], away["agent"], strict=True)} == {(s, "p0") for s in (9, 10, 11)}
    assert len(away) == 3 * 2 * 2


@pytest.mark.usefixtures("plain")
def test_a_fork_can_be_forked(forked: Fork, tmp_path: Path) -> None:
    again = fork(forked.run, at=9, seeds=1, out=tmp_path, homophily=2)
    assert [shock.changes for shock in again.run.scenario.interventions] == [
        {"homophily": 40.0, "bias": 0.0, "threshold": 0.6}, {"homophily": 2.0},
    ]  # fmt: skip
    assert again.run.manifest["fork"]["of"] == str(forked.run.path)


@pytest.mark.usefixtures("plain")
def test_a_game_without_words_can_be_forked(tmp_path: Path) -> None:
    firms = run("unix-1988", tmp_path, steps=6, checkpoint_every=2)
    same = fork(firms, at=3, seeds=2, out=tmp_path / "fork")
    assert content(same.run.path) == content(firms.path)
    apart = fork(firms, at=3, seeds=2, out=tmp_path / "fork", threshold=1, max_coalitions=None)
    assert apart.summary()["first"] == {"company": 4}
    ends = apart.branches[apart.branches["step"] == 6].groupby("branch")["coalitions"].unique()
    assert {branch: values.tolist() for branch, values in ends.items()} == {"as it was": [2.0], "changed": [0.0]}


# The branches.


def test_branches_are_the_same_up_to_the_fork(forked: Fork, parent: Any) -> None:
    assert forked.branches["step"].min() == 6
    for table in TABLES:
        one, other = (getattr(each, table) for each in (parent, forked.run))
        pd.testing.assert_frame_equal(one[one["step"] <= 5], other[other["step"] <= 5])
    later = [each.utterances[each.utterances["step"] > 5] for each in (parent, forked.run)]
    assert not later[0].equals(later[1])


@pytest.mark.parametrize("table", ["branches", "memberships", "events"])
def test_the_first_replicate_has_the_random_numbers_of_the_run(table: str, forked: Fork, parent: Any) -> None:
    found = getattr(forked, table)
    name = "metrics" if table == "branches" else table
    for branch, each in (("as it was", parent), ("changed", forked.run)):
        own = found[(found["branch"] == branch) & (found["replicate"] == 0)].iloc[:, 2:]
        expected = getattr(each, name)
        expected = expected[expected["step"] > 5]
        # A column of labels is of floats only where some are missing.
        pd.testing.assert_frame_equal(*(each.reset_index(drop=True).convert_dtypes() for each in (own, expected)))


def test_replicates_draw_other_numbers_but_both_branches_the_same(forked: Fork) -> None:
    was = forked.branches[forked.branches["branch"] == "as it was"]
    paths = was.groupby("replicate")["mean_alignment"].apply(lambda values: tuple(values))
    assert len(set(paths)) == 7
    origin = Origin(None, None, None, None, Draws([1, 2, 3]))  # type: ignore[arg-type]
    entropies = [origin.draws_of(replicate).entropy for replicate in range(50)]
    assert len(set(entropies)) == 50
    assert entropies[0] == (1, 2, 3)
    assert entropies == [origin.draws_of(replicate).entropy for replicate in range(50)]


@pytest.mark.usefixtures("plain")
def test_a_change_that_cannot_matter_leaves_branches_identical(parent: Any, tmp_path: Path) -> None:
    """Under argument exchange opinions have no bounds of confidence."""
    found = fork(parent, at=2, seeds=3, out=tmp_path, confidence=0.01, convergence=0.1)
    assert find_parting(parent, found.run).first is None
    assert not found.divergence[["said", "company", "alignment"]].to_numpy().any()
    was, changed = (found.branches[found.branches["branch"] == b].drop(columns="branch") for b in BRANCHES)
    pd.testing.assert_frame_equal(was.reset_index(drop=True), changed.reset_index(drop=True))
    assert not found.effects["difference"].any()


BRANCHES = ("as it was", "changed")


def test_divergence_counts_who_differs(forked: Fork) -> None:
    """Against the tables: who says something else, and whose company is another."""
    members = dict(list(forked.memberships.groupby(["branch", "replicate", "step"])))
    texts = [each.utterances.set_index(["step", "speaker"])["text"] for each in (forked.parent, forked.run)]
    for row in forked.divergence.itertuples():
        blocks = [members[branch, row.replicate, row.step] for branch in BRANCHES]
        company = [
            {
                agent: {*block["agent"][block["coalition"] == label]}
                for agent, label in block[["agent", "coalition"]].values
            }
            for block in blocks
        ]
        assert row.company == np.mean([company[0][agent] != company[1][agent] for agent in company[0]])
        assert (row.agreement == 1) == (row.company == 0)
        if row.replicate == 0:
            said = [text.loc[row.step].to_dict() for text in texts]
            assert row.said == np.mean([said[0].get(agent) != said[1].get(agent) for agent in company[0]])
    assert forked.divergence["company"].max() > 0
    assert forked.divergence["said"].max() > 0


def test_where_branches_part(parent: Any, forked: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another homophily tells at once in whom a listener hears; what is said follows, as does the rest."""
    parting = find_parting(parent, forked.run)
    assert parting.first == parting.heard == 6
    assert parting.topic is None
    assert parting.said is not None
    assert parting.said > 6
    without_pages(monkeypatch)
    other = fork(parent, at=6, seeds=1, out=tmp_path, threshold=1)
    assert find_parting(parent, other.run).steps == {"company": 7}
    lone = lone_events(parent, other.run, 6)
    assert all(parent.events["step"][row] > 6 for unit in lone[0] for row in unit)
    assert {*other.run.events["event"][[row for unit in lone[1] for row in unit]]} <= {"leave", "dissolve", "split"}


# What is told.


def test_the_page(forked: Fork) -> None:
    page = (forked.path / "report.html").read_text()
    assert "homophily is 40 instead of 2, bias is 0 instead of 8 and threshold is 0.6 instead of 0.03" in page
    assert "the branches part at step 6, in who heeds whom" in page
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 3
    for svg in (forked.path / "figures").glob("*.svg"):
        assert "<img" not in svg.read_text()
    link = page.split('and <a href="')[1].split('"')[0]
    assert link == f"../{forked.run.path.name}/report.html"


def test_the_page_says_so_where_nothing_differs(parent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pages(monkeypatch)
    found = fork(parent, at=6, seeds=2, out=tmp_path)
    page = (found.path / "report.html").read_text()
    assert "Nothing is changed: the fork is its parent, byte for byte." in page
    assert "The branches do not part, whatever random numbers are drawn: one replicate suffices to show it." in page
    assert "Nor do coalitions differ at any step. No measure differs at all." in page
    assert (found.summary()["seeds"], found.summary()["nothing_changes"]) == (1, True)
    assert "chance alone" not in page
    assert 'id="events"' not in page
    assert page.count("data:image/png;base64,") == 2


@pytest.mark.parametrize("at", [0, 10])
def test_the_page_of_the_first_and_of_the_last_step(
    at: int, parent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pages(monkeypatch)
    found = fork(parent, at=at, seeds=2, out=tmp_path, homophily=9, bias=0, threshold=0.9)
    page = (found.path / "report.html").read_text()
    assert f"What if, from step {at + 1}: " in page
    assert page.count("data:image/png;base64,") == 3
    assert sorted(found.branches["step"].unique()) == list(range(at + 1, 12))


@pytest.mark.usefixtures("plain")
def test_a_value_that_stands_already_takes_one_replicate(tmp_path: Path) -> None:
    """Which value stands is what the last shock left, not what the scenario began with."""
    told = run(debate(event(3, "shock", homophily=9)), tmp_path)
    same = fork(told, at=5, seeds=4, out=tmp_path / "fork", homophily="9")
    assert (same.summary()["seeds"], same.summary()["parts_at"]) == (1, None)
    assert same.path.joinpath("divergence.parquet").is_file()
    back = fork(told, at=5, seeds=4, out=tmp_path / "fork", homophily=2)
    assert (back.summary()["seeds"], back.summary()["nothing_changes"]) == (4, False)


def test_the_folder_is_complete(forked: Fork) -> None:
    assert forked.path == forked.run.path.with_name(forked.run.path.name + "-forked")
    assert {path.name for path in forked.path.iterdir()} == {
        "branches.parquet", "memberships.parquet", "events.parquet", "divergence.parquet", "figures", "report.html",
        "manifest.json",
    }  # fmt: skip
    manifest = json.loads((forked.path / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["run"] == f"../{forked.run.path.name}"
    assert len(forked.branches) == 2 * 7 * 6
    assert {*CATALOGUE, "branch", "replicate", "step"} <= {*forked.branches}


def test_the_summary(forked: Fork, parent: Any) -> None:
    found = json.loads(json.dumps(forked.summary(), allow_nan=False))
    assert found["changes"] == {"homophily": 40.0, "bias": 0.0, "threshold": 0.6}
    assert (found["at"], found["seeds"], found["parts_at"], found["steps"]) == (5, 7, 6, 11)
    assert found["of"] == str(parent.path)
    rows = {row["measure"]: row for row in found["measures"]}
    ends = forked.branches[forked.branches["step"] == 11].pivot(
        index="replicate", columns="branch", values="coalitions"
    )
    difference = ends["changed"] - ends["as it was"]
    assert rows["coalitions"]["changed"] == ends["changed"].median()
    assert rows["coalitions"]["difference"] == pytest.approx(difference.median())
    assert rows["coalitions"]["same_way"] == max((difference > 0).sum(), (difference < 0).sum())
    assert HOSTILE not in forked._repr_html_()
    assert "step 5" in forked._repr_html_()


def made_up(was: list[list[float]], changed: list[list[float]]) -> pd.DataFrame:
    """Return the table of branches with one measure's values by replicate and step, all others 0."""
    rows = [
        {"branch": branch, "replicate": r, "step": s, **dict.fromkeys(CATALOGUE, 0.0), "coalitions": value}
        for branch, values in zip(BRANCHES, (was, changed), strict=True)
        for r, steps in enumerate(values)
        for s, value in enumerate(steps, 7)
    ]
    return pd.DataFrame(rows)


def test_effects_are_paired_by_replicate() -> None:
    """Bands that overlap wholly, and a difference of 1 in each of six replicates: clear; in five: not enough."""
    was = [[float(r), 10.0 * r] for r in range(6)]
    changed = [[one, other + 1] for one, other in was]
    effects = find_effects(made_up(was, changed)).set_index(["measure", "outcome"])
    end = effects.loc[("coalitions", "end")]
    assert end[["n", "as_it_was", "changed", "difference", "difference_low", "difference_high"]].tolist() == [
        6, 25.0, 26.0, 1.0, 1.0, 1.0,
    ]  # fmt: skip
    assert end["as_it_was_low"] == pytest.approx(2.5)
    assert (end["same_way"], end["clear"]) == (6, True)
    assert effects.loc[("coalitions", "mean")]["difference"] == 0.5
    assert not effects.loc[("alone", "end")]["clear"]
    fewer = find_effects(made_up(was[:5], changed[:5])).set_index(["measure", "outcome"])
    assert not fewer.loc[("coalitions", "end")]["clear"]


@pytest.mark.parametrize(
    ("n", "size", "words"), [(5, 0.0, ""), (6, 2 / 64, "one or two"), (10, 22 / 1024, "none or one")]
)
def test_how_many_measures_chance_alone_names(n: int, size: float, words: str) -> None:
    """The sign test of ten is below .05 for 10 of 10 and for 9 of 10: 2 (1 + 10) of 1,024 ways."""
    effects = find_effects(made_up([[1.0]] * n, [[2.0]] * n))
    expected, known = by_chance(effects)
    assert known == len(CATALOGUE)
    assert expected == pytest.approx(known * size)
    assert chance_alone(effects) == (f"Of {known} measures chance alone would name {words}" if words else "")


def test_the_sign_test_of_thousands() -> None:
    """By the normal distribution, 1.96 standard deviations from half of 10,000 are 5 %."""
    assert sign_test(5098, 10_000) == pytest.approx(0.0512, abs=1e-3)
    assert sign_test(10_000, 10_000) == 0.0


@pytest.mark.parametrize(("against", "clear"), [(0, True), (1, True), (2, False)])
def test_a_replicate_without_a_difference_counts_against_it(against: int, clear: bool) -> None:
    was = [[1.0]] * 10
    changed = [[2.0]] * (10 - against) + [[1.0]] * against
    end = find_effects(made_up(was, changed)).query("measure == 'coalitions' and outcome == 'end'").iloc[0]
    assert (end["same_way"], end["clear"]) == (10 - against, clear)


def test_effects_leave_out_what_is_not_defined() -> None:
    nan = float("nan")
    was, changed = [[1.0, nan], [1.0, 1.0], [nan, nan]], [[1.0, 2.0], [3.0, 4.0], [1.0, 1.0]]
    effects = find_effects(made_up(was, changed)).query("measure == 'coalitions'").set_index("outcome")
    assert effects.loc["end"][["n", "difference"]].tolist() == [1, 3.0]
    assert effects.loc["mean"][["n", "difference"]].tolist() == [2, 1.5]  # 1.5 - 1 and 3.5 - 1


# What is refused, and what is left behind.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": -1}, r"^--at: found -1; a whole number from 0 to 10 is accepted"),
        ({"at": 11}, r"^--at: found 11; a whole number from 0 to 10 is accepted"),
        ({"at": "5"}, r"^--at: found '5'; a whole number"),
        ({"at": True}, r"^--at: found True; a whole number"),
        ({"seeds": 0}, r"^--seeds: found 0; a whole number from 1"),
        (
            {"seed": 3},
            r"^--set seed: cannot change while a debate goes on; `ecosystem run ... --set` changes it from the start",
        ),
        ({"steps": 3}, r"^--set steps: cannot change"),
        ({"memory_size": 3}, r"memory_size: cannot change"),
        ({"learn": "none"}, r"learn: cannot change"),
        ({"checkpoint_every": 3}, r"checkpoint_every: cannot change"),
        ({"homofily": 3}, r"^--set homofily: is not a parameter; did you mean 'homophily'"),
        ({"homophily": 101}, r"^--set homophily: found 101; .*less than or equal to 100"),
        ({"homophily": None}, r"^--set homophily: found None"),
        ({"entry": "free"}, r"^--set entry: found 'free'"),
        ({"threshold": -0.1, "threshold_rule": "quantile"}, r"^--set threshold: found -0\.1; as a quantile"),
        ({"weights": "no.safetensors"}, r"no\.safetensors"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments: dict[str, Any], message: str, parent: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as told:
        fork(parent, **{"at": 5, "out": tmp_path / "out", **arguments})
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


def spoil(name: str) -> Callable[[Path], None]:
    """Return what makes a copy of a run unfit to be forked."""

    def manifest(folder: Path, **changes: Any) -> None:
        found = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(found | changes))

    return {
        "not a run": lambda folder: (folder / "manifest.json").unlink(),
        "a sweep": lambda folder: (folder / "plan.json").write_text("{}"),
        "no configuration": lambda folder: (folder / CONFIG).unlink(),
        "unfinished": lambda folder: manifest(folder, status="running"),
        "other weights": lambda folder: manifest(folder, weights_sha256="0" * 64),
        "no checkpoint": lambda folder: shutil.rmtree(folder / "checkpoints"),
        "torn checkpoint": lambda folder: (folder / "checkpoints" / "00000004.safetensors").write_bytes(b"{}"),
        "no table": lambda folder: (folder / "events.parquet").unlink(),
        "torn table": lambda folder: (folder / "events.parquet").write_bytes(b"PAR1"),
        "other columns": lambda folder: pd.DataFrame({"step": [1]}).to_parquet(folder / "events.parquet"),
    }[name]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("not a run", "is not a run's folder: it has no manifest.json"),
        ("a sweep", "copy: is a sweep; a run is needed, as `ecosystem run` makes"),
        ("no configuration", "is not a run's folder: it has no config.yaml"),
        ("unfinished", "is a run that is 'running'; a finished one is accepted"),
        ("other weights", r"other weights than the run was made with \(SHA-256 \w{12}\.\.\., not 000000000000\.\.\.\)"),
        ("no checkpoint", r"00000004\.safetensors: not found; without it the run can be forked before step 4 only"),
        ("torn checkpoint", "00000004.safetensors"),
        ("no table", "events.parquet"),
        ("torn table", "events.parquet: cannot be read as a table"),
        ("other columns", "events.parquet: has other columns than this version"),
    ],
)
def test_runs_that_cannot_be_forked(fault: str, message: str, parent: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(parent.path, copy)
    spoil(fault)(copy)
    with pytest.raises(InputError, match=message) as told:
        fork(copy, at=5, out=tmp_path / "out", entry="nash")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("plain")
def test_a_run_without_checkpoints_can_be_forked_before_the_first(parent: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(parent.path, copy)
    shutil.rmtree(copy / "checkpoints")
    assert content(fork(copy, at=3, seeds=1, out=tmp_path / "out").run.path) == content(parent.path)


STAGES = [
    "ecosystem.record.inherit.inherit",
    "ecosystem.record.folder.RunWriter.join",
    "ecosystem.sweep.branches.write_branches",
    "ecosystem.report.experiments.fork_page.write_page",
]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "killed"])
@pytest.mark.parametrize("stage", STAGES)
def test_what_is_left_of_an_interrupted_fork(
    stage: str, killed: bool, parent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing after Ctrl-C, also no run without its page; after a kill no half-written folder with a final name."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, stop)
    if killed:
        monkeypatch.setattr("ecosystem.forking.discard", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        fork(parent, at=5, seeds=2, out=tmp_path / "out", entry="nash")
    left = [path for path in tmp_path.glob("out/*/*") if not path.name.endswith(".partial")]
    run_is_whole = killed and stage in STAGES[2:]
    assert [path.name.endswith("-forked") for path in left] == ([False] if run_is_whole else [])
    assert all(json.loads((path / "manifest.json").read_text())["status"] == "complete" for path in left)
    if not killed:
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("plain")
def test_a_killed_fork_resumes_as_the_run_it_is(parent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill left goes on as the run of the same configuration would."""
    whole = fork(parent, at=5, seeds=1, out=tmp_path / "whole", entry="nash")
    add = RunWriter.add

    def interrupted(self: RunWriter, step: Any) -> None:
        add(self, step)
        if step.step == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "add", interrupted)
        patch.setattr("ecosystem.forking.discard", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            fork(parent, at=5, seeds=1, out=tmp_path / "out", entry="nash")
    resumed = ecosystem.run(whole.run.path / CONFIG, out=tmp_path / "out", resume=True)
    assert content(resumed.path) == content(whole.run.path)
    assert list((tmp_path / "out" / "small").iterdir()) == [resumed.path]
