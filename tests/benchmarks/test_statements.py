"""How far a bag of words gets on the shipped stance statements. Prints the AUC on topics it has not seen.

pytest tests/benchmarks/test_statements.py -s -m benchmark
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecosystem.jepa.stance import SHIPPED

pytestmark = pytest.mark.benchmark


def test_bag_of_words() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    table = pd.read_csv(SHIPPED)
    table = table[table["stance"] != "neutral"]
    supports = (table["stance"] == "support").to_numpy()
    predicted = np.zeros(len(table))
    for train, test in GroupKFold(10).split(table, supports, table["topic"]):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2)
        model = LogisticRegression().fit(words.fit_transform(table["text"].iloc[train]), supports[train])
        predicted[test] = model.predict_proba(words.transform(table["text"].iloc[test]))[:, 1]
    print(f"\nbag of words, topic-disjoint: AUC {roc_auc_score(supports, predicted):.3f}")
