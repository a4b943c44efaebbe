"""`mesa.batch_run` on the model, as Mesa's users know it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pandas as pd
import pytest

import ecosystem
from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario


def batch(parameters: dict[str, Any], **options: Any) -> pd.DataFrame:
    """Return what Mesa's batch runner makes of the model."""
    return pd.DataFrame(mesa.batch_run(EcosystemModel, parameters, display_progress=False, **options))


def test_every_combination_runs_and_every_measure_is_a_column() -> None:
    found = batch({"scenario": "climate-duet", "homophily": [0, 5], "rng": [1, 2]}, max_steps=3)
    assert list(found) == ["RunId", "iteration", "Step", "scenario", "homophily", "rng", "step", *CATALOGUE]
    pairs = sorted(zip(found["homophily"], found["rng"], strict=True))
    assert pairs == [(0, 1), (0, 2), (5, 1), (5, 2)]
    assert np.isfinite(found["mean_alignment"]).all()


@pytest.mark.parametrize("parameters", [{}, {"seed": None}, {"rng": None}])
def test_iterations_without_a_seed_differ(parameters: dict[str, Any]) -> None:
    found = batch({"scenario": "climate-debate", **parameters}, iterations=3, max_steps=3)
    assert found["iteration"].tolist() == [0, 1, 2]
    assert found["mean_alignment"].nunique() == 3


def test_a_seed_gives_the_run_of_that_seed(tmp_path: Path, duet: Scenario) -> None:
    metrics = ecosystem.run(duet, out=tmp_path, steps=4, seed=2).metrics
    for name in ("seed", "rng"):
        found = batch({"scenario": "climate-duet", "steps": 4, name: [1, 2]}, data_collection_period=1)
        rows = found[found[name] == 2].reset_index(drop=True)
        assert rows["step"].tolist() == [1, 2, 3, 4]
        pd.testing.assert_frame_equal(rows[[*CATALOGUE]], metrics[[*CATALOGUE]], check_exact=True)
        assert found["mean_alignment"][3] != found["mean_alignment"][7]


def test_a_debate_ends_at_its_steps_or_at_mesas_limit() -> None:
    by_itself = batch({"scenario": "climate-duet", "steps": [3, 6], "rng": 1})
    assert by_itself[["steps", "step"]].to_numpy().tolist() == [[3, 3], [6, 6]]
    # Mesa takes the step of that number as well: its steps are counted from 0.
    limited = batch({"scenario": "climate-duet", "steps": [3, 6], "rng": 1}, max_steps=4)
    assert limited[["steps", "Step", "step"]].to_numpy().tolist() == [[3, 2, 3], [6, 4, 5]]


def test_rows_are_collected_every_so_many_steps_and_at_the_end() -> None:
    parameters = {"scenario": "climate-duet", "steps": 8, "rng": 1}
    every, third, last = (batch(parameters, data_collection_period=period) for period in (1, 3, -1))
    assert every["step"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert third["step"].tolist() == [1, 4, 7, 8]
    assert last["step"].tolist() == [8]
    assert every["mean_alignment"].nunique() > 1
    assert last["mean_alignment"][0] == every["mean_alignment"][7]


def test_a_model_runs_to_its_end_and_may_be_taken_further() -> None:
    model = EcosystemModel("climate-duet", rng=1, steps=4)
    model.run_model()
    assert (model.steps, model.running) == (4, False)
    model.step()
    assert (model.steps, model.running) == (5, False)
    shown = model.datacollector.get_model_vars_dataframe()
    assert shown["step"].tolist() == [1, 2, 3, 4, 5]


def test_numbers_may_be_numpys() -> None:
    parameters = {"scenario": "climate-duet", "steps": np.arange(2, 4), "bias": np.linspace(0, 4, 3), "rng": 1}
    found = batch(parameters)
    assert found[["steps", "bias"]].to_numpy().tolist() == [[n, b] for n in (2, 3) for b in (0, 2, 4)]
    assert found["step"].tolist() == [2, 2, 2, 3, 3, 3]


def test_a_scenario_is_one_value(duet: Scenario) -> None:
    found = batch({"scenario": duet, "rng": [1, 2]}, max_steps=1)
    assert found["scenario"].tolist() == [duet, duet]


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"homophilly": [1, 2]}, "homophilly: is not a parameter; did you mean 'homophily'?"),
        ({"homophily": [1, -2]}, "parameters: homophily: found -2; input should be greater than or equal to 0"),
        ({"scenario": 7}, "scenario: found 7; a name, a path or a Scenario is accepted"),
    ],
)
def test_bad_input_is_told_in_a_line(parameters: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        batch({"scenario": "climate-duet", **parameters}, max_steps=1)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    batch({"scenario": "climate-duet"}, iterations=2, max_steps=1)
    assert capfd.readouterr() == ("", "")


_SCRIPT = """
import mesa
from ecosystem import EcosystemModel

if __name__ == "__main__":
    rows = mesa.batch_run(
        EcosystemModel,
        {"scenario": "climate-duet", "steps": 3, "entry": ["nash", "contractual"], "rng": [1, 2]},
        number_processes=2,
        display_progress=False,
    )
    for row in sorted(rows, key=lambda row: row["RunId"]):
        print(row["RunId"], row["entry"], row["rng"], row["step"], row["mean_alignment"].hex())
"""


def test_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    script = tmp_path / "sweep.py"
    script.write_text(_SCRIPT)
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    parameters = {"scenario": "climate-duet", "steps": 3, "entry": ["nash", "contractual"], "rng": [1, 2]}
    here = [
        f"{row['RunId']} {row['entry']} {row['rng']} {row['step']} {row['mean_alignment'].hex()}"
        for row in mesa.batch_run(EcosystemModel, parameters, display_progress=False)
    ]
    assert done.stdout.splitlines() == here
    assert len(here) == 4


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[EcosystemModel]]:
    """Return weak references to the models made from now on."""
    references: list[weakref.ref[EcosystemModel]] = []
    begin = EcosystemModel.__init__

    def noted(self: EcosystemModel, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        references.append(weakref.ref(self))

    monkeypatch.setattr(EcosystemModel, "__init__", noted)
    return references


def test_models_that_have_finished_are_let_go(made: list[weakref.ref[EcosystemModel]]) -> None:
    counted = len(mesa.Agent._ids)
    batch({"scenario": "climate-duet"}, iterations=5, max_steps=1)
    gc.collect()
    assert len(made) == 5
    assert [reference() for reference in made] == [None] * 5
    assert len(mesa.Agent._ids) <= counted


def test_models_share_the_affinity_model() -> None:
    one, two = (EcosystemModel("climate-duet", rng=seed) for seed in (1, 2))
    assert one.jepa is two.jepa


def test_agents_are_numbered_by_model() -> None:
    one, two = (EcosystemModel("climate-duet", rng=seed) for seed in (1, 2))
    assert [[agent.unique_id for agent in model.agents] for model in (one, two)] == [[1, 2], [1, 2]]
    assert mesa.Agent(one).unique_id == 3  # agents of other classes are counted with them


@pytest.mark.statistical
def test_two_hundred_runs_take_no_more_memory_than_fifty() -> None:
    grown = []
    for _ in range(4):
        batch({"scenario": "climate-debate"}, iterations=50, max_steps=2)
        gc.collect()
        grown.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
    print(f"resident memory after 50, 100, 150, 200 runs: {[f'{mb:.0f} MB' for mb in grown]}")
    assert grown[3] - grown[0] < 250
