"""From corpora and a model to a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.comparison.areas import Area, find_areas, find_bridges
from ecosystem.comparison.corpora import Corpora
from ecosystem.comparison.result import Comparison, Exhibit
from ecosystem.comparison.scores import holders_of, reception, score
from ecosystem.comparison.topics import Vectors, discover_topics, leaf_order, most_central, telling_words
from ecosystem.comparison.words import Weight, weigh_words

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Rows = NDArray[np.int64]

SHOWN = 12
"""Areas of either side whose statements are shown with the words that carry the prediction."""

_EXHIBITED = 24


def examine(corpora: Corpora, model: AffinityModel, rng: np.random.Generator) -> Comparison:
    """Return how the corpora compare, by the affinity model.

    Parameters
    ----------
    corpora : Corpora
        Who says what, and on which topic where that is known.
    model : AffinityModel
        Predicts affinity.
    rng : Generator
        Draws statements for the bootstrap; nothing else is random.
    """
    unique = list(dict.fromkeys(corpora.texts))
    place = {text: k for k, text in enumerate(unique)}
    vectors = np.asarray(model.sentences.encode(unique), np.float32)
    text_of = np.array([place[text] for text in corpora.texts])
    discovered = not corpora.topics
    topic_of = discover_topics(vectors)[text_of] if discovered else corpora.topic_of
    central = tuple(_central(np.flatnonzero(topic_of == k), vectors[text_of]) for k in range(int(topic_of.max()) + 1))
    titles = _titles(corpora.texts, topic_of, central) if discovered else corpora.topics
    scores = score(model, corpora.texts)
    areas = tuple(find_areas(corpora, scores, topic_of, model, rng))
    received = reception(scores, topic_of, holders_of(corpora.speaker_of, len(corpora.speakers)))
    found = Comparison(
        corpora,
        scores,
        topic_of,
        titles,
        central,
        discovered,
        areas,
        received,
        tuple(find_bridges(received, topic_of, corpora.texts)),
        _order(areas, topic_of, corpora.speaker_of, leaf_order(vectors), text_of),
        card=dict(model.card),
    )
    return _explain(found, model)


def _central(rows: Rows, vectors: Vectors) -> int:
    return int(rows[most_central(vectors[rows])])


def _titles(texts: Sequence[str], topic_of: Rows, central: Sequence[int]) -> tuple[str, ...]:
    """Return names for discovered topics, no two alike: their telling words, else their central statement."""
    documents = [" ".join(texts[row] for row in np.flatnonzero(topic_of == k).tolist()) for k in range(len(central))]
    words = telling_words(documents)
    plain = [", ".join(found) or _cut(texts[row]) for found, row in zip(words, central, strict=True)]
    seen: Counter[str] = Counter()
    titles = []
    for title in plain:
        seen[title] += 1
        titles.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return tuple(titles)


def _cut(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _order(areas: Sequence[Area], topic_of: Rows, speaker_of: Rows, leaves: Rows, text_of: Rows) -> Rows:
    """Return the rows by topic, speaker and meaning; topics by affinity, what is on none last."""
    last = len(areas) + len(topic_of)
    rank = {area.topic: k for k, area in enumerate(areas)}
    by_topic = [rank.get(topic, len(areas) + topic if topic >= 0 else last) for topic in topic_of.tolist()]
    by_meaning = np.argsort(leaves)[text_of]
    return np.lexsort((by_meaning, speaker_of, np.array(by_topic)))


def _explain(found: Comparison, model: AffinityModel) -> Comparison:
    """Return the comparison with what carries its predictions: pairs of statements, and words."""
    from dataclasses import replace

    return replace(found, exhibit=_exhibit(found, model), words=_words(found, model))


def _exhibit(found: Comparison, model: AffinityModel) -> Exhibit | None:
    """Return how much pairs of statements of the two speakers least aligned weigh, one statement a topic."""
    from ecosystem.jepa.attribution import importance

    if not found.areas:
        return None
    one, other = found.least_aligned
    chosen = [
        rows
        for area in found.areas
        if (rows := _representatives(found, area, one, other)) is not None
    ]  # fmt: skip
    if not chosen:
        return None
    if len(chosen) > _EXHIBITED:  # both ends: the most agreed and the most disputed
        chosen = chosen[: _EXHIBITED // 2] + chosen[-_EXHIBITED // 2 :]
    rows_a, rows_b = (np.array(rows, np.int64) for rows in zip(*chosen, strict=True))
    texts = [[found.corpora.texts[row] for row in rows] for rows in (rows_a, rows_b)]
    return Exhibit(rows_a, rows_b, importance(model, *texts))


def _representatives(found: Comparison, area: Area, one: int, other: int) -> tuple[int, int] | None:
    """Return the pair of two speakers' statements on a topic that is nearest to what the two agree on in the mean."""
    own = [np.flatnonzero((found.topic_of == area.topic) & (found.corpora.speaker_of == s)) for s in (one, other)]
    if not len(own[0]) or not len(own[1]):
        return None
    inside = np.ix_(*own)
    apart = np.abs(found.scores.affinity[inside] - area.between[one, other]) - found.scores.relevance[inside]
    i, j = np.unravel_index(int(np.argmin(apart)), apart.shape)
    return int(own[0][i]), int(own[1][j])


def _words(
    found: Comparison, model: AffinityModel
) -> dict[tuple[int, int], tuple[tuple[Weight, ...], tuple[Weight, ...]]]:
    """Return what the words of the statements that are shown add to their prediction."""
    from ecosystem.jepa.attribution import token_attribution

    weighed = {}
    for side in ("agree", "disagree", "divided"):
        for area in found.ranked(side)[:SHOWN]:
            a, b = area.evidence.a, area.evidence.b
            text_a, text_b = found.corpora.texts[a], found.corpora.texts[b]
            if text_a != text_b:
                told = token_attribution(model, text_a, text_b)
                weighed[a, b] = (
                    weigh_words(text_a, told.words_a, told.scores_a.tolist()),
                    weigh_words(text_b, told.words_b, told.scores_b.tolist()),
                )
    return weighed
