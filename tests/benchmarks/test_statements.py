"""How far a bag of words gets on the shipped stance statements, on topics it has not seen. Prints AUCs.

pytest tests/benchmarks/test_statements.py -s -m benchmark
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ecosystem.jepa.stance import StanceTable, read_shipped, read_stance, sample_pairs

pytestmark = pytest.mark.benchmark

FOLDS = 10
LIMIT = 0.60
"""No cue word may give the side away: the AUC that a bag of words has to stay under."""


def test_words_hardly_give_the_side_away() -> None:
    from sklearn.metrics import roc_auc_score

    def taking_a_side(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["side"] != 0) & ~table["motion"]].reset_index(drop=True)

    def later(written: str) -> pd.DataFrame:
        return taking_a_side(read_shipped(("later", "reserve"), written))

    table = taking_a_side(read_shipped())
    print()
    for name, chosen in (
        ("all topics", table),
        ("climate and energy", table[table["source"] == "climate-energy"]),
        ("other policy", table[table["source"] == "other-policy"]),
        *((f"later and reserve, {written}", later(written)) for written in ("alone", "paired")),
    ):
        supports = (chosen["side"] == 1).to_numpy()
        auc = roc_auc_score(supports, predicted_sides(chosen))
        print(f"bag of words, side given the motion, {name}: AUC {auc:.3f} on {len(chosen):,} statements")
        assert name == "other policy" or auc < LIMIT


def test_words_give_much_away_in_the_public_sets() -> None:
    """For comparison: why a model does better there than on the project's own held-out topics."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    data = os.environ.get("ECOSYSTEM_DATA")
    if data is None:
        pytest.skip("ECOSYSTEM_DATA names no folder with the public stance sets")
    table = read_stance(Path(data), np.random.default_rng(0))
    texts, usable = np.array(table.texts, object), (table.side != 0) & ~table.motion
    print()
    for source in ("ibm", "perspectrum", "climate-energy"):
        train, dev = (usable & (table.source == source) & ((table.split == "dev") == held) for held in (False, True))
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2)
        model = LogisticRegression().fit(words.fit_transform(texts[train]), table.side[train])
        auc = roc_auc_score(table.side[dev], model.decision_function(words.transform(texts[dev])))
        print(f"bag of words, side given the motion, held-out topics of {source}: AUC {auc:.3f}")


def test_words_hardly_tell_agreement_from_opposition() -> None:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    rng = np.random.default_rng(0)
    table = read_stance(None, rng)
    rows = np.flatnonzero((table.side != 0) & ~table.motion)
    one, other, agree = sample_pairs(table, rows, rng, per_topic=400)
    words = csr_matrix(TfidfVectorizer(ngram_range=(1, 2), min_df=2).fit_transform(table.texts))
    shared = words[one].multiply(words[other]).tocsr()
    by_shared_words = np.zeros(len(one))
    for train, test in GroupKFold(FOLDS).split(one, agree, table.topic[one]):
        model = LogisticRegression(max_iter=500, C=10.0).fit(shared[train], agree[train])
        by_shared_words[test] = model.decision_function(shared[test])

    leaning = np.zeros(len(table))
    leaning[rows] = predicted_sides(taking_sides(table))
    by_sides = leaning[one] * leaning[other]
    print()
    for name, scores in (("words in common", by_shared_words), ("predicted sides", by_sides)):
        auc = roc_auc_score(agree, scores)
        print(f"bag of words, agreement of a pair by {name}: AUC {auc:.3f} on {len(one):,} pairs")
        assert auc < LIMIT


def taking_sides(table: StanceTable) -> pd.DataFrame:
    """Return the statements that take a side, without motions: text, topic, side."""
    rows = np.flatnonzero((table.side != 0) & ~table.motion)
    return pd.DataFrame({"text": table.texts, "topic": table.topic, "side": table.side}).iloc[rows]


def predicted_sides(statements: pd.DataFrame) -> NDArray[np.float64]:
    """Return the log odds of support, ``(n,)``, from unigrams and bigrams learnt on other topics."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    supports = (statements["side"] == 1).to_numpy()
    predicted = np.zeros(len(statements))
    for train, test in GroupKFold(FOLDS).split(statements, supports, statements["topic"]):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2)
        model = LogisticRegression(max_iter=500)
        model.fit(words.fit_transform(statements["text"].iloc[train]), supports[train])
        predicted[test] = model.decision_function(words.transform(statements["text"].iloc[test]))
    return predicted
