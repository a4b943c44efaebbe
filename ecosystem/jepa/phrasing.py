"""Statements put into other words by rule, so that training sees who says what of whom, and denials.

"It is a myth that p" takes the other side than p; "the minister said that p" the same; "while p, c" the
side of c, whichever comes first. Phrases are joined as tokens (the encoder knows no capitals).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Tokens = list[int]

AFFIRMED = (
    "it is true that", "the minister said that", "the report concluded that", "I agree that",
    "many people believe that", "the delegation stressed that", "she argued that", "there is good evidence that",
    "nobody can deny that", "experts say", "of course", "he reminded members that", "we welcome the view that",
    "according to the group,", "it is not a myth that", "they told reporters that", "we should accept that",
)  # fmt: skip
"""Openings that leave a statement's side as it is."""

DENIED = (
    "it is not true that", "it is a myth that", "the minister denied that", "I do not accept that",
    "critics reject the claim that", "there is no evidence that", "nobody should believe that",
    "the delegation disagreed that", "it is false that", "the report found no support for the view that",
    "he opposed the idea that", "we cannot agree that", "it is simply wrong to say that", "few people still think that",
    "she disputed that", "it has been disproved that", "they told reporters they doubt that",
)  # fmt: skip
"""Openings that turn a statement's side around."""

CONCEDED = (
    ("while", ","), ("although", ","), ("it is true that", ", but"), ("granted,", "; still,"), ("", ", but"),
    ("even if", ","), ("", "; yet"), ("some say that", "; in fact"), ("admittedly", ". nevertheless,"),
)  # fmt: skip
"""What stands before the point granted, and between it and the point held."""

HELD_FIRST = (", even though", ", although some say that", ", whatever the claim that", ", despite the argument that")
"""What stands between the point held and the point granted."""


class Phrasing:
    """Rephrases statements given as token ids.

    Parameters
    ----------
    tokenize : callable
        Texts to token ids, each framed by a first and a last special token.
    max_tokens : int
        Longest statement that is made; others are left as they are.
    """

    def __init__(self, tokenize: Callable[[list[str]], list[Tokens]], max_tokens: int = 72) -> None:
        self._max = max_tokens

        def inner(texts: tuple[str, ...]) -> list[Tokens]:
            return [ids[1:-1] for ids in tokenize(list(texts))]

        self._affirmed, self._denied, self._held = inner(AFFIRMED), inner(DENIED), inner(HELD_FIRST)
        before, between = inner(tuple(a for a, _ in CONCEDED)), inner(tuple(b for _, b in CONCEDED))
        self._conceded = list(zip(before, between, strict=True))
        self._stop = inner((".",))[0][0]

    def rephrase(
        self,
        tokens: list[Tokens],
        side: NDArray[np.int64],
        group: NDArray[np.int64],
        share: float,
        rng: np.random.Generator,
    ) -> None:
        """Rephrase about a ``share`` of the statements, in place; sides change where they turn around."""
        original, sides = list(tokens), side.copy()
        for row in np.flatnonzero(rng.random(len(tokens)) < share):
            kind, text = int(rng.integers(3)), original[row]
            if kind == 0:
                made = self._affirmed[rng.integers(len(self._affirmed))] + text[1:-1]
            elif kind == 1:
                made = self._denied[rng.integers(len(self._denied))] + text[1:-1]
            else:
                others = np.flatnonzero((group == group[row]) & (sides != sides[row]))
                if not len(others):
                    continue
                granted = original[rng.choice(others)]
                made = self._concede(self._open(granted), self._open(text), rng)
            if len(made) + 2 <= self._max:
                tokens[row] = [text[0], *made, text[-1]]
                if kind == 1:
                    side[row] = -sides[row]

    def _concede(self, granted: Tokens, held: Tokens, rng: np.random.Generator) -> Tokens:
        if rng.random() < 0.3:
            return held + self._held[rng.integers(len(self._held))] + granted
        before, between = self._conceded[rng.integers(len(self._conceded))]
        return before + granted + between + held

    def _open(self, tokens: Tokens) -> Tokens:
        """Return a statement's tokens without the special ones and its full stop."""
        return tokens[1:-2] if len(tokens) > 2 and tokens[-2] == self._stop else tokens[1:-1]
