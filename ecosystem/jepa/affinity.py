"""The affinity model in use: texts in, latents and affinities out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.coding import Codes, StatementCoder
from ecosystem.jepa.encoder import Encoder
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE, inference
from ecosystem.jepa.statements import Statements
from ecosystem.tensors import write_tensors

Array = NDArray[np.float32]

_BLOCK = 256  # rows and columns of a product of matrices at a time

FORMAT = "ecosystem-jepa-2"
"""Name of the weights file's format."""


@dataclass(frozen=True)
class Calibration:
    """What turns energies into affinity, fitted on topics the networks were not trained on.

    Attributes
    ----------
    temperatures : tuple of float
        T of every network; the logit of P(agree) is the mean of ``(e_oppose - e_agree) / T`` over them.
    relevance_slope, relevance_intercept : float
        Of the logistic regression from the topic vectors' cosine to "on the same topic".
    """

    temperatures: tuple[float, ...]
    relevance_slope: float
    relevance_intercept: float


@dataclass
class AffinityModel:
    """A trained JEPA on its encoder, and an ensemble of further heads that tells how sure it is.

    ``affinity = relevance * (2 sigma(logit) - 1)``: P(supports) - P(opposes), drawn towards 0 for
    statements on unrelated topics. Symmetric in the two statements. A text supports itself: its affinity
    with the same text is 1 by definition.

    Attributes
    ----------
    encoder : Encoder
        Texts to `Codes`: a `StatementCoder`, or a cache in front of one.
    sentences : Encoder
        Texts to the frozen encoder's unit sentence embeddings, whose cosine affinity is compared with.
    coder : StatementCoder
        What `encoder` computes with.
    calibration : Calibration
        Energies to affinity.
    card : dict
        How the weights came about: data, seed, metrics.
    """

    encoder: Encoder
    sentences: Encoder
    coder: StatementCoder
    calibration: Calibration
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def network(self) -> JEPA:
        """The first network, whose latents are the statements' latents."""
        return self.coder.networks[0]

    def codes(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Codes:
        """Return what affinity is computed from, for every text."""
        if isinstance(texts, str):
            raise ValueError("a list of texts is needed, not a single string")
        return self.coder.unpack(self.encoder.encode(texts, progress))

    def latents(self, texts: Sequence[str]) -> Array:
        """Return the latents of ``texts``, ``(n, latent_dim) float32``."""
        return self.codes(texts).latents

    def affinity(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return the affinity of each pair of texts, ``(n,) float32`` in [-1, 1].

        Raises
        ------
        ValueError
            The two lists are not of one length.
        """
        if len(texts_a) != len(texts_b):
            raise ValueError(f"the lists must be of one length; found {len(texts_a)} and {len(texts_b)} texts")
        a, b = self.codes(texts_a), self.codes(texts_b)
        logit = self.member_logits(a, b).mean(0, dtype=np.float32)
        relevance = self._relevance_of((a.topics * b.topics).sum(1))
        affinity: Array = relevance * np.tanh(logit / 2)
        affinity[np.array(list(map(str.__eq__, texts_a, texts_b)), bool)] = 1
        return affinity

    def affinity_matrix(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return the affinity of every text of the first list with every text of the second, ``(n, m) float32``."""
        return self.relate(texts_a, texts_b)[0]

    def relate(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> tuple[Array, Array]:
        """Return affinity and relevance of every text of one list with every text of another, ``(n, m) float32``."""
        a, b = self.codes(texts_a), self.codes(texts_b)
        relevance = self._relevance_of(_product(a.topics, b.topics))
        affinity = self._logits(a, b)
        affinity /= 2
        np.tanh(affinity, out=affinity)  # 2 sigma(x) - 1 = tanh(x / 2)
        affinity *= relevance
        places: dict[str, list[int]] = {}
        for column, text in enumerate(texts_b):
            places.setdefault(text, []).append(column)
        for row, text in enumerate(texts_a):
            if text in places:
                affinity[row, places[text]] = 1
        return affinity, relevance

    def relate_all(self, texts: Sequence[str]) -> tuple[Array, Array]:
        """Return `relate` of texts with themselves, ``(n, n) float32``, symmetric to the bit."""
        # Sums in two orders differ in the last place.
        affinity, relevance = (np.asarray((m + m.T) / 2, np.float32) for m in self.relate(texts, texts))
        return affinity, relevance

    def uncertainty_matrix(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return how far the ensemble disagrees: the standard deviation of P(agree) over networks, ``(n, m)``."""
        a, b = self.codes(texts_a), self.codes(texts_b)
        members = range(len(self.coder.networks))
        logits = np.stack([_gaps(a, b, k) / t for k, t in zip(members, self.calibration.temperatures, strict=True)])
        spread: Array = (1 / (1 + np.exp(-logits))).std(0)
        return spread

    def cosine_matrix(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return the cosine similarity by the frozen encoder, ``(n, m) float32``."""
        one, other = self.sentences.encode(texts_a), self.sentences.encode(texts_b)
        if not len(texts_a) or not len(texts_b):
            return np.empty((len(texts_a), len(texts_b)), np.float32)
        return _product(one, other)

    def statements(
        self,
        texts: Sequence[str],
        topic_of: NDArray[np.int64],
        progress: Callable[[int], None] | None = None,
    ) -> Statements:
        """Return the table of a debate's statements, everything the step gathers from."""
        codes = self.codes(texts, progress)
        affinity, relevance = self.relate_all(texts)
        topic_of = np.asarray(topic_of)
        relevance *= topic_of[:, None] == topic_of[None, :]
        cosine, replies = self.cosine_matrix(texts, texts), self.reply_energies(codes.latents, codes.latents)
        return Statements(tuple(texts), topic_of, codes.latents, affinity, relevance, cosine, replies)

    def reply_energies(self, speakers: Array, listeners: Array) -> Array:
        """Return how far latents lie from the replies predicted to others: ``(2, n, m) float32``.

        ``[r, u, s]``: mean squared distance of listener s from the predicted latent of one who agrees
        (r = 0) or opposes (r = 1) with speaker u.
        """
        energies = []
        for relation in (AGREE, OPPOSE):
            replies = np.empty_like(speakers)
            with inference():
                for start in range(0, len(speakers), _BLOCK):
                    block = torch.from_numpy(_block(speakers, start))
                    replies[start : start + _BLOCK] = self.network.predict(block, relation).numpy()[
                        : len(speakers) - start
                    ]
            square = (replies * replies).sum(1)[:, None] + (listeners * listeners).sum(1)
            energies.append((square - 2 * _product(replies, listeners)).clip(0) / np.float32(listeners.shape[1]))
        return np.stack(energies)

    def member_logits(self, a: Codes, b: Codes) -> Array:
        """Return every network's logit of P(agree) for pairs of rows, ``(n_networks, n) float32``."""
        rows = []
        for k, temperature in enumerate(self.calibration.temperatures):
            one, other = a.member(k), b.member(k)
            crossed = (one.turn * other.latent).sum(1) + (other.turn * one.latent).sum(1)
            rows.append((one.bias + other.bias + 2 * crossed) / (2 * a.latent_dim * temperature))
        logits: Array = np.stack(rows)
        return logits

    def save(self, path: Path) -> None:
        """Write the weights in half precision as safetensors, with calibration and card as metadata."""
        texts = {
            "model": self.coder.layers.model,
            "calibration": json.dumps(asdict(self.calibration)),
            "card": json.dumps(self.card),
        }
        write_tensors(path, FORMAT, self.coder.tensors(), texts)

    def _logits(self, a: Codes, b: Codes) -> Array:
        """Return the ensemble's logit of every pair, ``(n, m)``: one product of matrices."""
        members = [(a.member(k), b.member(k), t) for k, t in enumerate(self.calibration.temperatures)]
        share = [1 / (2 * a.latent_dim * t * len(members)) for _, _, t in members]
        left = np.hstack([half * w for (x, _, _), w in zip(members, share, strict=True) for half in (x.turn, x.latent)])
        right = np.hstack([half for _, y, _ in members for half in (y.latent, y.turn)])
        rows = sum(x.bias * w for (x, _, _), w in zip(members, share, strict=True))
        columns = sum(y.bias * w for (_, y, _), w in zip(members, share, strict=True))
        logits = _product((2 * left).astype(np.float32), right)
        logits += np.asarray(rows, np.float32)[:, None]
        logits += np.asarray(columns, np.float32)
        return logits

    def _relevance_of(self, cosine: Array) -> Array:
        c = self.calibration
        relevance: Array = np.asarray(cosine * -c.relevance_slope - c.relevance_intercept, np.float32)
        np.exp(relevance, out=relevance)
        relevance += 1
        return np.reciprocal(relevance, out=relevance)


def _product(rows: Array, columns: Array) -> Array:
    """Return every row times every column, (n, m); on one thread, as others would only spin.

    In blocks of one shape: how sums are ordered follows from shapes, and no entry is to depend on how many others
    there are.
    """
    product = np.empty((len(rows), len(columns)), np.float32)
    with inference():
        right = [torch.from_numpy(_block(columns, start)).T for start in range(0, len(columns), _BLOCK)]
        for start in range(0, len(rows), _BLOCK):
            left = torch.from_numpy(_block(rows, start))
            band = product[start : start + _BLOCK]
            for number, block in enumerate(right):
                place = band[:, number * _BLOCK : (number + 1) * _BLOCK]
                place[:] = (left @ block).numpy()[: place.shape[0], : place.shape[1]]
    return product


def _block(rows: Array, start: int) -> Array:
    """Return the rows from one on, as many as a block has; zeros where there are no more."""
    block = np.ascontiguousarray(rows[start : start + _BLOCK])
    return block if len(block) == _BLOCK else np.pad(block, ((0, _BLOCK - len(block)), (0, 0)))


def _gaps(a: Codes, b: Codes, k: int) -> Array:
    """Return ``e_oppose - e_agree`` of every pair by one network, ``(n, m)``."""
    one, other = a.member(k), b.member(k)
    crossed = _product(one.turn, other.latent) + _product(one.latent, other.turn)
    return np.asarray((one.bias[:, None] + other.bias + 2 * crossed) / (2 * a.latent_dim), np.float32)
