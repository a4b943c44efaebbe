"""Attribution: which words, and which statements, a prediction of the affinity model rests on.

Both levels are integrated gradients of the ensemble's logit of P(agree) along one path: every word of
both texts comes in from absent to present, together. A word that is present by a share p takes part in
every layer's attention and in every mean over tokens with weight p. The path starts at two empty texts
(the encoder's own marks alone), which is also what is left when all words are deleted. Beside it stands
the reading this project started from, the size of the predictor's weights applied to a joint latent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecosystem.jepa.affinity import AffinityModel
from ecosystem.jepa.coding import Codes, StatementCoder
from ecosystem.jepa.encoder import CachedEncoder, Encoder, LayerEncoder, on_one_thread
from ecosystem.jepa.network import AGREE, OPPOSE, inference

Array = NDArray[np.float32]

_WORD = re.compile(r"[^\s—]+—*|—+")
_ABSENT = 1e-12
_ROWS = 8


@dataclass(frozen=True)
class TokenAttribution:
    """What every word of a pair of texts contributes to the logit of P(agree).

    Attributes
    ----------
    words_a, words_b : tuple of str
        The words as they stand in the texts, punctuation with the word it touches.
    scores_a, scores_b : (n_words,) float32
        Contribution of each word, in units of the logit: above 0 it speaks for agreement, below 0 for
        opposition. The sum over its word pieces; 0 for words beyond the encoder's longest text.
    logit : float
        The pair's logit of P(agree), before relevance.
    baseline : float
        The logit with all words absent. The encoder's own marks (``[CLS]``, ``[SEP]``) are present along
        the whole path, so their share is in here and in no word.
    """

    words_a: tuple[str, ...]
    words_b: tuple[str, ...]
    scores_a: Array
    scores_b: Array
    logit: float
    baseline: float

    @property
    def error(self) -> float:
        """What the scores fall short of ``logit - baseline``: the integration rule's error."""
        return self.logit - self.baseline - float(self.scores_a.sum() + self.scores_b.sum())


@dataclass(frozen=True)
class Reading:
    """A text as the encoder reads it.

    Attributes
    ----------
    ids : (n_tokens,) int64 tensor
        Word pieces and marks.
    words : tuple of str
        The text's words.
    word_of : (n_tokens,) int
        The word each piece is part of; -1 for marks.
    """

    ids: Tensor
    words: tuple[str, ...]
    word_of: NDArray[np.int64]

    def by_word(self, scores: Tensor) -> Array:
        """Sum scores of tokens, ``(n_tokens,)``, over the pieces of each word."""
        total = np.zeros(len(self.words), np.float32)
        inside = self.word_of >= 0
        np.add.at(total, self.word_of[inside], scores.detach().numpy()[inside])
        return total


def read_words(layers: LayerEncoder, text: str) -> Reading:
    """Return the tokens of a text and the words they are pieces of."""
    (ids,) = layers.tokenize([text])
    offsets = layers.tokenizer(text, truncation=True, max_length=len(ids), return_offsets_mapping=True)[
        "offset_mapping"
    ]
    spans = [match.span() for match in _WORD.finditer(text)]
    starts = np.array([start for start, _ in spans], np.int64)
    # By the last character of a piece: some tokenizers let a piece begin with the space before it.
    word_of = [np.searchsorted(starts, end - 1, "right") - 1 if end > start else -1 for start, end in offsets]
    words = tuple(text[start:end] for start, end in spans)
    return Reading(torch.tensor(ids), words, np.array(word_of, np.int64))


def token_attribution(model: AffinityModel, text_a: str, text_b: str, n_steps: int = 12) -> TokenAttribution:
    """Attribute the logit of P(agree) of a pair to its words.

    Integrated gradients from two empty texts to the pair. The logit turns quickest where the first words
    come in, so the rule (Gauss-Legendre) is laid over the square root of their presence.

    Parameters
    ----------
    model : AffinityModel
        The affinity model.
    text_a, text_b : str
        The pair. Exchanged, they have the same scores.
    n_steps : int
        Points of the integral, one pass forth and back through the encoder each.

    Returns
    -------
    TokenAttribution
        Whose scores together equal ``logit - baseline``, up to the rule's error.

    References
    ----------
    Sundararajan, Taly & Yan (2017), *Axiomatic attribution for deep networks*, ICML. There the path runs
    over embeddings; over presence it names words whose deletion matters more (docs/affinity.md).
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    root = (nodes + 1) / 2
    times = np.concatenate([root**2, [0.0, 1.0]]).astype(np.float32)
    share = torch.from_numpy((weights * root).astype(np.float32))  # dt = 2 u du, and du = half the rule's weight
    readings = [read_words(model.coder.layers, text) for text in (text_a, text_b)]
    with on_one_thread():
        presences = [
            _presence(torch.from_numpy(reading.word_of >= 0), torch.from_numpy(times)).requires_grad_()
            for reading in readings
        ]
        features = [
            pool_present(model.coder.layers, reading.ids.expand(len(times), -1), presence)
            for reading, presence in zip(readings, presences, strict=True)
        ]
        logits = pair_logits(model, *features)
        slopes = torch.autograd.grad((logits[:n_steps] * share).sum(), presences)
    scores = [reading.by_word(slope.sum(0)) for reading, slope in zip(readings, slopes, strict=True)]
    baseline, logit = logits[n_steps:].tolist()
    return TokenAttribution(readings[0].words, readings[1].words, scores[0], scores[1], logit, baseline)


def statement_attribution(
    model: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str], n_steps: int = 4
) -> tuple[Array, Array]:
    """Attribute the logit of every pair of statements to its two statements.

    The sum of `token_attribution` over a statement's words, computed for all pairs at once: each statement
    is encoded at the points of its path, and since the logit is bilinear in the codes (`Member`), the line
    integral over codes is a product of matrices. By the trapezoid rule it is exact for the sum:
    both attributions together equal the logit less that of two empty texts.

    Parameters
    ----------
    model : AffinityModel
        The affinity model.
    texts_a, texts_b : sequence of str
        The statements of the rows, and of the columns.
    n_steps : int
        Steps of the path.

    Returns
    -------
    to_a, to_b : (n, m) float32
        Attribution to the row's and to the column's statement, in units of the logit of P(agree).
    """
    distinct = list(dict.fromkeys([*texts_a, *texts_b]))
    place = {text: row for row, text in enumerate(distinct)}
    rows, columns = (np.array([place[text] for text in texts], np.int64) for texts in (texts_a, texts_b))
    to_a, to_b = np.zeros((2, len(rows), len(columns)), np.float32)
    if not to_a.size:
        return to_a, to_b
    path = _code_path(model, distinct, n_steps)
    for k, temperature in enumerate(model.calibration.temperatures):
        share = 1 / (2 * model.coder.latent_dim * temperature * len(model.coder.networks))
        for before, after in pairwise(path):
            start, end = before.member(k), after.member(k)
            middle, turn = (start.latent + end.latent) / 2, (start.turn + end.turn) / 2
            step, swing = end.latent - start.latent, end.turn - start.turn
            grown = (end.bias - start.bias) * share
            swing, step = swing * (2 * share), step * (2 * share)
            to_a += grown[rows, None] + swing[rows] @ middle[columns].T + step[rows] @ turn[columns].T
            to_b += grown[columns] + middle[rows] @ swing[columns].T + turn[rows] @ step[columns].T
    return to_a, to_b


def importance(model: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
    """Return ``|to_a| + |to_b|`` of `statement_attribution`: how far a pair moves the logit, ``(n, m)``."""
    to_a, to_b = statement_attribution(model, texts_a, texts_b)
    size: Array = np.abs(to_a) + np.abs(to_b)
    return size


def legacy_importance(model: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
    """Return ``mean |W z|`` of every pair, ``(n, m) float32``: what the project's first sketch drew.

    W are the weights of the predictor's first layer that act on latents, z the mean of the two latents.
    It shows how strongly a joint latent drives the predictor, not what the predictor makes of it.
    """
    network = model.network
    with inference():
        weight = network.predictor.get_parameter("0.weight")[:, : network.latent_dim]
        one, other = (torch.from_numpy(model.latents(texts)) @ weight.T for texts in (texts_a, texts_b))
        size: Array = torch.stack([((row + other) / 2).abs().mean(1) for row in one]).numpy()
    return size


def pool_present(layers: LayerEncoder, ids: Tensor, presence: Tensor) -> Tensor:
    """Pool all layers of token rows of which tokens are present by shares.

    A token's share multiplies its weight in every attention and in every mean; where all are 1, these are
    the features of `LayerEncoder.pool`.

    Parameters
    ----------
    layers : LayerEncoder
        The encoder.
    ids : (n_rows, n_tokens) int64
        Tokens.
    presence : (n_rows, n_tokens) float32
        In [0, 1].

    Returns
    -------
    (n_rows, n_features) float32
    """
    mask = presence.clamp_min(_ABSENT).log()[:, None, None, :]
    share = (presence / presence.sum(1, keepdim=True))[:, None, :]
    hidden = layers.transformer.embeddings(ids)
    pooled = [share @ hidden]
    for layer in layers.layers:
        state = layer(hidden, attention_mask=mask)
        hidden = state[0] if isinstance(state, tuple) else state
        pooled.append(share @ hidden)
    return torch.cat(pooled, 2).squeeze(1)


def pair_logits(model: AffinityModel, features_a: Tensor, features_b: Tensor) -> Tensor:
    """Return the ensemble's logit of P(agree) of rows of features, ``(n,)``, with gradients."""
    gaps = []
    for network, temperature in zip(model.coder.networks, model.calibration.temperatures, strict=True):
        energies = network.energies(network.encode(features_a), network.encode(features_b))
        gaps.append((energies[:, OPPOSE] - energies[:, AGREE]) / temperature)
    return torch.stack(gaps).mean(0)


def _presence(movable: Tensor, times: Tensor) -> Tensor:
    """Return the presence of tokens at each time, ``(n_times, n_tokens)``: marks are always there."""
    return torch.where(movable, times[:, None], torch.ones(()))


@dataclass
class PathCoder:
    """Texts to the codes of texts of which the words are present in part: an encoder, so that a cache can keep them.

    Attributes
    ----------
    coder : StatementCoder
        Features to codes.
    n_steps : int
        Points on the path, from no word towards all words; all words themselves are not among them.
    """

    coder: StatementCoder
    n_steps: int

    @property
    def identity(self) -> str:
        """The coder's identity and the number of points."""
        return f"{self.coder.identity}+path{self.n_steps}"

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Array:
        """Return ``(n_texts, n_steps * width) float32``: the values of `Codes` at every point, side by side."""
        layers, width = self.coder.layers, self.coder.width
        values = np.empty((len(texts), self.n_steps * width), np.float32)
        times = torch.from_numpy(np.square(np.arange(self.n_steps) / self.n_steps).astype(np.float32))
        tokens = layers.tokenize(texts)
        lengths = np.array([len(ids) for ids in tokens])
        with inference():
            for length in np.unique(lengths):
                rows = np.flatnonzero(lengths == length)
                special = layers.tokenizer.get_special_tokens_mask(tokens[rows[0]], already_has_special_tokens=True)
                present = _presence(torch.tensor(special) == 0, times)
                for start in range(0, len(rows), _ROWS):
                    part = rows[start : start + _ROWS]
                    # Always as many rows: each goes through the same arithmetic whatever it is encoded beside.
                    ids = torch.tensor([tokens[row] for row in np.resize(part, _ROWS)])
                    features = [pool_present(layers, ids, shares.expand(_ROWS, -1)) for shares in present]
                    coded = self.coder.code(torch.cat(features).numpy()).reshape(self.n_steps, _ROWS, width)
                    values[part] = coded[:, : len(part)].transpose(1, 0, 2).reshape(len(part), -1)
                    if progress is not None:
                        progress(len(part))
        return values


def _code_path(model: AffinityModel, texts: Sequence[str], n_steps: int) -> list[Codes]:
    """Return the codes of ``texts`` at ``n_steps + 1`` points from no word to all words."""
    paths: Encoder = PathCoder(model.coder, n_steps)
    if isinstance(model.encoder, CachedEncoder):
        paths = CachedEncoder(paths, model.encoder.root)
    points = np.split(paths.encode(texts), n_steps, axis=1)
    return [*map(model.coder.unpack, points), model.codes(texts)]
