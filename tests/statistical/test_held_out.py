"""The shipped weights on topics they were not trained on, against cosine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosystem.jepa import examination
from ecosystem.jepa.stance import read_stance

pytestmark = pytest.mark.statistical


@pytest.fixture(scope="module")
def held_out(jepa: Any) -> dict[str, dict[str, float]]:
    data = os.environ.get("ECOSYSTEM_DATA")
    if data is None:
        pytest.skip("ECOSYSTEM_DATA names no folder with the public stance sets")
    table = read_stance(Path(data), np.random.default_rng(0))
    return examination.held_out(jepa, table)


def test_pairs_of_unseen_motions(held_out: dict[str, dict[str, float]]) -> None:
    print("\n", held_out)
    assert held_out["ibm"]["pairs_auc"] >= 0.75
    assert held_out["perspectrum"]["pairs_auc"] >= 0.65
    for scores in held_out.values():
        assert scores["pairs_auc"] > scores["pairs_auc_cosine"] + 0.05


def test_card_tells_the_truth(held_out: dict[str, dict[str, float]], jepa: Any) -> None:
    """The file holds half-precision weights; their scores are those of the card to the third digit or so."""
    for source, scores in held_out.items():
        for name, value in jepa.card["metrics"][source].items():
            assert scores[name] == pytest.approx(value, abs=0.01), (source, name)
