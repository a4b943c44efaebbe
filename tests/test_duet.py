"""The figures that the documentation gives for the two-persona scenario."""

from __future__ import annotations

from typing import Any

import pytest

from ecosystem.scenario import Scenario


def test_affinity_and_cosine_on_the_known_answers(duet: Scenario, jepa: Any) -> None:
    """README of the scenario, docs/affinity.md: AUC 0.92 and 0.61."""
    from sklearn.metrics import roc_auc_score

    a, b = ({s.topic: s.text for s in duet.personas[key].corpus} for key in ("agent-a", "agent-b"))
    topics = [topic.id for topic in duet.topics]
    texts = [[side[topic] for topic in topics] for side in (a, b)]
    assert duet.truth is not None
    agreed = [topic in duet.truth.agree for topic in topics]
    cosine = jepa.cosine_matrix(*texts).diagonal()
    assert roc_auc_score(agreed, jepa.affinity(*texts)) == pytest.approx(0.92, abs=0.02)
    assert roc_auc_score(agreed, cosine) == pytest.approx(0.61, abs=0.02)
