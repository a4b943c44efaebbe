"""The check of an attribution by deletion: words it names against words drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.affinity import AffinityModel
from ecosystem.jepa.attribution import TokenAttribution, pair_logits, read_words, token_attribution
from ecosystem.jepa.encoder import on_one_thread

Attribute = Callable[[AffinityModel, str, str], TokenAttribution]


@dataclass(frozen=True)
class DeletionCheck:
    """How far the logit of P(agree) moves when words are deleted.

    Attributes
    ----------
    named : (n_pairs,) float64
        ``|change|`` of the logit without the words that the attribution names.
    drawn : (n_pairs,) float64
        The same without as many words drawn at random, the mean over draws.
    """

    named: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """Mean change by the words named over the mean change by words drawn."""
        return float(self.named.mean() / self.drawn.mean())


def deletion_check(
    model: AffinityModel,
    pairs: Sequence[tuple[str, str]],
    share: float = 0.2,
    *,
    rng: np.random.Generator,
    attribute: Attribute = token_attribution,
    n_draws: int = 4,
) -> DeletionCheck:
    """Delete the words an attribution names, and as many at random, and compare what it does to the logit.

    Of the words of both texts together the attribution names the ``share`` whose deletion, by its scores,
    moves the logit furthest: the set with the largest ``|sum of scores|``, so the highest scores or the lowest.

    Parameters
    ----------
    model : AffinityModel
        The affinity model.
    pairs : sequence of (str, str)
        Texts.
    share : float
        Of a pair's words, at least one.
    rng : Generator
        Draws the other words.
    attribute : callable
        The attribution to check.
    n_draws : int
        Random deletions of each pair.

    References
    ----------
    DeYoung et al. (2020), *ERASER*, ACL: comprehensiveness. Here on the logit, and against random words.
    """
    kept: list[tuple[str, str]] = []
    for text_a, text_b in pairs:
        found = attribute(model, text_a, text_b)
        scores = np.concatenate([found.scores_a, found.scores_b])
        words = [*found.words_a, *found.words_b]
        count = max(1, round(share * len(words)))
        named = most_moving(scores, count)
        draws = [rng.permutation(len(words))[:count] for _ in range(n_draws)]
        kept += [(text_a, text_b)]
        kept += [_without(words, len(found.words_a), dropped) for dropped in (named, *draws)]
    logits = _logits(model, kept).reshape(len(pairs), n_draws + 2)
    change = np.abs(logits[:, 1:] - logits[:, :1])
    return DeletionCheck(change[:, 0], change[:, 1:].mean(1))


def most_moving(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the positions of the ``count`` scores whose sum is furthest from 0.

    Examples
    --------
    >>> most_moving(np.array([0.5, -0.4, 0.1, -0.3]), 2)
    array([1, 3])
    """
    order = np.argsort(scores, kind="stable")
    lowest, highest = order[:count], order[len(order) - count :]
    return lowest if abs(scores[lowest].sum()) > abs(scores[highest].sum()) else highest


def gradient_times_input(model: AffinityModel, text_a: str, text_b: str) -> TokenAttribution:
    """Return the gradient at the pair times the token embeddings, a reference to compare with.

    Not complete: its scores sum to nothing in particular, and ``baseline`` is NaN.
    """
    layers = model.coder.layers
    readings = [read_words(layers, text) for text in (text_a, text_b)]
    with on_one_thread():
        embedded = [layers.transformer.embeddings(r.ids[None]).detach().requires_grad_() for r in readings]
        logit = pair_logits(model, *(layers.pool_embedded(x) for x in embedded))
        slopes = torch.autograd.grad(logit.sum(), embedded)
    a, b = (r.by_word((x * slope).sum(2)[0]) for r, x, slope in zip(readings, embedded, slopes, strict=True))
    return TokenAttribution(readings[0].words, readings[1].words, a, b, logit.item(), float("nan"))


def leave_one_out(model: AffinityModel, text_a: str, text_b: str) -> TokenAttribution:
    """Return what the logit loses without each single word (occlusion), a reference to compare with.

    Not complete (``baseline`` is NaN), and one pass through the encoder a word.
    """
    a, b = (read_words(model.coder.layers, text).words for text in (text_a, text_b))
    words = [*a, *b]
    lacking = [_without(words, len(a), np.array([k])) for k in range(len(words))]
    logit, *less = _logits(model, [(text_a, text_b), *lacking])
    scores = (logit - np.array(less)).astype(np.float32)
    return TokenAttribution(a, b, scores[: len(a)], scores[len(a) :], float(logit), float("nan"))


def _without(words: Sequence[str], n_first: int, dropped: NDArray[np.int64]) -> tuple[str, str]:
    """Return both texts without the words at ``dropped``, counted through the first text and on into the second."""
    gone = set(dropped.tolist())
    left = [
        [word for k, word in enumerate(words) if k not in gone and (k < n_first) == first] for first in (True, False)
    ]
    return " ".join(left[0]), " ".join(left[1])


def _logits(model: AffinityModel, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """Return the logit of P(agree) of each pair, ``(n,)``, past the cache: texts with words missing are used once."""
    distinct = list(dict.fromkeys(text for pair in pairs for text in pair))
    place = {text: row for row, text in enumerate(distinct)}
    values = model.coder.encode(distinct)
    a, b = (model.coder.unpack(values[[place[pair[side]] for pair in pairs]]) for side in (0, 1))
    logits: NDArray[np.float64] = model.member_logits(a, b).mean(0, dtype=np.float64)
    return logits
