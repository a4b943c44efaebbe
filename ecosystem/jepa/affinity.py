"""The affinity model in use: texts in, latents and affinities out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.encoder import Encoder
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE
from ecosystem.jepa.statements import Statements
from ecosystem.tensors import write_tensors

Array = NDArray[np.float32]

FORMAT = "ecosystem-jepa-1"
"""Name of the weights file's format."""
_CHUNK = 1024


@dataclass(frozen=True)
class Calibration:
    """What turns energies into affinity, fitted on topics the network was not trained on.

    Attributes
    ----------
    temperature : float
        T of ``2 sigma((e_oppose - e_agree) / T) - 1``.
    relevance_slope, relevance_intercept : float
        Of the logistic regression from the frozen encoder's cosine to "on the same topic".
    """

    temperature: float
    relevance_slope: float
    relevance_intercept: float


@dataclass
class AffinityModel:
    """A trained JEPA on its encoder.

    ``affinity = relevance * (2 sigma((e_oppose - e_agree) / T) - 1)``: P(supports) - P(opposes), drawn
    towards 0 for statements on unrelated topics. Symmetric in the two statements. A text supports itself: its
    affinity with the same text is 1 by definition.

    Attributes
    ----------
    encoder : Encoder
        Texts to features; the last `width` features are the frozen encoder's sentence embedding.
    network : JEPA
        Features to latents, and latents to partners' latents.
    calibration : Calibration
        Energies to affinity.
    width : int
        Width of the sentence embedding.
    card : dict
        How the weights came about: data, seed, metrics.
    """

    encoder: Encoder
    network: JEPA
    calibration: Calibration
    width: int
    card: dict[str, Any] = field(default_factory=dict)

    def features(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Array:
        """Return the encoder's features, ``(n, n_features) float32``."""
        if isinstance(texts, str):
            raise ValueError("a list of texts is needed, not a single string")
        return self.encoder.encode(texts, progress).astype(np.float32)

    def latents(self, texts: Sequence[str]) -> Array:
        """Return the latents of ``texts``, ``(n, latent_dim) float32``."""
        if not len(texts):
            return np.empty((0, self.network.latent_dim), np.float32)
        return self.latents_of(self.features(texts))

    def affinity(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return the affinity of each pair of texts, ``(n,) float32`` in [-1, 1].

        Raises
        ------
        ValueError
            The two lists are not of one length.
        """
        if len(texts_a) != len(texts_b):
            raise ValueError(f"the lists must be of one length; found {len(texts_a)} and {len(texts_b)} texts")
        if not len(texts_a):
            return np.empty(0, np.float32)
        a, b = self.features(texts_a), self.features(texts_b)
        with inference():
            energies = self.network.energies(*(torch.from_numpy(self.latents_of(x)) for x in (a, b))).numpy()
        cosine = (self.embedding_of(a) * self.embedding_of(b)).sum(1)
        one, other = _row_codes(a, b)
        predicted = self._affinity_of(energies[:, AGREE], energies[:, OPPOSE], self._relevance_of(cosine))
        return np.where(one == other, np.float32(1), predicted)

    def affinity_matrix(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
        """Return the affinity of every text of the first list with every text of the second, ``(n, m) float32``."""
        if not len(texts_a) or not len(texts_b):
            return np.empty((len(texts_a), len(texts_b)), np.float32)
        a, b = self.features(texts_a), self.features(texts_b)
        return self._relate(a, b)[0]

    def statements(
        self,
        texts: Sequence[str],
        topic_of: NDArray[np.int64],
        progress: Callable[[int], None] | None = None,
    ) -> Statements:
        """Return the table of a debate's statements, everything the step gathers from."""
        features = self.features(texts, progress)
        affinity, relevance, cosine, forth = self._relate(features, features)
        topic_of = np.asarray(topic_of)
        relevance *= topic_of[:, None] == topic_of[None, :]
        return Statements(tuple(texts), topic_of, self.latents_of(features), affinity, relevance, cosine, forth)

    def save(self, path: Path, model: str, tuned: Mapping[str, NDArray[np.float16]]) -> None:
        """Write the weights in half precision as safetensors, with calibration and card as metadata.

        Parameters
        ----------
        path : Path
            Where to.
        model : str
            The encoder, as `LayerEncoder` takes it.
        tuned : mapping of str to array
            Its tuned layers.
        """
        state = {name: value.numpy() for name, value in self.network.state_dict().items()}
        tensors = {f"network.{name}": value.astype(np.float16) for name, value in state.items()}
        texts = {
            "model": model,
            "width": str(self.width),
            "calibration": json.dumps(asdict(self.calibration)),
            "card": json.dumps(self.card),
        }
        write_tensors(path, FORMAT, {**tensors, **tuned}, texts)

    def _relate(self, features_a: Array, features_b: Array) -> tuple[Array, Array, Array, Array]:
        """Return affinity, relevance, cosine ``(n, m)`` and the energies of replies ``(2, n, m)``."""
        a, b = (self.latents_of(x) for x in (features_a, features_b))
        forth = self._reply_energies(a, b)
        energies = (forth + self._reply_energies(b, a).transpose(0, 2, 1)) / 2
        cosine = self.embedding_of(features_a) @ self.embedding_of(features_b).T
        relevance = self._relevance_of(cosine)
        one, other = _row_codes(features_a, features_b)
        predicted = self._affinity_of(energies[AGREE], energies[OPPOSE], relevance)
        affinity = np.where(one[:, None] == other[None, :], np.float32(1), predicted)
        return affinity, relevance, cosine, forth

    def latents_of(self, features: Array) -> Array:
        """Return the latents of features ``(n, n_features)``: ``(n, latent_dim) float32``."""
        with inference():
            chunks = [self.network.encode(chunk) for chunk in torch.split(torch.from_numpy(features), _CHUNK)]
            latents: Array = torch.cat(chunks).numpy()
        return latents

    def _reply_energies(self, speakers: Array, listeners: Array) -> Array:
        """Return ``(2, n, m)``: mean squared distance of listeners from the replies predicted to speakers."""
        with inference():
            to = torch.from_numpy(listeners)
            rows = []
            for relation in (AGREE, OPPOSE):
                predicted = self.network.predict(torch.from_numpy(speakers), relation)
                square = predicted.square().sum(1, keepdim=True) + to.square().sum(1) - 2 * predicted @ to.T
                rows.append(square.clamp_min(0) / to.shape[1])
            energies: Array = torch.stack(rows).numpy()
        return energies

    def embedding_of(self, features: Array) -> Array:
        """Return the frozen encoder's unit sentence embeddings among features: ``(n, width) float32``."""
        embedding = features[:, -self.width :]
        unit: Array = embedding / np.linalg.norm(embedding, axis=1, keepdims=True).clip(1e-9)
        return unit

    def _relevance_of(self, cosine: Array) -> Array:
        c = self.calibration
        relevance: Array = 1 / (1 + np.exp(-(c.relevance_slope * cosine + c.relevance_intercept)))
        return relevance.astype(np.float32)

    def _affinity_of(self, agree: Array, oppose: Array, relevance: Array) -> Array:
        # 2 sigma(x) - 1 = tanh(x / 2)
        affinity: Array = relevance * np.tanh((oppose - agree) / (2 * self.calibration.temperature))
        return affinity.astype(np.float32)


def _row_codes(*matrices: Array) -> tuple[NDArray[np.int64], ...]:
    """Return an integer for every row of each matrix; equal rows, and no others, have equal integers."""
    codes: dict[bytes, int] = {}
    return tuple(np.array([codes.setdefault(row.tobytes(), len(codes)) for row in m], np.int64) for m in matrices)


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients and on one thread, so that results do not depend on the machine's load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def build_network(tensors: dict[str, NDArray[Any]]) -> JEPA:
    """Return the network whose weights are the tensors named ``network.*``, ready for inference."""
    state = {
        k.removeprefix("network."): torch.from_numpy(v.astype(np.float32))
        for k, v in tensors.items()
        if k.startswith("network.")
    }
    hidden, n_features = state["encoder.1.weight"].shape
    network = JEPA(n_features, state["relation.weight"].shape[1], hidden)
    network.load_state_dict(state)
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ValueError("its weights are not finite")
    return network.eval()
