"""The words of a text, each with what it adds to a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Weight(NamedTuple):
    """A word as it stands in a text, what it adds to the logit of agreement, and the space after it."""

    word: str
    score: float
    space: str


def weigh_words(text: str, words: Sequence[str], scores: Sequence[float]) -> tuple[Weight, ...]:
    """Return the words of a text with their scores; joined, words and spaces are the text again.

    Parameters
    ----------
    words, scores : sequences of one length
        From `token_attribution`; words stand in the text in this order.

    Examples
    --------
    >>> weigh_words("Burn coal—why?", ["Burn", "coal—", "why?"], [0.5, -1, 0])[1]
    Weight(word='coal—', score=-1.0, space='')
    """
    starts, cursor = [], 0
    for word in words:
        starts.append(text.index(word, cursor))
        cursor = starts[-1] + len(word)
    if not starts:
        return (Weight(text, 0.0, ""),)
    starts[0] = 0
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return tuple(
        Weight(piece.rstrip(), float(score), piece[len(piece.rstrip()) :])
        for piece, score in zip(pieces, scores, strict=True)
    )
