"""The measures that a run records: one definition for the tables, the documentation and the report's glossary."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import forecasts, partitions, polarization, signed
from ecosystem.measures.definition import OURS, Measure
from ecosystem.measures.frustration import EXACT_UP_TO, frustration_index
from ecosystem.measures.opinions import opinion_bimodality, opinion_variance
from ecosystem.measures.snapshot import Snapshot

Vector = NDArray[np.float64]
Compare = Callable[[NDArray[np.int64], NDArray[np.int64]], float]
Score = Callable[[Vector, Vector], float]

_RAND = "Hubert & Arabie (1985), Journal of Classification 2:193–218"
_HEDONIC = "Bogomolnaia & Jackson (2002), Games and Economic Behavior 38:201–230"
_DIMAGGIO = "DiMaggio, Evans & Bryson (1996), American Journal of Sociology 102:690–755"
_BIMODALITY = "Pfister et al. (2013), Frontiers in Psychology 4:700"
_PEARSON = "Pearson (1895), Proceedings of the Royal Society of London 58:240–242"
_BRIER = "Brier (1950), Monthly Weather Review 78:1–3"
_CALIBRATION = "Naeini, Cooper & Hauskrecht (2015), AAAI, 2901–2907, with degrees of support in place of yes or no"


def _with_blocs(compare: Compare) -> Callable[[Snapshot], float]:
    return lambda s: nan if s.blocs is None else compare(s.blocs, s.partition)


def _of_opinions(compute: Callable[[Vector], float]) -> Callable[[Snapshot], float]:
    return lambda s: nan if s.opinions is None else compute(s.opinions)


def _bimodality(s: Snapshot) -> float:
    return polarization.bimodality(s.axes.vectors[:, 0]) if s.mutual.any() else nan


def _each_forecast(
    column: str, title: str, meaning: str, formula: str, source: str, bounds: tuple[float, float], score: Score
) -> dict[str, Measure]:
    """Return a score of the three forecasts; ``{}`` in the meaning stands for which it is."""
    which = {
        "forecast": ("JEPA", "the JEPA's forecast"),
        "cosine": ("cosine", "the statements' cosine similarity"),
        "persistence": ("persistence", "the pair's last observed affinity"),
    }

    def of(name: str) -> Callable[[Snapshot], float]:
        return lambda s: score(s.scored[name], s.scored["observed"])

    return {
        f"{name}_{column}": Measure(f"{title}, {short}", meaning.format(words), formula, source, bounds, of(name))
        for name, (short, words) in which.items()
    }


_PARTITION = {
    "coalitions": Measure(
        "Coalitions",
        "number of coalitions of two agents or more",
        "Σ_k [n_k ≥ 2]",
        OURS,
        (0, inf),
        lambda s: float((partitions.sizes(s.partition) > 1).sum()),
    ),
    "largest": Measure(
        "Largest coalition",
        "share of the agents in the largest coalition",
        "max_k p_k",
        OURS,
        (0, 1),
        lambda s: float(partitions.sizes(s.partition)[0] / len(s.partition)),
    ),
    "alone": Measure(
        "Alone",
        "share of the agents in no coalition",
        "Σ_k [n_k = 1] / n",
        OURS,
        (0, 1),
        lambda s: float((partitions.sizes(s.partition) == 1).sum() / len(s.partition)),
    ),
    "effective_coalitions": Measure(
        "Effective number",
        "number of blocks of equal size that would be as diverse, agents alone included",
        "1 / Σ_k p_k²",
        "Laakso & Taagepera (1979), Comparative Political Studies 12:3–27",
        (1, inf),
        lambda s: partitions.effective_number(s.partition),
    ),
    "entropy": Measure(
        "Entropy",
        "Shannon entropy of the block sizes, in nats",
        "−Σ_k p_k ln p_k",
        "Shannon (1948), Bell System Technical Journal 27:379–423",
        (0, inf),
        lambda s: partitions.entropy(s.partition),
    ),
    "churn": Measure(
        "Churn",
        "share of the agents that changed coalition at this step",
        "Σ_i [coalition of i ≠ that of the last step] / n",
        OURS,
        (0, 1),
        lambda s: partitions.churn(s.before, s.partition),
    ),
    "mean_lifetime": Measure(
        "Mean lifetime",
        "mean age, in steps, of the coalitions standing; empty where none stands",
        "Σ_k [n_k ≥ 2] (steps that k has stood) / Σ_k [n_k ≥ 2]",
        "Palla, Barabási & Vicsek (2007), Nature 446:664–667 (age of a community)",
        (0, inf),
        lambda s: nan if s.ages is None else partitions.mean_lifetime(s.ages),
    ),
    "persistence_of_partition": Measure(
        "ARI with last step",
        "adjusted Rand index of the partitions of this step and the last; 1 the same, 0 as by chance",
        "(R − E R) / (max R − E R), R the number of pairs together in both, max R the mean of those in each",
        _RAND,
        (-0.5, 1),
        lambda s: partitions.adjusted_rand(s.before, s.partition),
    ),
    "bloc_recovery": Measure(
        "ARI with known blocs",
        "adjusted Rand index of the partition and the known blocs; empty where none are known",
        "(R − E R) / (max R − E R), R the number of pairs together in both, max R the mean of those in each",
        _RAND,
        (-0.5, 1),
        _with_blocs(partitions.adjusted_rand),
    ),
    "bloc_information": Measure(
        "AMI with known blocs",
        "adjusted mutual information of the partition and the known blocs; 1 the same, 0 as by chance, empty where "
        "none are known",
        "(I − E I) / ((H₁ + H₂) / 2 − E I), I the mutual information, H the entropy of each",
        "Vinh, Epps & Bailey (2010), Journal of Machine Learning Research 11:2837–2854",
        (-1, 1),
        _with_blocs(partitions.adjusted_information),
    ),
    "ei_index": Measure(
        "E-I index",
        "positive alignment between coalitions less that inside, over both; empty without any",
        "(Σ_{i≁j} a⁺_ij − Σ_{i~j} a⁺_ij) / Σ a⁺_ij",
        "Krackhardt & Stern (1988), Social Psychology Quarterly 51:123–140",
        (-1, 1),
        lambda s: partitions.ei_index(s.mutual, s.partition),
    ),
}

_STABILITY = {
    "unstable": Measure(
        "Unstable",
        "share of the agents with a move that pays and that the entry rule in force allows",
        "Σ_i [max Δu_i > κ] / n, over the moves allowed to i, with u_i = Σ_{j≠i, j~i} s_j (a_ij − γ)",
        _HEDONIC,
        (0, 1),
        lambda s: nan if s.defectors is None else s.defectors / len(s.partition),
    ),
    "defectors": Measure(
        "Defectors",
        "number of agents with a move that pays and that the entry rule in force allows",
        "Σ_i [max Δu_i > κ], over the moves allowed to i",
        _HEDONIC,
        (0, inf),
        lambda s: nan if s.defectors is None else float(s.defectors),
    ),
    "potential": Measure(
        "Potential",
        "what the coalitions are worth to their members in all; where alignment is mutual, every move that pays raises "
        "it",
        "Σ_{i<j, i~j} s_i s_j (a_ij − γ)",
        _HEDONIC,
        (-inf, inf),
        lambda s: s.potential,
    ),
}

_POLARIZATION = {
    "mean_alignment": Measure(
        "Mean alignment",
        "mean alignment over all pairs",
        "Σ_{i<j} a_ij / (n (n − 1) / 2)",
        OURS,
        (-1, 1),
        lambda s: polarization.mean_alignment(s.mutual),
    ),
    "distance_variance": Measure(
        "Distance variance",
        "variance of the pairwise distances; 0 where all pairs are equally far apart",
        "Σ_{i<j} (d_ij − d̄)² / (n (n − 1) / 2), d_ij = (1 − a_ij) / 2",
        "Flache & Macy (2011), Journal of Mathematical Sociology 35:146–176, with distances in [0, 1]",
        (0, 0.25),
        lambda s: polarization.distance_variance(s.mutual),
    ),
    "esteban_ray": Measure(
        "Esteban-Ray",
        "polarization of the coalitions; highest for two equal ones that oppose each other wholly",
        "Σ_k Σ_{l≠k} p_k^(1+α) p_l d_kl, d_kl the mean distance (1 − a_ij) / 2 of k and l, α = 1.3",
        "Esteban & Ray (1994), Econometrica 62:819–851",
        (0, 0.5**2.3),
        lambda s: polarization.esteban_ray(s.mutual, s.partition),
    ),
    "bimodality": Measure(
        "Bimodality",
        "bimodality coefficient of the agents' positions on the leading axis of alignment; above .555 suggests two "
        "camps, not defined below four agents",
        "(g₁² + 1) / (g₂ + 3 (n − 1)² / ((n − 2) (n − 3))), g₁ skewness and g₂ excess kurtosis of the leading "
        "eigenvector of a",
        _BIMODALITY,
        (0, 1),
        _bimodality,
    ),
    "opinion_variance": Measure(
        "Opinion variance",
        "variance of the agents' opinions on a topic, mean over topics; 0 consensus, 1 two equal camps at the extremes",
        "mean_t var_i x_it",
        f"{_DIMAGGIO} (dispersion)",
        (0, 1),
        _of_opinions(opinion_variance),
    ),
    "opinion_bimodality": Measure(
        "Opinion bimodality",
        "bimodality coefficient of the agents' opinions on a topic, mean over the topics where it is defined",
        "mean_t (g₁² + 1) / (g₂ + 3 (n − 1)² / ((n − 2) (n − 3))), g₁ skewness and g₂ excess kurtosis of x_it over i",
        f"{_DIMAGGIO} (bimodality); {_BIMODALITY}",
        (0, 1),
        _of_opinions(opinion_bimodality),
    ),
}

_SIGNED = {
    "modularity": Measure(
        "Signed modularity",
        "positive ties inside and negative ties between coalitions beyond chance",
        "Σ_{i~j} (a_ij − w⁺_i w⁺_j / w⁺ + w⁻_i w⁻_j / w⁻) / Σ (a⁺_ij + a⁻_ij), w⁺_i = Σ_j a⁺_ij, w⁺ = Σ_i w⁺_i, "
        "likewise w⁻",
        "Gómez, Jensen & Arenas (2009), Physical Review E 80:016114",
        (-1, 1),
        lambda s: signed.signed_modularity(s.mutual, s.partition),
    ),
    "frustration": Measure(
        "Frustration",
        "share of alignment weight that the coalitions go against",
        "(Σ_{i~j} a⁻_ij + Σ_{i≁j} a⁺_ij) / Σ (a⁺_ij + a⁻_ij)",
        "Doreian & Mrvar (1996), Social Networks 18:149–168",
        (0, 1),
        lambda s: signed.frustration_of(s.mutual, s.partition),
    ),
    "frustration_index": Measure(
        "Frustration index",
        "least share of alignment weight that any split in two camps goes against; exact up to "
        f"{EXACT_UP_TO} agents, an upper bound found by local search above",
        "min_c (Σ_{c_i=c_j} a⁻_ij + Σ_{c_i≠c_j} a⁺_ij) / Σ (a⁺_ij + a⁻_ij), c a split in two",
        "Harary (1959), Behavioral Science 4:316–323; Aref & Wilson (2019), Journal of Complex Networks 7:163–189",
        (0, 0.5),
        lambda s: frustration_index(s.mutual, s.axes),
    ),
    "balanced_triangles": Measure(
        "Balanced triangles",
        "share of triangles with an even number of negative edges; empty without a triangle",
        "(tr S³ + tr abs(S)³) / (2 tr abs(S)³), S the signs of a",
        "Cartwright & Harary (1956), Psychological Review 63:277–293",
        (0, 1),
        lambda s: signed.balanced_triangles(s.mutual),
    ),
}

_FORECASTS = {
    **_each_forecast(
        "correlation",
        "Correlation",
        "correlation of {} with the observed affinity",
        "r(f, o)",
        _PEARSON,
        (-1, 1),
        forecasts.correlation,
    ),
    **_each_forecast(
        "brier",
        "Brier",
        "Brier score of {} as a forecast of support; lower is better, .25 is a coin's",
        "mean (p − [o > 0])²",
        _BRIER,
        (0, 1),
        forecasts.brier,
    ),
    "shuffled_brier": Measure(
        "Brier, shuffled",
        "Brier score that the JEPA's forecasts would get on average if dealt to the pairs at random",
        "mean p² + mean y² − 2 mean p mean y, y = [o > 0]",
        f"{_BRIER}, averaged over all permutations",
        (0, 1),
        lambda s: forecasts.shuffled_brier(s.scored["forecast"], s.scored["observed"]),
    ),
    **_each_forecast(
        "calibration",
        "Calibration",
        "mean gap of forecast and observed support between pairs of like forecast, for {}; lower is better",
        "Σ_b abs(Σ_{p in b} (p − q)) / number of pairs, b ten bins of equal width",
        _CALIBRATION,
        (0, 1),
        forecasts.calibration_error,
    ),
    "forecast_error": Measure(
        "Error, JEPA",
        "mean absolute error of the JEPA's forecast affinity",
        "mean abs(f − o)",
        "Willmott & Matsuura (2005), Climate Research 30:79–82",
        (0, 2),
        lambda s: forecasts.mean_absolute_error(s.scored["forecast"], s.scored["observed"]),
    ),
}

CATALOGUE: dict[str, Measure] = {**_PARTITION, **_STABILITY, **_POLARIZATION, **_SIGNED, **_FORECASTS}
"""The measures of a step, by column."""


def measure(snapshot: Snapshot) -> dict[str, float]:
    """Return every measure of the catalogue for a step; NaN where one is not defined, and all without an agent."""
    if not len(snapshot.partition):
        return dict.fromkeys(CATALOGUE, nan)
    return {name: entry.compute(snapshot) for name, entry in CATALOGUE.items()}
