"""Random numbers by purpose and step, so that runs that differ in one thing share all other draws.

With one stream for everything, the first move more or less in regrouping would change every word said after it.
Here what is drawn for a purpose at a step depends on the seed, the step and the purpose alone: common random numbers
(Law 2015, *Simulation Modeling and Analysis*, section 11.2), for comparisons between rules and for counterfactuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Purpose = Literal["opening", "agenda", "interventions", "speech", "exchange", "regrouping"]

_KEYS: dict[Purpose, int] = {
    "opening": 0,
    "agenda": 1,
    "interventions": 2,
    "speech": 3,
    "exchange": 4,
    "regrouping": 5,
}


class Draws:
    """Generators by step and purpose.

    Parameters
    ----------
    entropy : sequence of int
        What all of them follow from; `Draws.of` takes it from a generator.

    Examples
    --------
    >>> draws = Draws.of(np.random.default_rng(1))
    >>> bool(draws.at(3, "speech").random() == draws.at(3, "speech").random())
    True
    """

    def __init__(self, entropy: Sequence[int]) -> None:
        self.entropy = tuple(map(int, entropy))

    @classmethod
    def of(cls, rng: np.random.Generator) -> Draws:
        """Take the entropy from a generator, which moves on by it."""
        return cls(rng.integers(2**32, size=8).tolist())

    def at(self, step: int, purpose: Purpose) -> np.random.Generator:
        """Return a new generator for a purpose at a step, always the same."""
        return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=(step, _KEYS[purpose])))
