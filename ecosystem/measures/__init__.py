"""Measures of a debate: pure functions on arrays, and the catalogue of those a run records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import forecasts, partitions, polarization, signed

Matrix = NDArray[np.float64]
Partition = NDArray[np.int64]


@dataclass(frozen=True)
class Snapshot:
    """What the measures of a step look at.

    Attributes
    ----------
    alignment : (n_agents, n_agents) float
        At the end of the step.
    before, partition : (n_agents,) int
        Coalition labels at the end of the last step, and of this one.
    forecast, observed, cosine, persistence : (n_agents, n_agents) float
        Affinity of listener (column) to speaker (row): predicted before the utterances, observed after
        them, and predicted by cosine similarity and by the last observation; NaN where unknown.
    blocs : (n_agents,) int or None
        Known alliances.
    """

    alignment: Matrix
    before: Partition
    partition: Partition
    forecast: Matrix
    observed: Matrix
    cosine: Matrix
    persistence: Matrix
    blocs: Partition | None = None


@dataclass(frozen=True)
class Measure:
    """A column of ``metrics.parquet``: its title, what it says, and how it is computed."""

    title: str
    meaning: str
    compute: Callable[[Snapshot], float]


def _upper(matrix: Matrix) -> NDArray[np.float64]:
    return matrix[np.triu_indices(len(matrix), 1)]


def _known(s: Snapshot) -> NDArray[np.bool_]:
    """Return the pairs that every forecast and the outcome cover, so that scores are comparable."""
    return ~np.isnan(s.forecast + s.observed + s.cosine + s.persistence)


def _score(score: Callable[[Matrix, Matrix], float], name: str) -> Callable[[Snapshot], float]:
    def compute(s: Snapshot) -> float:
        known = _known(s)
        return score(getattr(s, name)[known], s.observed[known])

    return compute


CATALOGUE: dict[str, Measure] = {
    "coalitions": Measure(
        "Coalitions",
        "number of coalitions of two agents or more",
        lambda s: float((partitions.sizes(s.partition) > 1).sum()),
    ),
    "largest": Measure(
        "Largest coalition",
        "share of the agents in the largest coalition",
        lambda s: float(partitions.sizes(s.partition)[0] / len(s.partition)),
    ),
    "alone": Measure(
        "Alone",
        "share of the agents in no coalition",
        lambda s: float((partitions.sizes(s.partition) == 1).sum() / len(s.partition)),
    ),
    "effective_coalitions": Measure(
        "Effective number",
        "effective number of blocks, agents alone included (Laakso & Taagepera 1979)",
        lambda s: partitions.effective_number(s.partition),
    ),
    "entropy": Measure(
        "Entropy", "Shannon entropy of the block sizes, in nats", lambda s: partitions.entropy(s.partition)
    ),
    "churn": Measure(
        "Churn",
        "share of the agents that changed coalition at this step",
        lambda s: partitions.churn(s.before, s.partition),
    ),
    "persistence_of_partition": Measure(
        "ARI with last step",
        "adjusted Rand index of the partitions of this step and the last (Hubert & Arabie 1985)",
        lambda s: partitions.adjusted_rand(s.before, s.partition),
    ),
    "bloc_recovery": Measure(
        "ARI with known blocs",
        "adjusted Rand index of the partition and the known blocs; empty where none are known",
        lambda s: float("nan") if s.blocs is None else partitions.adjusted_rand(s.blocs, s.partition),
    ),
    "ei_index": Measure(
        "E-I index",
        "positive alignment outside less inside coalitions, over both (Krackhardt & Stern 1988)",
        lambda s: partitions.ei_index(s.alignment, s.partition),
    ),
    "mean_alignment": Measure(
        "Mean alignment", "mean alignment over all pairs", lambda s: float(_upper(s.alignment).mean())
    ),
    "distance_variance": Measure(
        "Distance variance",
        "variance of the pairwise distances (1 - alignment) / 2 (Flache & Macy 2011)",
        lambda s: polarization.distance_variance(s.alignment),
    ),
    "esteban_ray": Measure(
        "Esteban-Ray",
        "polarization of the coalitions, alpha = 1.3 (Esteban & Ray 1994)",
        lambda s: polarization.esteban_ray(s.alignment, s.partition),
    ),
    "bimodality": Measure(
        "Bimodality",
        "bimodality coefficient of the agents' positions on the leading axis of alignment; above .555 "
        "suggests two camps (Pfister et al. 2013)",
        lambda s: polarization.bimodality(polarization.leading_positions(s.alignment)),
    ),
    "modularity": Measure(
        "Signed modularity",
        "positive ties inside and negative ties between coalitions beyond chance (Gómez et al. 2009)",
        lambda s: signed.signed_modularity(s.alignment, s.partition),
    ),
    "frustration": Measure(
        "Frustration",
        "share of alignment weight that the coalitions go against (Doreian & Mrvar 1996)",
        lambda s: signed.frustration_of(s.alignment, s.partition),
    ),
    "balanced_triangles": Measure(
        "Balanced triangles",
        "share of triangles with an even number of negative edges (Cartwright & Harary 1956)",
        lambda s: signed.balanced_triangles(s.alignment),
    ),
    "forecast_correlation": Measure(
        "Correlation, JEPA",
        "correlation of the JEPA's forecast affinity with the observed",
        _score(forecasts.correlation, "forecast"),
    ),
    "cosine_correlation": Measure(
        "Correlation, cosine",
        "the same for cosine similarity",
        _score(forecasts.correlation, "cosine"),
    ),
    "persistence_correlation": Measure(
        "Correlation, persistence",
        "the same for the pair's last observed affinity",
        _score(forecasts.correlation, "persistence"),
    ),
    "forecast_brier": Measure(
        "Brier, JEPA",
        "Brier score of the JEPA's forecast of support; lower is better",
        _score(forecasts.brier, "forecast"),
    ),
    "cosine_brier": Measure("Brier, cosine", "the same for cosine similarity", _score(forecasts.brier, "cosine")),
    "persistence_brier": Measure(
        "Brier, persistence",
        "the same for the pair's last observed affinity",
        _score(forecasts.brier, "persistence"),
    ),
    "forecast_error": Measure(
        "Error, JEPA",
        "mean absolute error of the JEPA's forecast affinity",
        _score(forecasts.mean_absolute_error, "forecast"),
    ),
}
"""The measures of a step, by column. Reports take their glossary from here."""


def measure(snapshot: Snapshot) -> dict[str, float]:
    """Return every measure of the catalogue for a step."""
    return {name: entry.compute(snapshot) for name, entry in CATALOGUE.items()}
