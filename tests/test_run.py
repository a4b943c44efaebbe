"""Runs: what they leave, that they are the same bytes again, and that they survive being killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import ecosystem
from ecosystem.dynamics.draws import Draws
from ecosystem.errors import InputError
from ecosystem.record.checkpoint import load_checkpoint
from ecosystem.record.folder import RunWriter
from ecosystem.record.manifest import CONFIG

TABLES = ("metrics", "utterances", "affinity", "alignment", "memberships", "events", "latents")
FIGURES = (
    "coalition_timeline",
    "alignment_network",
    "affinity_heatmap",
    "trajectories",
    "utterance_pca",
    "predictions",
    "weight_importance",
    "forecast_skill",
    "measures",
)


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every table, and of the checkpoints, which must be the same as well."""
    files = [*folder.glob("*.parquet"), *folder.glob("checkpoints/*")]
    return {path.name: path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("runs")
    return ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=out)


def test_folder_is_complete(finished: Any) -> None:
    for table in (*TABLES, "statements", "importance"):
        assert (finished.path / f"{table}.parquet").is_file(), table
    for figure in FIGURES:
        for suffix in ("png", "svg"):
            assert (finished.path / "figures" / f"{figure}.{suffix}").stat().st_size > 1000
    assert (finished.path / "alignment.graphml").is_file()
    assert [p.stem for p in sorted((finished.path / "checkpoints").iterdir())] == ["00000005", "00000010", "00000013"]
    page = (finished.path / "report.html").read_bytes()
    assert 10_000 < len(page) < 10_000_000
    assert not [p for p in finished.path.rglob("*") if p.name.startswith(".") or p.suffix == ".tmp"]
    assert not (finished.path / "parts").exists()
    assert not list(finished.path.parent.glob("*.partial"))


def test_manifest_says_where_it_comes_from(finished: Any) -> None:
    manifest = json.loads((finished.path / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["seed"] == 1
    assert manifest["parameters"]["steps"] == 13
    assert len(manifest["corpora_sha256"]) == len(manifest["weights_sha256"]) == 64
    assert manifest["versions"]["mesa"].startswith("3.3")
    assert finished.path.name.endswith(f"-s1-{manifest['config_hash']}")
    assert finished.path.parent.name == "climate-debate"


def test_tables_have_the_promised_columns(finished: Any) -> None:
    columns = {name: set(pq.read_schema(finished.path / f"{name}.parquet").names) for name in TABLES}
    assert {"step", "speaker", "listener", "topic", "forecast", "observed", "cosine"} <= columns["affinity"]
    assert {"step", "source", "target", "weight"} <= columns["alignment"]
    assert {"step", "agent", "coalition"} <= columns["memberships"]
    assert {"step", "agent", "latent"} <= columns["latents"]
    assert len(finished.metrics) == 13
    assert list(finished.metrics["step"]) == list(range(1, 14))


def test_tables_agree_with_one_another(finished: Any) -> None:
    memberships, utterances = finished.memberships, finished.utterances
    assert (memberships.groupby("step")["agent"].nunique() == 14).all()
    sizes = memberships[memberships["coalition"] > 0].groupby(["step", "coalition"]).size()
    assert (sizes >= 2).all()
    counted = memberships[memberships["coalition"] > 0].groupby("step")["coalition"].nunique()
    expected = finished.metrics.set_index("step")["coalitions"]
    pd.testing.assert_series_equal(
        counted.reindex(expected.index, fill_value=0).astype(float), expected, check_names=False
    )
    assert utterances["utterance"].is_unique
    assert finished.statements["said"].sum() == len(utterances)
    for weighed, accepted in zip(utterances["weighed_by"], utterances["accepted_by"], strict=True):
        assert set(accepted) <= set(weighed)
    assert finished.affinity[["forecast", "observed"]].abs().max().max() <= 1


def test_events_name_utterances_that_were_made(finished: Any) -> None:
    said = finished.utterances.set_index("utterance")
    assert len(finished.events) > 0
    for event in finished.events.itertuples():
        assert len(event.utterances) == len(event.listeners)
        for utterance in event.utterances:
            assert said.loc[utterance, "step"] == event.step


def test_memberships_change_only_by_events(finished: Any) -> None:
    wide = finished.memberships.pivot(index="step", columns="agent", values="coalition")
    for step in wide.index[1:]:
        changed = set(wide.columns[wide.loc[step] != wide.loc[step - 1]])
        told = finished.events[finished.events["step"] == step]
        named = {agent for agents in told["agents"] for agent in agents}
        named |= {agent for partners in told["partners"] for agent in partners}
        assert changed <= named


@pytest.mark.usefixtures("plain")
def test_same_seed_same_bytes_other_seed_other_bytes(finished: Any, tmp_path: Path) -> None:
    again = ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=tmp_path)
    assert parquet_bytes(again.path) == parquet_bytes(finished.path)
    other = ecosystem.run("climate-debate", steps=13, seed=2, checkpoint_every=5, out=tmp_path)
    one, two = parquet_bytes(other.path), parquet_bytes(finished.path)
    tables = [name for name in two if name.endswith(".parquet")]
    assert len(tables) == 12
    same = {name for name in tables if one[name] == two[name]}
    assert same == {"interventions.parquet"}, "there are none"


@pytest.mark.usefixtures("plain")
def test_config_runs_again_to_the_same_bytes(finished: Any, tmp_path: Path) -> None:
    again = ecosystem.run(finished.path / CONFIG, out=tmp_path)
    assert parquet_bytes(again.path) == parquet_bytes(finished.path)
    assert again.manifest["config_hash"] == finished.manifest["config_hash"]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out figures and report, which no table depends on."""
    monkeypatch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
    monkeypatch.setattr("ecosystem.report.document.write_report", lambda *_: None)


class Killed(BaseException):
    """Stands for a kill: nothing in the program catches it."""


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("at", [1, 5, 8, 10, 12])
def test_interrupted_run_resumes_to_the_same_bytes(
    at: int, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RunWriter.add

    def interrupted(self: RunWriter, step: Any) -> None:
        add(self, step)
        if step.step == at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "add", interrupted)
        with pytest.raises(Killed):
            ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=tmp_path)
    left = list((tmp_path / "climate-debate").iterdir())
    assert [path.name.endswith(".partial") for path in left] == [True]
    resumed = ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=tmp_path, resume=True)
    assert parquet_bytes(resumed.path) == parquet_bytes(finished.path)
    assert list((tmp_path / "climate-debate").iterdir()) == [resumed.path]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    "stage",
    [
        "ecosystem.record.folder.RunWriter.join",
        "ecosystem.record.statements.write_statement_tables",
        "ecosystem.report.document.write_report",
        "pathlib.Path.rename",
    ],
)
def test_interrupted_while_finishing(
    stage: str, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last stage is after the parts are gone and before the folder has its name."""

    def interrupted(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stage, interrupted)
        with pytest.raises(Killed):
            ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=tmp_path)
    assert [path.name.endswith(".partial") for path in (tmp_path / "climate-debate").iterdir()] == [True]
    resumed = ecosystem.run("climate-debate", steps=13, seed=1, checkpoint_every=5, out=tmp_path, resume=True)
    assert parquet_bytes(resumed.path) == parquet_bytes(finished.path)


def test_resume_of_a_finished_run_returns_it(finished: Any) -> None:
    again = ecosystem.run(
        "climate-debate", steps=13, seed=1, checkpoint_every=5, out=finished.path.parents[1], resume=True
    )
    assert again.path == finished.path


def test_checkpoint_holds_the_state(finished: Any) -> None:
    state, draws = load_checkpoint(finished.path / "checkpoints" / "00000013.safetensors")
    assert state.tick == 13
    assert draws.entropy == Draws.of(np.random.default_rng(1)).entropy
    wide = finished.memberships.query("step == 13").set_index("agent")["coalition"]
    assert list(wide[list(finished.scenario.personas)]) == list(state.partition)


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    from ecosystem.record.lock import locked

    with locked(tmp_path), pytest.raises(InputError, match="another process"), locked(tmp_path):
        pass


def test_run_shows_itself(finished: Any) -> None:
    assert "climate" in finished._repr_html_().lower()
    axes = finished.plot_trajectories()
    assert len(axes.lines) + len(axes.collections) > 0


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(
        "personas:\n"
        "  ada:\n    name: '<img src=x onerror=alert(1)>'\n"
        "    corpus: ['<script>alert(2)</script> is fine', '{{ 7 * 7 }} and $\\alpha_{x$ too', 'Coal must go.']\n"
        "  ben:\n    name: 'Ben & \"sons\"'\n    corpus: ['Coal keeps the lights on.', '</style><b>bold</b>']\n"
        "parameters: {steps: 4}\n"
    )
    done = ecosystem.run(folder, out=tmp_path / "runs")
    page = (done.path / "report.html").read_text()
    for raw in ("<img src=x", "<script>", "</style><b>", "<b>bold"):
        assert raw not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for svg in (done.path / "figures").glob("*.svg"):
        assert "<script>" not in svg.read_text()
    assert "<img" not in done._repr_html_()


def test_unwritable_out_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OSError, match=r"[Nn]ot a directory|exists"):
        ecosystem.run("climate-duet", steps=2, out=blocked / "runs")
    assert list(tmp_path.iterdir()) == [blocked]
