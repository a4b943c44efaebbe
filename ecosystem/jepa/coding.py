"""From texts to what affinity is computed from: latents, predicted replies, and a vector of the topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.encoder import LayerEncoder, digest_of
from ecosystem.jepa.network import JEPA, build_network, inference

Array = NDArray[np.float32]

_BLOCK = 64


class Member(NamedTuple):
    """What one network makes of n statements.

    ``e_oppose - e_agree`` of a speaker and a listener is ``(bias + 2 turn . latent of the listener) / dim``.

    Attributes
    ----------
    latent : (n, latent_dim) float32
        Latents z.
    turn : (n, latent_dim) float32
        From the predicted latent of one who opposes to that of one who agrees: ``g(z, agree) - g(z, oppose)``.
    bias : (n,) float32
        ``|g(z, oppose)| ** 2 - |g(z, agree)| ** 2``.
    """

    latent: Array
    turn: Array
    bias: Array


@dataclass(frozen=True)
class Codes:
    """The codes of n statements, laid side by side.

    Attributes
    ----------
    values : (n, width) float32
        For every network latent, turn and bias (see `Member`); then the topic vector.
    n_members, latent_dim : int
        How many networks, and the width of their latents.
    """

    values: Array
    n_members: int
    latent_dim: int

    def __len__(self) -> int:
        return len(self.values)

    @property
    def latents(self) -> Array:
        """Latents by the first network, (n, latent_dim)."""
        return np.ascontiguousarray(self.values[:, : self.latent_dim])

    @property
    def topics(self) -> Array:
        """Unit vectors that are near for statements on one topic, whatever their sides."""
        return self.values[:, self.n_members * (2 * self.latent_dim + 1) :]

    def member(self, k: int) -> Member:
        """Return what network ``k`` makes of the statements."""
        d = self.latent_dim
        block = self.values[:, k * (2 * d + 1) : (k + 1) * (2 * d + 1)]
        return Member(block[:, :d], block[:, d : 2 * d], block[:, 2 * d])


@dataclass
class StatementCoder:
    """Texts to codes: one pass through the encoder, then the networks.

    Attributes
    ----------
    layers : LayerEncoder
        Texts to features.
    networks : tuple of JEPA
        The affinity model's network, then the further members of its ensemble.
    topic_map : (n_features + 1, topic_dim) float32
        Linear map from standardised features, and 1, to topic vectors. It is fitted to reproduce the frozen
        encoder's sentence embeddings, so that relevance needs no second pass.
    """

    layers: LayerEncoder
    networks: tuple[JEPA, ...]
    topic_map: Array

    @property
    def identity(self) -> str:
        """Encoder, revision and a digest of all weights."""
        heads = {name: value for name, value in self.tensors().items() if not name.startswith("encoder.")}
        return f"{self.layers.identity}+{digest_of(heads)}"

    @property
    def latent_dim(self) -> int:
        """Width of a latent."""
        return self.networks[0].latent_dim

    @property
    def width(self) -> int:
        """Number of values of a code."""
        return int(len(self.networks) * (2 * self.latent_dim + 1) + self.topic_map.shape[1])

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Array:
        """Encode ``texts`` to ``(n, width) float32``, the values of `Codes`."""
        return self.code(self.layers.encode(texts, progress)) if len(texts) else np.empty((0, 0), np.float32)

    def code(self, features: Array) -> Array:
        """Return the values of `Codes` of features ``(n, n_features)``.

        In blocks of always the same number of rows, so that each row goes through the same arithmetic whatever
        it is coded beside.
        """
        values = np.empty((len(features), self.width), np.float32)
        with inference():
            for start in range(0, len(features), _BLOCK):
                block = features[start : start + _BLOCK]
                coded = self._code(torch.from_numpy(np.resize(block, (_BLOCK, block.shape[1]))))
                values[start : start + _BLOCK] = coded[: len(block)].numpy()
        return values

    def _code(self, features: torch.Tensor) -> torch.Tensor:
        parts = []
        for network in self.networks:
            z = network.encode(features)
            turn, bias = network.turn(z)
            parts += [z, turn, bias[:, None]]
        first, weight = self.networks[0], torch.from_numpy(self.topic_map)
        topic = ((features - first.mean) * first.scale) @ weight[:-1] + weight[-1]
        return torch.cat([*parts, torch.nn.functional.normalize(topic, dim=1)], 1)

    def unpack(self, values: Array) -> Codes:
        """Return codes by name; of no texts, codes of the right width."""
        values = values if len(values) else np.empty((0, self.width), np.float32)
        return Codes(values, len(self.networks), self.latent_dim)

    def tensors(self) -> dict[str, NDArray[np.float16]]:
        """Return all weights in half precision, by name."""
        heads = {
            f"network.{k}.{name}": value.numpy().astype(np.float16)
            for k, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }
        tuned = {name: np.asarray(value, np.float16) for name, value in self.layers.tuned.items()}
        return heads | {"topic_map": self.topic_map.astype(np.float16)} | tuned

    @classmethod
    def from_tensors(cls, model: str, tensors: Mapping[str, NDArray[Any]]) -> StatementCoder:
        """Return the coder whose `tensors` these are.

        Raises
        ------
        KeyError, ValueError, RuntimeError
            Tensors are missing, of the wrong shape, or not finite.
        """
        count = len({name.split(".")[1] for name in tensors if name.startswith("network.")})
        networks = tuple(build_network(tensors, f"network.{k}.") for k in range(max(count, 1)))
        topic_map = tensors["topic_map"].astype(np.float32)
        if len(topic_map) != networks[0].n_features + 1 or not np.isfinite(topic_map).all():
            raise ValueError("its topic map does not fit")
        tuned = {name: value for name, value in tensors.items() if name.startswith("encoder.")}
        return cls(LayerEncoder(model, tuned), networks, topic_map)
