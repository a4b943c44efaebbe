"""Learning without labels: the predictors go on learning from a debate's own statements, or from its exchanges.

No one says which statements agree. What can be learned from is how the readings fit together. On one topic
a debate has two sides: who agrees with a friend's friend, and with a foe's foe, is on their side (structural
balance), and the statements of one persona mostly take one side. The relation of every two statements is
inferred from all readings on the topic together, the predictors learn to predict latents under the relations
inferred, and so on from there. Latents and relevance stay as they are: nothing can collapse, positions
remain comparable, and no text is encoded anew.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ecosystem.jepa.affinity import AffinityModel
from ecosystem.jepa.coding import Codes
from ecosystem.jepa.encoder import Encoder, digest_of, on_one_thread
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE, distances, inference
from ecosystem.jepa.statements import Statements

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
Rows = NDArray[np.int64]

_MAX_GROUP = 256
_SURE = 0.99
_ADAPT_STEPS, _ADAPT_RATE = 30, 3e-3
_ONLINE_STEPS, _ONLINE_RATE = 2, 0.02
_PREDICTION, _ANCHOR = 0.1, 1.0


@dataclass(frozen=True)
class Reading:
    """The relations inferred between some statements on one topic. n statements.

    Attributes
    ----------
    rows : (n,) int
        Rows of the table of statements.
    agrees : (n, n) float32
        Probability that two of them agree.
    weight : (n, n) float32
        How much each pair counts; 0 on the diagonal.
    """

    rows: Rows
    agrees: Array
    weight: Array


class AdaptedEncoder:
    """Codes of an affinity model, with other predictors: latents and topic vectors are those of its encoder.

    Parameters
    ----------
    encoder : Encoder
        Texts to codes by the pretrained networks, or a cache in front of it.
    networks : tuple of JEPA
        The pretrained networks with other predictors.
    """

    def __init__(self, encoder: Encoder, networks: tuple[JEPA, ...]) -> None:
        self._encoder, self._networks = encoder, networks

    @property
    def identity(self) -> str:
        """Identity of the pretrained encoder and a digest of the predictors."""
        return f"{self._encoder.identity}+{digest_of(predictor_weights(self._networks))}"

    def encode(self, texts: Sequence[str], progress: Any = None) -> Array:
        """Return the values of `Codes` of ``texts``, ``(n, width) float32``."""
        values = self._encoder.encode(texts, progress)
        if not len(texts):
            return values
        return recode(values, self._networks)


class Learner:
    """An affinity model whose predictors learn on a debate's statements.

    Parameters
    ----------
    jepa : AffinityModel
        The pretrained model, which stays as it is.
    statements : Statements
        The debate's statements, as `jepa` reads them.

    Attributes
    ----------
    model : AffinityModel
        The model with the predictors as they are now.
    statements : Statements
        The statements as it reads them now.
    """

    def __init__(self, jepa: AffinityModel, statements: Statements) -> None:
        self._networks = tuple(copy.deepcopy(network) for network in jepa.coder.networks)
        for network in self._networks:
            for parameter in _learning(network):
                parameter.requires_grad_(True)
        self._parameters = [p for network in self._networks for p in _learning(network)]
        self._pretrained = [p.detach().clone() for p in self._parameters]
        self.model = replace(
            jepa,
            encoder=AdaptedEncoder(jepa.encoder, self._networks),
            coder=replace(jepa.coder, networks=self._networks),
        )
        self._values = jepa.codes(statements.texts).values
        self.statements = statements

    def adapt(self, corpora: NDArray[np.bool_]) -> None:
        """Learn from all statements of the debate.

        Parameters
        ----------
        corpora : (n_agents, U) bool
            Which persona's corpus has which statement.
        """
        readings = [self._read(rows, corpora) for rows in self._groups(np.asarray(corpora.any(0)))]
        if not readings:
            return
        optimizer = torch.optim.Adam(self._parameters, lr=_ADAPT_RATE)
        with on_one_thread():
            for _ in range(_ADAPT_STEPS):
                optimizer.zero_grad()
                for reading in readings:
                    torch.autograd.backward(self._loss(reading) / len(readings))
                torch.autograd.backward(self._pull())
                optimizer.step()
        self._reread()

    def learn(self, utterances: Rows, observed: Matrix) -> None:
        """Learn from a step's exchanges: to predict what others said from what was said and how it was received.

        Parameters
        ----------
        utterances : (n_agents,) int
            What each agent said, a row of the statements; negative for nothing.
        observed : (n_agents, n_agents) float
            Affinity of listener (column) to what the speaker (row) said; NaN where unknown.
        """
        speakers = np.flatnonzero(utterances >= 0)[:_MAX_GROUP]
        received = observed[np.ix_(speakers, speakers)]
        known = ~np.isnan(received) & ~np.isnan(received.T)
        if not known.any():
            return
        mean = np.where(known, np.nan_to_num(received + received.T) / 2, 0.0)
        logits = balance(_logits(mean))
        rows = utterances[speakers]
        relevance = self.statements.relevance[np.ix_(rows, rows)]
        weight = (relevance * known * (rows[:, None] != rows)).astype(np.float32)
        reading = Reading(rows, _sigmoid(logits), weight)
        if not weight.any():
            return
        optimizer = torch.optim.SGD(self._parameters, lr=_ONLINE_RATE)
        with on_one_thread():
            for _ in range(_ONLINE_STEPS):
                optimizer.zero_grad()
                torch.autograd.backward(self._loss(reading) + self._pull())
                torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
                optimizer.step()
        self._reread()

    def state(self) -> dict[str, Array]:
        """Return what has been learned: the predictors' weights by name."""
        return predictor_weights(self._networks)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go back to a `state`."""
        for k, network in enumerate(self._networks):
            weights = {n.split(".", 1)[1]: torch.from_numpy(v) for n, v in state.items() if n.startswith(f"{k}.")}
            with torch.no_grad():
                for name, value in weights.items():
                    network.get_parameter(name).copy_(value)
        self._reread()

    def _groups(self, held: NDArray[np.bool_]) -> list[Rows]:
        """Return the statements that are held by topic, large topics in parts; what is said later teaches nothing."""
        table = self.statements
        groups = []
        for topic in np.unique(table.topic_of):
            rows = np.flatnonzero((table.topic_of == topic) & held)
            parts = -(-len(rows) // _MAX_GROUP)
            groups += [rows[k::parts] for k in range(parts)]
        return [rows for rows in groups if len(rows) > 2]

    def _read(self, rows: Rows, corpora: NDArray[np.bool_]) -> Reading:
        """Infer the relations of the statements at ``rows`` from how the model reads all of them."""
        logits = _logits(self.statements.affinity[np.ix_(rows, rows)])
        logits = balance(logits, share_of(corpora[:, rows]))
        weight = self.statements.relevance[np.ix_(rows, rows)]
        np.fill_diagonal(weight, 0)
        return Reading(rows, _sigmoid(logits), weight)

    def _loss(self, reading: Reading) -> Tensor:
        """Return how badly the predictors predict latents, and tell relations, as the reading has them."""
        rows, agrees, weight = reading.rows, torch.from_numpy(reading.agrees), torch.from_numpy(reading.weight)
        total = torch.zeros(())
        codes = self._codes(rows)
        for k, network in enumerate(self._networks):
            agree, oppose = _energies(network, torch.from_numpy(np.ascontiguousarray(codes.member(k).latent)))
            logit = (oppose - agree) / self.model.calibration.temperatures[k]
            contrast = F.binary_cross_entropy_with_logits(logit, agrees, reduction="none")
            predicted = agrees * agree + (1 - agrees) * oppose
            total = total + ((contrast + _PREDICTION * predicted) * weight).sum() / weight.sum().clamp_min(1)
        return total

    def _pull(self) -> Tensor:
        """Return how far the weights are from the pretrained ones, for each its mean square as the unit."""
        terms = [
            (p - start).square().sum() / start.square().sum()
            for p, start in zip(self._parameters, self._pretrained, strict=True)
        ]
        return _ANCHOR * torch.stack(terms).mean()

    def _codes(self, rows: Rows) -> Codes:
        return self.model.coder.unpack(self._values[rows])

    def _reread(self) -> None:
        """Read the statements anew, with the predictors as they are now."""
        self._values = recode(self._values, self._networks)
        codes = self.model.coder.unpack(self._values)
        affinity, _ = self.model.relate_all(self.statements.texts)
        replies = self.model.reply_energies(codes.latents, codes.latents)
        self.statements = replace(self.statements, affinity=affinity, reply_energy=replies)


def balance(logits: Matrix, shares: Matrix | None = None) -> Matrix:
    """Return readings that fit together: the nearest two-sided order, as sure on the whole as the readings.

    The leading eigenvector v of the logits of P(agree), their diagonal left out, puts every statement on
    one of two sides, near 0 where it takes none; ``v v'`` is scaled to the root mean square of the logits.

    Parameters
    ----------
    logits : (n, n) float
        Symmetric; the diagonal is not looked at.
    shares : (n, n) float, optional
        The readings are averaged with these weights first: ``shares @ logits @ shares.T``.

    Examples
    --------
    The foe of a foe is a friend:

    >>> read = np.array([[0.0, -2, -2, 0], [-2, 0, 0, -2], [-2, 0, 0, -2], [0, -2, -2, 0]])
    >>> np.sign(balance(read))[0]
    array([ 1., -1., -1.,  1.])
    """
    off = ~np.eye(len(logits), dtype=bool)
    read = np.where(off, logits, 0.0)
    pooled = read if shares is None else shares @ read @ shares.T
    _, vectors = np.linalg.eigh(np.where(off, pooled, 0.0))
    sides = vectors[:, -1:] @ vectors[:, -1:].T
    size = np.sqrt((sides[off] ** 2).mean())
    scale = np.sqrt((read[off] ** 2).mean()) / size if size else 0.0
    return np.asarray(sides * scale)


def share_of(corpora: NDArray[np.bool_]) -> Matrix:
    """Return the matrix that averages each statement with those of the personas who hold it, ``(n, n)``.

    Half of the weight stays with the statement itself.

    Parameters
    ----------
    corpora : (n_agents, n) bool
        Which persona's corpus has which statement.

    Examples
    --------
    >>> share_of(np.array([[True, True, False], [False, False, True]]))
    array([[0.75, 0.25, 0.  ],
           [0.25, 0.75, 0.  ],
           [0.  , 0.  , 1.  ]])
    """
    held = corpora.astype(np.float64)
    fellows = held.T @ (held / held.sum(1, keepdims=True).clip(1))
    fellows /= fellows.sum(1, keepdims=True).clip(1e-12)
    shares: Matrix = (np.eye(len(fellows)) + fellows) / 2
    return shares


def recode(values: Array, networks: Sequence[JEPA]) -> Array:
    """Return values of `Codes` with turn and bias as the predictors of ``networks`` have them."""
    d = networks[0].latent_dim
    recoded = values.copy()
    with inference():
        for k, network in enumerate(networks):
            start = k * (2 * d + 1)
            z = torch.from_numpy(np.ascontiguousarray(values[:, start : start + d]))
            turn, bias = network.turn(z)
            recoded[:, start + d : start + 2 * d] = turn.numpy()
            recoded[:, start + 2 * d] = bias.numpy()
    return recoded


def predictor_weights(networks: Sequence[JEPA]) -> dict[str, Array]:
    """Return the predictors' weights, named ``<network>.<parameter>``."""
    return {
        f"{k}.{name}": value.detach().numpy().copy()
        for k, network in enumerate(networks)
        for name, value in network.named_parameters()
        if name.startswith(("predictor.", "relation."))
    }


def _learning(network: JEPA) -> list[torch.nn.Parameter]:
    return [*network.relation.parameters(), *network.predictor.parameters()]


def _energies(network: JEPA, latents: Tensor) -> list[Tensor]:
    """Return the agree and the oppose energy of all pairs, averaged over both directions: two ``(n, n)``."""
    both = []
    for relation in (AGREE, OPPOSE):
        energy = distances(network.predict(latents, relation), latents)
        both.append((energy + energy.T) / 2)
    return both


def _logits(affinity: NDArray[Any]) -> Matrix:
    logits: Matrix = 2 * np.arctanh(np.asarray(affinity, np.float64).clip(-_SURE, _SURE))
    return logits


def _sigmoid(logits: Matrix) -> Array:
    chance: Array = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return chance
