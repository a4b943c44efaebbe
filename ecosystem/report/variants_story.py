"""What came of variants of one run, as sentences computed from their tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecosystem.report.prose import Sentence, count, decimal, listed, sentence
from ecosystem.report.story import Cast
from ecosystem.report.variants_arrays import (
    CONSENSUS,
    ENTRIES,
    KERNELS,
    Array,
    Contrast,
    Labels,
    Variant,
    heading,
    identical,
)  # fmt: skip

RULES = {"nash": "nash_stable", "individual": "individually_stable", "contractual": "contractually_stable"}
"""The column of the metrics that tells whether a partition is stable under an entry rule."""


@dataclass(frozen=True)
class Line:
    """A row of the page's table: a variant, where its report is, and how it went; NaN where not defined.

    Attributes
    ----------
    churn, forecast : float
        Means over the steps after the first.
    stable : str
        The entry rules under which the final partition is stable.
    regrouping : str
        Whether agents stopped moving by themselves at every step.
    """

    variant: Variant
    kernel: str
    entry: str
    link: str
    coalitions: float
    largest: float
    alone: float
    variance: tuple[float, float]
    distance_variance: float
    bimodality: float
    modularity: float
    forecast: float
    churn: float
    stable: str
    regrouping: str


def lines(contrast: Contrast, links: Sequence[str]) -> list[Line]:
    """Return the rows of the table.

    Parameters
    ----------
    contrast : Contrast
        The variants.
    links : sequence of str
        Where the report of each is, relative to the page.
    """
    stable = _stable(contrast)
    last = {name: contrast.measure(name)[:, -1].tolist() for name in _LAST}
    variance = contrast.measure("opinion_variance")
    churn, forecast = (_later(contrast.measure(name)) for name in ("churn", "forecast_correlation"))
    return [
        Line(
            variant,
            heading(KERNELS.get(variant.kernel, variant.kernel)),
            ENTRIES.get(variant.entry, variant.entry),
            links[v],
            **{name: values[v] for name, values in last.items()},
            variance=(float(variance[v, 0]), float(variance[v, -1])),
            churn=float(churn[v]),
            forecast=float(forecast[v]),
            stable=_rules([rule for rule, values in stable.items() if values[v]]),
            regrouping=_regrouping(contrast, v),
        )
        for v, variant in enumerate(contrast.variants)
    ]


def summarise(contrast: Contrast, cast: Cast) -> tuple[Sentence, ...]:
    """Return what the variants have in common and how they differ, a paragraph an item."""
    return (_opinions(contrast), _coalitions(contrast), *_agreement(contrast, cast), _stability(contrast))


def always_together(contrast: Contrast) -> list[list[int]]:
    """Return the sets of agents that end in one coalition in every variant, the largest first."""
    always = contrast.together >= 1
    sets = {tuple(np.flatnonzero(row | (np.arange(len(row)) == agent)).tolist()) for agent, row in enumerate(always)}
    return sorted((list(found) for found in sets if len(found) > 1), key=lambda agents: (-len(agents), agents))


_LAST = ("coalitions", "largest", "alone", "distance_variance", "bimodality", "modularity")


def _later(values: Array) -> Array:
    """Return the mean over the steps after the first where it is known, (n_variants,)."""
    later = values[:, 1:] if values.shape[1] > 1 else values
    known = ~np.isnan(later)
    mean: Array = np.where(known.any(1), np.where(known, later, 0).sum(1) / known.sum(1).clip(1), np.nan)
    return mean


def _regrouping(contrast: Contrast, v: int) -> str:
    from ecosystem.report.arrays import read_columns

    table = read_columns(contrast.variants[v].run, "metrics", "settled", "cycle")
    unsettled = sum(not settled for settled in table["settled"].to_pylist())
    cycles = sum(cycle is not None for cycle in table["cycle"].to_pylist())
    if cycles:
        return f"cycle at {count(cycles, 'step')}"
    return f"cut short at {count(unsettled, 'step')}" if unsettled else "settled"


def _opinions(contrast: Contrast) -> Sentence:
    """Return under which kernels opinions came together."""
    if not contrast.opinionated:
        return ("Nothing is said here, for affinity is given: opinion kernels make no difference.",)
    n_topics = len(contrast.debated)
    variance = contrast.measure("opinion_variance")
    means = {kernel: variance[contrast.under(kernel)].mean(0) for kernel in contrast.kernels}
    ranked = sorted(contrast.kernels, key=lambda kernel: float(means[kernel][-1]))
    told = [_variance(means, ranked)]
    in_all, in_some, in_none = [], [], []
    for kernel in contrast.kernels:
        topics = (contrast.spread[contrast.under(kernel)] <= CONSENSUS).sum(1)
        name = KERNELS.get(kernel, kernel)
        if topics.min() == n_topics:
            in_all.append(name)
        elif topics.max():
            in_some.append(f"{name} (on {_range(topics)})")
        else:
            in_none.append(name)
    of_topics = f"all {n_topics} topics debated" if n_topics > 1 else "the topic debated"
    if in_all:
        told.append(sentence("Consensus on ", of_topics, " under ", *listed(in_all), "."))
    if in_some:
        told.append(sentence(f"Consensus on some of the {n_topics} topics debated under ", *listed(in_some), "."))
    if in_none:
        told.append(sentence("Split to the end, without consensus on any topic, under ", *listed(in_none), "."))
    told.append((f"Consensus: all opinions on a topic within {CONSENSUS:g} of one another, a tenth of the scale.",))
    return _joined(told)


def _variance(means: dict[str, Array], ranked: list[str]) -> Sentence:
    def path(kernel: str) -> str:
        first, last = means[kernel][[0, -1]]
        return f"{KERNELS.get(kernel, kernel)} (variance {decimal(last, 3)}, from {decimal(first, 3)})"

    if len(ranked) == 1:
        first, last = means[ranked[0]][[0, -1]]
        return (f"The variance of opinions goes from {decimal(first, 3)} at the first step to {decimal(last, 3)}.",)
    return (f"Opinions end closest together under {path(ranked[0])} and furthest apart under {path(ranked[-1])}.",)


def _coalitions(contrast: Contrast) -> Sentence:
    """Return how many coalitions stand at the end."""
    counts = contrast.measure("coalitions")[:, -1].astype(np.int64)
    if counts.min() == counts.max():
        number = int(counts[0])
        return (f"Every variant ends with {count(number, 'coalition') if number else 'no coalition'}.",)
    by_kernel = len(contrast.kernels) > 1
    names, part = (KERNELS, "kernel") if by_kernel else (ENTRIES, "entry")
    groups: dict[str, list[str]] = {}
    for key in contrast.kernels if by_kernel else contrast.entries:
        mine = [v for v, variant in enumerate(contrast.variants) if getattr(variant, part) == key]
        groups.setdefault(_range(counts[mine]), []).append(names.get(key, key))
    told = [sentence(f"{number} under ", *listed(those)) for number, those in groups.items()]
    return sentence("Coalitions at the end: ", *_separated(told), ".")


def _agreement(contrast: Contrast, cast: Cast) -> list[Sentence]:
    """Return whether the same agents end together."""
    n = len(contrast.variants)
    if n < 2:
        return []
    labels = _spoken(contrast)
    upper = np.triu(np.ones((n, n), bool), 1)
    values, pairs = contrast.agreement[upper], np.argwhere(upper)
    lowest, mean = decimal(float(values.min())), decimal(float(values.mean()))
    scale = "(1: the same; 0: as alike as by chance)"
    if values.min() == 1:
        told: list[Sentence] = [("All variants end in the same coalitions.",)]
    elif n == 2:
        told = [(f"The final coalitions of the two variants agree by an adjusted Rand index of {lowest} {scale}.",)]
    else:
        least = pairs[int(values.argmin())]
        groups = [listed([labels[v] for v in group], n) for group in identical(contrast.agreement)]
        told = [
            (f"Final coalitions of two variants agree by an adjusted Rand index of {mean} on average {scale}.",),
            *_held(contrast),
            (f"Least alike, at {lowest}: {labels[least[0]]} and {labels[least[1]]}.",),
            *([sentence("The same coalitions: ", *_separated(groups), ".")] if groups else []),
        ]
    return [_joined(told), _company(contrast, cast)]


def _spoken(contrast: Contrast) -> list[str]:
    """Return what tells the variants apart, in the words of a sentence."""
    kernels, entries = len(contrast.kernels) > 1, len(contrast.entries) > 1
    pairs = [(KERNELS.get(v.kernel, v.kernel), ENTRIES.get(v.entry, v.entry)) for v in contrast.variants]
    return [f"{k} ({e})" if kernels and entries else e if entries else k for k, e in pairs]


def _company(contrast: Contrast, cast: Cast) -> Sentence:
    """Return who always ends together, and how many pairs never do."""
    names, n = list(cast.agents.values()), int(contrast.present.sum())
    always = [listed([names[agent] for agent in agents], 14) for agents in always_together(contrast)]
    met = contrast.together[np.ix_(contrast.present, contrast.present)] > 0
    n_pairs = n * (n - 1) // 2
    never = f" {n_pairs - int(met.sum()) // 2:,} of the {n_pairs:,} pairs of agents never end together."
    told = sentence("In every variant these end together: ", *_separated(always), ".") if always else ()
    return (*(told or ("No two agents end together in every variant.",)), *((never,) if n_pairs > 1 else ()))


def _held(contrast: Contrast) -> list[Sentence]:
    """Return which matters more, the kernel or the entry rule."""
    if len(contrast.kernels) < 2 or len(contrast.entries) < 2:
        return []
    means = {}
    for held in ("entry", "kernel"):
        values = [getattr(variant, held) for variant in contrast.variants]
        same = np.array([[one == other for other in values] for one in values]) & ~np.eye(len(values), dtype=bool)
        means[held] = float(contrast.agreement[same].mean())
    more = "kernel" if means["entry"] < means["kernel"] else "entry rule"
    return [
        (
            f"Under one entry rule and two kernels it is {decimal(means['entry'])}, under one kernel and two entry "
            f"rules {decimal(means['kernel'])}: here the {more} matters more.",
        )
    ]


def _stability(contrast: Contrast) -> Sentence:
    """Return under which rules the final partitions are stable."""
    stable, n = _stable(contrast), len(contrast.variants)
    if all(all(values) for values in stable.values()):
        return ("Every final partition is stable under all three entry rules: no one would gain by any move.",)
    own = [stable[variant.entry][v] for v, variant in enumerate(contrast.variants)]
    told = [f"{sum(own)} of {n} final partitions are" if not all(own) else "Every final partition is"]
    told[0] += " stable under the entry rule that led to it."
    told.append(" Nash stable, so that no one would gain by any move: ")
    if len(contrast.kernels) > 1 and len(contrast.entries) > 1:
        for entry in contrast.entries:
            mine = [stable["nash"][v] for v, variant in enumerate(contrast.variants) if variant.entry == entry]
            reached = f"{sum(mine)} of {len(mine)} under {ENTRIES.get(entry, entry)} entry"
            told.append(reached if entry == contrast.entries[0] else f", {reached}")
    else:
        what = "" if len(contrast.kernels) > 1 else " entry"
        told += listed([label + what for v, label in enumerate(_spoken(contrast)) if stable["nash"][v]] or ["none"])
    return (*told, ".")


def _stable(contrast: Contrast) -> dict[str, list[bool]]:
    """Return for each entry rule which final partitions are stable under it."""
    return {rule: [bool(value) for value in contrast.at_end(column)] for rule, column in RULES.items()}


def _rules(stable: list[str]) -> str:
    return "all rules" if len(stable) == len(RULES) else ", ".join(stable) or "none"


def _range(numbers: Labels) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} to {high}"


def _separated(groups: Iterable[Sentence]) -> Sentence:
    return tuple(word for k, group in enumerate(groups) for word in (*(("; ",) if k else ()), *group))


def _joined(told: Sequence[Sentence]) -> Sentence:
    return tuple(word for k, part in enumerate(told) for word in (*((" ",) if k else ()), *part))
