"""Learning without labels: what it changes, what it leaves alone, and that it is the same bytes again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

import ecosystem
from ecosystem.errors import InputError
from ecosystem.jepa.adaptation import Learner, balance, share_of
from ecosystem.model import EcosystemModel, index_statements
from ecosystem.record.folder import RunWriter
from ecosystem.scenario import Scenario


@pytest.fixture(scope="module")
def debate_table(debate: Scenario, jepa: Any) -> tuple[Any, np.ndarray]:
    personas, texts, topic_of = index_statements(debate)
    corpora = np.zeros((len(personas), len(texts)), bool)
    for row, persona in enumerate(personas):
        corpora[row, list(persona.corpus)] = True
    return jepa.statements(texts, topic_of), corpora


@pytest.fixture(scope="module")
def adapted(debate_table: tuple[Any, np.ndarray], jepa: Any) -> Learner:
    statements, corpora = debate_table
    learner = Learner(jepa, statements)
    learner.adapt(corpora)
    return learner


def exchange(statements: Any, corpora: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what everyone says first, on the first topic, and how each statement is read by each."""
    rows = np.array([np.flatnonzero(held & (statements.topic_of == 0))[0] for held in corpora])
    observed = statements.affinity[np.ix_(rows, rows)].astype(float)
    np.fill_diagonal(observed, np.nan)
    return rows, observed


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_balance_keeps_symmetry_and_size_and_does_not_mind_the_order(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n))
    logits += logits.T
    balanced = balance(logits)
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_allclose(balanced, balanced.T)
    np.testing.assert_allclose((balanced[off] ** 2).mean(), (logits[off] ** 2).mean())
    order = rng.permutation(n)
    np.testing.assert_allclose(balance(logits[np.ix_(order, order)]), balanced[np.ix_(order, order)], atol=1e-6)


def test_balance_finds_the_two_sides_behind_noisy_readings() -> None:
    rng = np.random.default_rng(0)
    sides = rng.permutation(np.repeat([1, -1], 20))
    truth = np.outer(sides, sides)
    noise = rng.normal(0, 2, (40, 40))
    read = truth + (noise + noise.T) / 2
    off = ~np.eye(40, dtype=bool)
    assert (np.sign(read) == truth)[off].mean() < 0.85
    assert (np.sign(balance(read)) == truth)[off].mean() > 0.95


def test_balance_of_no_readings_is_none() -> None:
    assert not balance(np.zeros((3, 3))).any()


def test_share_of_averages() -> None:
    corpora = np.random.default_rng(0).random((4, 9)) < 0.4
    corpora[0] |= ~corpora.any(0)
    shares = share_of(corpora)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert (shares >= 0).all()
    assert (np.diag(shares) >= 0.5).all()


def test_a_learner_reads_as_the_pretrained_model_before_it_learns(debate_table: Any, jepa: Any) -> None:
    statements, _ = debate_table
    learner = Learner(jepa, statements)
    some = statements.texts[:9]
    np.testing.assert_allclose(learner.model.affinity_matrix(some, some), jepa.affinity_matrix(some, some), atol=1e-4)
    learner.restore(learner.state())
    np.testing.assert_allclose(learner.statements.affinity, statements.affinity, atol=1e-4)


def test_adaptation_changes_affinities_and_nothing_else(adapted: Learner, debate_table: Any, jepa: Any) -> None:
    before, after = debate_table[0], adapted.statements
    for name in ("topic_of", "latents", "relevance", "cosine"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    assert after.affinity.dtype == np.float32
    assert np.abs(after.affinity - before.affinity).max() > 0.01
    assert np.abs(after.reply_energy - before.reply_energy).max() > 0
    assert np.abs(after.affinity).max() <= 1
    np.testing.assert_allclose(after.affinity, after.affinity.T, atol=1e-5)
    np.testing.assert_array_equal(np.diag(after.affinity), 1)
    some = before.texts[:20]
    np.testing.assert_allclose(jepa.affinity_matrix(some, some), before.affinity[:20, :20], atol=1e-5)
    assert adapted.model.encoder.identity != jepa.encoder.identity


def test_the_learners_model_is_what_the_table_holds(adapted: Learner) -> None:
    texts = adapted.statements.texts[:30]
    found = adapted.model.affinity_matrix(texts, texts)
    np.testing.assert_allclose(found, adapted.statements.affinity[:30, :30], atol=1e-4)
    new = adapted.model.affinity(["Coal plants must close soon."], [texts[0]])
    assert -1 <= new[0] <= 1


def test_adaptation_makes_personas_of_one_mind(adapted: Learner, debate_table: Any) -> None:
    """Two statements of one persona on one topic stand to all others on it more alike than before."""
    before, corpora = debate_table

    def likeness(affinity: np.ndarray) -> float:
        found = []
        for topic in np.unique(before.topic_of):
            rows = np.flatnonzero(before.topic_of == topic)
            for held in corpora[:, rows]:
                own, others = rows[held][:2], rows[~held]
                found.append(np.corrcoef(affinity[np.ix_(own, others)])[0, 1])
        return float(np.mean(found))

    assert likeness(adapted.statements.affinity) > likeness(before.affinity)


def test_adapting_twice_gives_the_same_bytes(adapted: Learner, debate_table: Any, jepa: Any) -> None:
    again = Learner(jepa, debate_table[0])
    again.adapt(debate_table[1])
    assert again.statements.affinity.tobytes() == adapted.statements.affinity.tobytes()


def test_what_was_learned_online_can_be_taken_up_again(debate_table: Any, jepa: Any) -> None:
    statements, corpora = debate_table
    learner = Learner(jepa, statements)
    learner.learn(*exchange(statements, corpora))
    assert np.abs(learner.statements.affinity - statements.affinity).max() > 1e-4
    other = Learner(jepa, statements)
    other.restore(learner.state())
    for one in (learner, other):
        one.learn(*exchange(statements, corpora))
    for name in ("affinity", "reply_energy"):
        assert getattr(other.statements, name).tobytes() == getattr(learner.statements, name).tobytes(), name


def test_nothing_is_learned_from_silence(debate_table: Any, jepa: Any) -> None:
    statements, corpora = debate_table
    learner = Learner(jepa, statements)
    before = learner.state()
    rows, observed = exchange(statements, corpora)
    learner.learn(np.full_like(rows, -1), observed)
    learner.learn(rows, np.full_like(observed, np.nan))
    assert learner.statements is statements
    assert all((learner.state()[name] == value).all() for name, value in before.items())


def test_a_debate_of_one_statement_a_topic_each_adapts(duet: Scenario, jepa: Any) -> None:
    model = EcosystemModel(duet, jepa=jepa, rng=0, learn="adapt")
    model.step()
    assert np.isfinite(model.statements.affinity).all()


def test_without_learning_nothing_of_it_is_touched(
    debate: Scenario, jepa: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecosystem.jepa.adaptation.Learner.__init__", lambda *_: pytest.fail("a learner was made"))
    model = EcosystemModel(debate, jepa=jepa, rng=0)
    model.step()
    assert model.jepa is jepa
    assert not model.state.learned


def test_wrong_way_to_learn_is_refused() -> None:
    with pytest.raises(InputError, match="learn") as caught:
        ecosystem.load_scenario("climate-duet", learn="onlin")
    assert "online" in str(caught.value)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out figures and report, which no table depends on."""
    monkeypatch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
    monkeypatch.setattr("ecosystem.report.document.write_report", lambda *_: None)


class Killed(BaseException):
    """Stands for a kill: nothing in the program catches it."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted([*folder.glob("*.parquet"), *folder.glob("checkpoints/*")])}


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("learn", ["adapt", "online"])
def test_interrupted_run_that_learns_resumes_to_the_same_bytes(
    learn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {"steps": 7, "seed": 3, "checkpoint_every": 3, "learn": learn}
    whole = ecosystem.run("climate-duet", out=tmp_path / "whole", **arguments)
    add = RunWriter.add

    def interrupted(self: RunWriter, step: Any) -> None:
        add(self, step)
        if step.step == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "add", interrupted)
        with pytest.raises(Killed):
            ecosystem.run("climate-duet", out=tmp_path / "cut", **arguments)
    resumed = ecosystem.run("climate-duet", out=tmp_path / "cut", resume=True, **arguments)
    assert files_of(resumed.path) == files_of(whole.path)
    with safe_open(whole.path / "checkpoints" / "00000007.safetensors", "numpy") as checkpoint:
        learned = [name for name in checkpoint.keys() if name.startswith("learned.")]  # noqa: SIM118
    assert bool(learned) == (learn == "online")


@pytest.mark.usefixtures("plain")
def test_ways_to_learn_lead_to_different_runs(tmp_path: Path) -> None:
    runs = {
        learn: files_of(ecosystem.run("climate-debate", steps=4, seed=1, out=tmp_path, learn=learn).path)
        for learn in ("none", "adapt", "online")
    }
    for one, other in (("none", "adapt"), ("none", "online"), ("adapt", "online")):
        assert runs[one]["affinity.parquet"] != runs[other]["affinity.parquet"]
