"""What defines a measure, and the symbols its formula is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isinf

from ecosystem.measures.snapshot import Snapshot

NOTATION: dict[str, str] = {
    "n": "number of agents",
    "k, l": "blocks of the partition, which are coalitions and agents alone; n_k agents in block k, p_k = n_k / n",
    "i ~ j": "agents i and j are in the same coalition",
    "[…]": "1 where what is inside holds, 0 where not",
    "a_ij": "alignment of i and j, the mean of both directions; a⁺ its positive part, a⁻ the size of its negative part",
    "s_i, γ, κ": "weight of an agent, threshold of alignment, cost of switching coalition",
    "x_it": "opinion of i on topic t",
    "f, o": "forecast and observed affinity of a listener to a speaker; p = (1 + f) / 2, q = (1 + o) / 2",
    "mean, r": "mean and correlation over the pairs that every forecast and the outcome cover",
    "E": "mean over random partitions with blocks of the same sizes",
}
"""The symbols of the formulas."""

OURS = "this project"


@dataclass(frozen=True)
class Measure:
    """A column of ``metrics.parquet``.

    Attributes
    ----------
    title, meaning : str
        What a reader calls it, and what it says; the meaning names where it is not defined.
    formula : str
        In the symbols of `NOTATION`.
    source : str
        Where it comes from; `OURS` for a plain count or mean.
    range : (low, high)
        Its values lie within, or are NaN.
    compute : callable
        Its value at a step.
    """

    title: str
    meaning: str
    formula: str
    source: str
    range: tuple[float, float]
    compute: Callable[[Snapshot], float]

    @property
    def range_in_words(self) -> str:
        """The range as a reader sees it.

        Examples
        --------
        >>> Measure("", "", "", "", (-1, 1), lambda s: 0.0).range_in_words
        '−1 to 1'
        >>> Measure("", "", "", "", (1, float("inf")), lambda s: 1.0).range_in_words
        '1 or more'
        """
        low, high = self.range
        if isinf(high):
            return "any number" if isinf(low) else f"{low:g} or more"
        return f"{low:.3g} to {high:.3g}".replace("-", "−")
