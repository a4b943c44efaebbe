"""Scenarios that give affinity instead of corpora: loading, playing, reporting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import ecosystem
from ecosystem.errors import InputError
from ecosystem.model import EcosystemModel
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

CAMPS = [{"Sun", "Prime", "AT&T", "IBM"}, {"Sun", "Prime", "DEC", "HP"}]


def write(folder: Path, **changes: Any) -> Path:
    raw: dict[str, Any] = {
        "name": "triad",
        "personas": {"a": {}, "b": {}, "c": {}},
        "affinity": {"a": {"b": 0.5, "c": -0.5}, "b": {"a": 0.5}, "c": {"a": -1.0}},
        **changes,
    }
    YAML().dump({key: value for key, value in raw.items() if value is not None}, folder / "scenario.yaml")
    return folder


def played(scenario: Any, jepa: Any, seed: int = 0, steps: int = 3, **parameters: Any) -> EcosystemModel:
    model = EcosystemModel(scenario, jepa=jepa, rng=seed, **parameters)
    for _ in range(steps):
        model.step()
    return model


def test_a_table_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    inline = load_scenario(write(tmp_path))
    (tmp_path / "affinity.csv").write_text("persona,a,b,c\na,1,0.5,-0.5\nb,0.5,,\nc,-1,,0.3\n")
    table = load_scenario(write(tmp_path, affinity="affinity.csv"))
    assert table == inline
    assert table.affinity == {"a": {"b": 0.5, "c": -0.5}, "b": {"a": 0.5}, "c": {"a": -1.0}}
    (tmp_path / "affinity.tsv").write_text((tmp_path / "affinity.csv").read_text().replace(",", "\t"))
    assert load_scenario(write(tmp_path, affinity="affinity.tsv")) == inline


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("persona,a,b\na,0,2\nb,0,0\nc,0,0\n", "found '2'; a number from -1 to 1"),
        ("persona,a,b\na,0,much\n", "found 'much'; a number from -1 to 1"),
        ("persona,a,b\na,0,nan\n", "found 'nan'"),
        ("firm,a,b\na,0,1\n", "no column 'persona'"),
        ("persona,a,b\na,0,1\na,0,1\n", "two rows"),
        ("persona,a,b\na,0,1\nb,0,1\n", "'c' is missing"),
        ("persona,a,d\na,0,1\nb,0,1\nc,0,1\n", "persona 'd' is not among"),
        ("", "no column 'persona'"),
    ],
)
def test_a_wrong_table_is_named_in_one_line(tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "affinity.csv").write_text(table)
    with pytest.raises(InputError) as caught:
        load_scenario(write(tmp_path, affinity="affinity.csv"))
    assert told in str(caught.value)
    assert "affinity" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"personas": {"a": {"corpus": ["x"]}, "b": {}, "c": {}}}, "none where affinity is given"),
        ({"affinity": None}, "at least 1 is needed"),
        ({"affinity": "../affinity.csv"}, "leaves the scenario's folder"),
        ({"affinity": {"a": {"b": 7}, "b": {}, "c": {}}}, "affinity.a.b: found 7"),
        (
            {"interventions": [{"step": 1, "kind": "message", "text": "x", "topic": "debate"}]},
            "nothing is said",
        ),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(write(tmp_path, **changes))
    assert told in str(caught.value)


def test_alignment_stands_still_and_the_game_is_played_in_both_directions(tmp_path: Path, jepa: Any) -> None:
    model = played(load_scenario(write(tmp_path)), jepa)
    np.testing.assert_allclose(model.state.alignment, [[0, 0.5, -0.75], [0.5, 0, 0], [-0.75, 0, 0]])
    np.testing.assert_allclose(model.game().alignment, [[0, 0.5, -0.5], [0.5, 0, 0], [-1, 0, 0]])
    assert model.last is not None
    assert model.state.partition[0] == model.state.partition[1] > 0 > model.state.partition[2]
    assert not model.last.events, "nothing changes after the first step"


def test_unix_1988_ends_in_either_minimum(jepa: Any) -> None:
    scenario, found = load_scenario("unix-1988"), []
    names = np.array([persona.name for persona in scenario.personas.values()])
    for seed in range(40):
        partition = played(scenario, jepa, seed, steps=1).state.partition
        assert (partition > 0).all(), "two coalitions, and no one outside"
        camps = {frozenset(names[partition == label].tolist()) for label in np.unique(partition)}
        found.append([bool({frozenset(camp)} & camps) for camp in CAMPS])
    assert all(sum(each) == 1 for each in found)
    assert 5 <= sum(each[0] for each in found) <= 35


def test_one_who_follows_and_one_who_flees_go_round_in_a_circle(tmp_path: Path, jepa: Any) -> None:
    stalker = {"a": {"b": 1.0}, "b": {"a": -1.0}}
    scenario = load_scenario(write(tmp_path, personas={"a": {}, "b": {}}, affinity=stalker))
    free = played(scenario, jepa, entry="nash").last
    assert free is not None
    assert (free.settled, free.cycle) == (False, 2)
    assert not free.stability.nash
    guarded = played(scenario, jepa, entry="individual").last
    assert guarded is not None
    assert (guarded.settled, guarded.cycle) == (True, None)
    assert [(move.agent, move.rule) for move in guarded.stability.defections] == [(0, "nash")]


def test_the_report_says_nothing_of_words(tmp_path: Path) -> None:
    run = ecosystem.run("unix-1988", seed=1, steps=2, out=tmp_path)
    page = (run.path / "report.html").read_text()
    assert "nothing was said" in page
    assert "Nash-stable" in page
    assert "How good were the forecasts" not in page
    assert "Common ground" not in page
    assert sorted(path.stem for path in (run.path / "figures").glob("*.png")) == [
        "alignment_network", "coalition_timeline", "measures",
    ]  # fmt: skip
    assert not len(run.utterances)
    assert not len(run.statements)
    assert set(run.events["step"]) == {1}
    assert "DEC" in run.explain(0).text
    assert ecosystem.run(run.path / "config.yaml", out=tmp_path / "again").events.equals(run.events)


def test_highland_tribes_find_their_three_camps(jepa: Any) -> None:
    scenario: Scenario = load_scenario("highland-tribes")
    sizes = set()
    for seed in range(20):
        model = played(scenario, jepa, seed, steps=1)
        sizes.add(len(np.unique(model.state.partition)))
        assert model.last is not None
        assert model.last.metrics["balanced_triangles"] == pytest.approx(59 / 68)
        assert model.last.metrics["frustration_index"] == pytest.approx(7 / 58)
    assert 3 in sizes
