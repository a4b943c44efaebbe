"""The presets of the browser view lead where they say, on the climate debate, with stated bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ecosystem.app.controls.presets import CONSENSUS, FRAGMENTATION, OWN, POLARIZATION
from ecosystem.model import EcosystemModel
from ecosystem.opening import Reading
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.statistical

SEEDS = range(20)


@dataclass(frozen=True)
class End:
    """How a debate ended: sizes of its coalitions, those alone among them, and the mean alignment of pairs."""

    sizes: list[int]
    variance: float
    opposed: float
    within: float
    between: float

    @property
    def coalitions(self) -> int:
        return sum(size > 1 for size in self.sizes)


@pytest.fixture(scope="module")
def reading(debate: Scenario, jepa: Any) -> Reading:
    return Reading.of(debate, jepa)


def ends(debate: Scenario, reading: Reading, parameters: dict[str, Any]) -> list[End]:
    found = []
    for seed in SEEDS:
        model = EcosystemModel(debate, reading=reading, rng=seed, **parameters)
        while model.running:
            model.step()
        state = model.state
        pairs = np.triu_indices(len(state.partition), 1)
        alignment = state.alignment[pairs]
        together = (state.partition[:, None] == state.partition[None, :])[pairs]
        sizes = np.unique(state.partition, return_counts=True)[1]
        found.append(
            End(
                sorted(sizes.tolist(), reverse=True),
                float(state.opinions.var(axis=0).mean()),
                float((alignment < 0).mean()),
                float(alignment[together].mean()) if together.any() else np.nan,
                float(alignment[~together].mean()) if not together.all() else np.nan,
            )
        )
    return found


def test_consensus_is_one_coalition_of_one_opinion(debate: Scenario, reading: Reading) -> None:
    found = ends(debate, reading, dict(CONSENSUS.parameters))
    assert all(end.sizes == [14] for end in found)
    assert all(end.variance < 0.005 for end in found)
    assert all(end.opposed == 0 for end in found)
    own = ends(debate, reading, dict(OWN.parameters))
    assert min(end.variance for end in own) > 0.1
    assert max(end.sizes[0] for end in own) < 14


def test_bi_polarization_is_two_camps_that_oppose_each_other(debate: Scenario, reading: Reading) -> None:
    found = ends(debate, reading, dict(POLARIZATION.parameters))
    assert sum(end.coalitions == 2 for end in found) >= 18
    assert sum(sum(end.sizes[:2]) >= 13 and end.sizes[1] >= 3 for end in found) >= 17
    assert np.median([end.sizes[1] for end in found]) >= 4
    assert all(end.within > 0.04 for end in found)
    assert sum(end.between < 0 for end in found) >= 18


def test_homophily_and_bias_drive_the_camps_apart(debate: Scenario, reading: Reading) -> None:
    parameters = dict(POLARIZATION.parameters)
    found = ends(debate, reading, parameters)
    calm = ends(debate, reading, parameters | {"homophily": 0.0, "bias": 0.0})
    assert all(one.variance > 1.3 * other.variance for one, other in zip(found, calm, strict=True))
    assert np.median([end.between for end in found]) < -0.003 < 0.003 < np.median([end.between for end in calm])


def test_fragmentation_is_many_small_coalitions(debate: Scenario, reading: Reading) -> None:
    found = ends(debate, reading, dict(FRAGMENTATION.parameters))
    assert all(end.coalitions >= 4 for end in found)
    assert all(end.sizes[0] <= 4 for end in found)
    assert all(end.sizes.count(1) <= 5 for end in found)
    assert all(end.variance > 0.07 for end in found)
