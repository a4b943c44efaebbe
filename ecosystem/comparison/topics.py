"""Topics that no one named: statements gathered by meaning, each topic named by its own words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

UNASSIGNED = -1

_FEWEST = 4
_MOST_TOPICS = 40
_STRUCTURE = 0.03
_SAMPLE = 1500
_WORD = r"(?u)\b[^\W\d_][\w-]{2,}\b"


def hierarchy(vectors: Vectors) -> NDArray[np.float64]:
    """Return Ward's hierarchy of unit vectors as SciPy's linkage, ``(n - 1, 4)``."""
    from scipy.cluster.hierarchy import linkage

    tree: NDArray[np.float64] = linkage(np.asarray(vectors, np.float64), "ward")
    return tree


def leaf_order(vectors: Vectors) -> Labels:
    """Return the order of the hierarchy's leaves, in which neighbours mean alike."""
    from scipy.cluster.hierarchy import leaves_list

    if len(vectors) < 2:
        return np.arange(len(vectors))
    return np.asarray(leaves_list(hierarchy(vectors)), np.int64)


def discover_topics(vectors: Vectors) -> Labels:
    """Return the topic of every statement, -1 for one that fits nowhere.

    Ward's hierarchy of the sentence embeddings is cut where the mean silhouette is largest, at 40 topics at
    most. A statement alone in its topic, or nearer to another topic than to its own, is unassigned. Fewer
    than four statements, and statements without structure (a silhouette below 0.03), are one topic. Nothing
    is drawn at random.

    Parameters
    ----------
    vectors : (n, width) float32
        Unit sentence embeddings of distinct statements.

    Returns
    -------
    (n,) int
        Numbers from 0, in order of the topics' first statements; -1.

    References
    ----------
    Rousseeuw (1987), *Silhouettes*, Journal of Computational and Applied Mathematics 20.
    """
    from scipy.cluster.hierarchy import fcluster
    from sklearn.metrics import silhouette_samples

    n = len(vectors)
    if n < _FEWEST:
        return np.zeros(n, np.int64)
    tree = hierarchy(vectors)
    distance = np.clip(1 - vectors @ vectors.T, 0, None).astype(np.float64)
    np.fill_diagonal(distance, 0)
    sample = np.unique(np.linspace(0, n - 1, min(n, _SAMPLE)).astype(int))
    inner = distance[np.ix_(sample, sample)]
    best, found = _STRUCTURE, np.zeros(n, np.int64)
    for k in _counts(n):
        cut = np.asarray(fcluster(tree, k, "maxclust"), np.int64)
        kinds = len(np.unique(cut[sample]))
        if not 2 <= kinds < len(sample):
            continue
        score = float(silhouette_samples(inner, cut[sample], metric="precomputed").mean())
        if score > best + 1e-9:
            best, found = score, cut
    if found.any():
        fits = silhouette_samples(distance, found, metric="precomputed") > 0
        found = np.where(fits, found, UNASSIGNED)
    return _numbered(found)


def _counts(n: int) -> list[int]:
    """Return numbers of topics to try: all up to 40, or three in five statements."""
    return list(range(2, min(_MOST_TOPICS, max(2, int(0.6 * n))) + 1))


def _numbered(labels: Labels) -> Labels:
    """Return labels as numbers from 0 in order of appearance; topics of one statement become unassigned."""
    kept = [label for label in dict.fromkeys(labels.tolist()) if label >= 0 and (labels == label).sum() > 1]
    if not kept:  # nothing belongs together: one topic
        return np.zeros(len(labels), np.int64)
    number = {label: k for k, label in enumerate(kept)}
    return np.array([number.get(label, UNASSIGNED) for label in labels.tolist()], np.int64)


def most_central(vectors: Vectors) -> int:
    """Return the row nearest to the mean of all rows; the first of several."""
    return int(np.argmax(vectors @ vectors.mean(0)))


def telling_words(documents: Sequence[str], most: int = 3) -> list[tuple[str, ...]]:
    """Return the words that tell each document from the others best, by tf-idf; none where it has no words.

    Examples
    --------
    >>> telling_words(["Ice melts. The ice is thin.", "Taxes rise, and taxes bite."], most=1)
    [('ice',), ('taxes',)]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(stop_words="english", token_pattern=_WORD, sublinear_tf=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            weights = vectorizer.fit_transform(documents)
    except ValueError:  # no document has a word
        return [()] * len(documents)
    words = vectorizer.get_feature_names_out()
    found = []
    for row in range(len(documents)):
        weight = weights[row].toarray()[0]
        order = np.argsort(-weight, kind="stable")
        found.append(tuple(_varied([str(words[i]) for i in order if weight[i] > 0], most)))
    return found


def _varied(words: Sequence[str], most: int) -> list[str]:
    """Return the first words, passing over another form of one that is there already."""
    chosen: list[str] = []
    for word in words:
        if len(chosen) == most:
            break
        if not any(word[:5] == other[:5] for other in chosen):
            chosen.append(word)
    return chosen
