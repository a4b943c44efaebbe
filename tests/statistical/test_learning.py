"""Does learning without labels make better forecasts? Debates with known sides, on topics never trained on.

``pytest -m statistical -s tests/statistical/test_learning.py`` prints the table of docs/affinity.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosystem.jepa.scoring import auc
from ecosystem.jepa.stance import read_shipped
from ecosystem.jepa.statements import affinity_to_holders
from ecosystem.measures.forecasts import correlation
from ecosystem.model import EcosystemModel
from ecosystem.scenario import Parameters, Persona, Scenario, Statement, Topic

pytestmark = pytest.mark.statistical

LEARNING = ("none", "adapt", "online")
SEEDS = range(5)
PERSONAS, TOPICS, EACH = 10, 8, 3

Sides = NDArray[np.int64]


def planted_debate(rng: np.random.Generator, topics: Sequence[str] | None = None) -> tuple[Scenario, Sides]:
    """Return a debate on held-out topics and the side of each persona (row) on each topic (column).

    Every persona takes a side at random on every topic, and `EACH` statements of that side that no one else has.
    """
    table = read_shipped()
    table = table[(table["split"] == "dev") & ~table["motion"]]
    chosen = rng.choice(np.unique(table["topic"]) if topics is None else topics, TOPICS, replace=False)
    # As evenly as can be: no side of a topic runs out of statements.
    sides = np.array([rng.permutation(np.arange(PERSONAS) % 2 * 2 - 1) for _ in chosen]).T
    corpora: list[list[Statement]] = [[] for _ in range(PERSONAS)]
    for column, topic in enumerate(chosen):
        for side in (1, -1):
            texts = rng.permutation(table.loc[(table["topic"] == topic) & (table["side"] == side), "text"])
            for place, persona in enumerate(np.flatnonzero(sides[:, column] == side)):
                corpora[persona] += [Statement(text=t, topic=topic) for t in texts[place * EACH : (place + 1) * EACH]]
    personas = {f"p{k}": Persona(name=f"P{k}", corpus=tuple(corpus)) for k, corpus in enumerate(corpora)}
    return Scenario(name="planted", topics=tuple(Topic(id=t) for t in chosen), personas=personas), sides


class Watched(EcosystemModel):
    """A debate in which the pretrained model reads along."""

    def __init__(self, scenario: Scenario, **arguments: Any) -> None:
        super().__init__(scenario, **arguments)
        self.pretrained = arguments["jepa"].statements(self.statements.texts, self.statements.topic_of)

    def listen(self, utterances: NDArray[np.int64]) -> Any:
        spoke = utterances >= 0
        self.reading = np.full(self.state.alignment.shape, np.nan)
        rows = utterances[spoke]
        self.reading[spoke] = affinity_to_holders(
            self.pretrained.affinity[rows], self.pretrained.relevance[rows], self._holders()
        )
        np.fill_diagonal(self.reading, np.nan)
        return super().listen(utterances)


def skill(scenario: Scenario, sides: Sides, jepa: Any, learn: str, seed: int, steps: int) -> dict[str, float]:
    """Return how forecasts did: against known sides, against the model's own reading, and the pretrained one's.

    ``sides_auc``: a listener on the speaker's side ranked above one on the other; sides of 0 are left out.
    """
    model = Watched(scenario, jepa=jepa, rng=seed, learn=learn)
    found: dict[str, list[Any]] = {"forecast": [], "own": [], "fixed": [], "same": []}
    for _ in range(steps):
        model.step()
        assert model.last is not None
        side = sides[:, model.last.topic]
        known = ~np.isnan(model.last.forecast + model.last.heard.affinity + model.reading)
        found["forecast"].append(model.last.forecast[known])
        found["own"].append(model.last.heard.affinity[known])
        found["fixed"].append(model.reading[known])
        found["same"].append(np.outer(side, side)[known])
    forecast, own, fixed, same = (np.concatenate(values) for values in found.values())
    taken = same != 0
    return {
        "sides_auc": auc(same[taken] > 0, forecast[taken]),
        "sides_brier": float((((1 + forecast[taken]) / 2 - (same[taken] > 0)) ** 2).mean()),
        "pretrained_correlation": correlation(forecast, fixed),
        "own_correlation": correlation(forecast, own),
        "size": float(np.abs(forecast).mean()),
    }


def show(title: str, skills: dict[str, list[dict[str, float]]]) -> None:
    """Print means over seeds, and in brackets the standard error of the difference from no learning."""
    print(f"\n{title}")
    for learn, found in skills.items():
        cells = []
        for name in found[0]:
            values = np.array([one[name] for one in found])
            apart = values - [one[name] for one in skills["none"]]
            cells.append(f"{name} {values.mean():.3f} ({apart.std(ddof=1) / len(apart) ** 0.5:.3f})")
        print(f"{learn:7s}", "  ".join(cells))


@pytest.fixture(scope="module")
def skills(jepa: Any) -> dict[str, list[dict[str, float]]]:
    debates = [planted_debate(np.random.default_rng(seed)) for seed in SEEDS]
    found = {
        learn: [skill(*debates[seed], jepa, learn, seed, steps=3 * TOPICS) for seed in SEEDS] for learn in LEARNING
    }
    show(f"debates on {TOPICS} held-out topics, {PERSONAS} personas", found)
    return found


def mean(skills: dict[str, list[dict[str, float]]], learn: str, name: str) -> float:
    return float(np.mean([one[name] for one in skills[learn]]))


def test_default_is_not_beaten_on_known_sides(skills: dict[str, list[dict[str, float]]]) -> None:
    """What is learned without labels either makes better forecasts or stays off."""
    default = mean(skills, Parameters().learn, "sides_auc")
    for learn in LEARNING:
        assert default > mean(skills, learn, "sides_auc") - 0.02, learn


def test_learning_moves_forecasts_without_running_away(skills: dict[str, list[dict[str, float]]]) -> None:
    """No confidence out of nothing: forecasts do not grow, and the pretrained model still knows them."""
    for learn in LEARNING[1:]:
        assert mean(skills, learn, "size") < 1.25 * mean(skills, "none", "size")
        assert mean(skills, learn, "pretrained_correlation") > 0.5 * mean(skills, "none", "pretrained_correlation")


def test_known_answers_of_the_duet(duet: Scenario, jepa: Any) -> None:
    """The lists of agreement and disagreement, ranked by the forecasts of a run over the whole agenda."""
    assert duet.truth is not None
    agreed = np.array([topic.id in duet.truth.agree for topic in duet.topics])
    steps = duet.parameters.topic_duration * len(duet.topics)
    print("\nclimate-duet, AUC of forecasts on the known answers")
    for learn in LEARNING:
        aucs = []
        for seed in SEEDS:
            model = EcosystemModel(duet, jepa=jepa, rng=seed, learn=learn)
            forecasts = np.full((steps, len(duet.topics)), np.nan)
            for step in range(steps):
                model.step()
                assert model.last is not None
                forecasts[step, model.last.topic] = np.nanmean(model.last.forecast)
            aucs.append(auc(agreed, np.nanmean(forecasts, 0)))
        print(f"{learn:7s} {np.mean(aucs):.3f} (over seeds {np.min(aucs):.3f} to {np.max(aucs):.3f})")
        assert 0 <= min(aucs) <= 1
