"""Partitions of agents: sizes, diversity, change, and fit to known blocs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Partition = NDArray[np.int64]


def sizes(partition: Partition) -> NDArray[np.int64]:
    """Return the sizes of the blocks, largest first.

    Examples
    --------
    >>> sizes(np.array([3, 3, 7, 3]))
    array([3, 1])
    """
    return np.sort(np.unique(partition, return_counts=True)[1])[::-1].astype(np.int64)


def entropy(partition: Partition) -> float:
    """Return the Shannon entropy of the block sizes in nats: 0 for one block, ``log n`` for all alone.

    References
    ----------
    Shannon (1948), Bell System Technical J. 27:379-423.

    Examples
    --------
    >>> round(entropy(np.array([0, 0, 1, 1])), 3)
    0.693
    """
    share = sizes(partition) / len(partition)
    return float(-(share * np.log(share)).sum()) + 0.0


def effective_number(partition: Partition) -> float:
    """Return the effective number of blocks, ``1 / sum p^2``.

    References
    ----------
    Laakso & Taagepera (1979), Comparative Political Studies 12:3-27.

    Examples
    --------
    >>> effective_number(np.array([0, 0, 1, 1]))
    2.0
    """
    share = sizes(partition) / len(partition)
    return float(1 / (share**2).sum())


def adjusted_rand(one: Partition, other: Partition) -> float:
    """Return the adjusted Rand index of two partitions: 1 for the same, 0 expected by chance.

    References
    ----------
    Hubert & Arabie (1985), J. Classification 2:193-218; computed by scikit-learn.

    Examples
    --------
    >>> round(adjusted_rand(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 7])), 3)
    0.571
    """
    if np.array_equal(one, other):
        return 1.0
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one, other))


def adjusted_information(one: Partition, other: Partition) -> float:
    """Return the adjusted mutual information of two partitions: 1 for the same, 0 expected by chance.

    ``(I - E I) / ((H_1 + H_2) / 2 - E I)``, I the mutual information, E I its mean over random partitions
    with the same block sizes, H the entropies. Weighs small blocks more than the Rand index does.

    References
    ----------
    Vinh, Epps & Bailey (2010), J. Machine Learning Research 11:2837-2854; computed by scikit-learn.

    Examples
    --------
    >>> round(adjusted_information(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 7])), 3)
    0.571
    """
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(one, other))


def churn(before: Partition, after: Partition) -> float:
    """Return the share of agents whose label changed.

    Examples
    --------
    >>> churn(np.array([1, 1, -3, -4]), np.array([1, 1, 1, -4]))
    0.25
    """
    return float((before != after).mean())


def mean_lifetime(ages: NDArray[np.int64]) -> float:
    """Return the mean age, in steps, of the coalitions standing; NaN where none stands.

    References
    ----------
    Palla, Barabási & Vicsek (2007), Nature 446:664-667 (the age of a community).

    Examples
    --------
    >>> mean_lifetime(np.array([1, 4]))
    2.5
    """
    return float(ages.mean()) if len(ages) else float("nan")


def ei_index(alignment: NDArray[np.float64], partition: Partition) -> float:
    """Return the E-I index of positive alignment: (external - internal) / both; NaN without any.

    -1: all positive alignment lies within coalitions; +1: all of it between them.

    References
    ----------
    Krackhardt & Stern (1988), Social Psychology Quarterly 51:123-140.

    Examples
    --------
    >>> ei_index(np.array([[0.0, 0.4], [0.4, 0.0]]), np.array([0, 0]))
    -1.0
    """
    positive = alignment.clip(min=0)
    total = positive.sum()
    if total == 0:
        return float("nan")
    internal = positive[partition[:, None] == partition[None, :]].sum()
    return float((total - 2 * internal) / total)
