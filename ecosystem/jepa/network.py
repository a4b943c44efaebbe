"""The network of the affinity model: an encoder to latents and a relation-conditioned predictor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecosystem.jepa.encoder import on_one_thread

RELATIONS: Final = ("agree", "oppose", "neutral")
"""What the predictor is conditioned on: the latent of a partner who agrees, opposes, or is unrelated."""

AGREE, OPPOSE, NEUTRAL = range(3)


class JEPA(nn.Module):
    """Joint-embedding predictive architecture over sentence features.

    ``encode`` maps features to latents; ``predict`` maps a latent and a relation to the latent that a
    partner in this relation is expected to have. Both work in latent space only; nothing is decoded.

    Parameters
    ----------
    n_features : int
        Width of the encoder's features.
    latent_dim : int
        Width of a latent.
    hidden : int
        Width of the hidden layers.
    dropout : float
        Applied to the standardised features and the hidden layer in training.

    References
    ----------
    LeCun (2022), *A path towards autonomous machine intelligence*; Assran et al. (2023), CVPR,
    arXiv:2301.08243. Here the condition is a relation between speakers and not a position in an image.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, latent_dim: int = 128, hidden: int = 512, dropout: float = 0.2) -> None:
        super().__init__()
        self.n_features, self.latent_dim, self.hidden = n_features, latent_dim, hidden
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.encoder = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(n_features, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, latent_dim),
        )
        self.relation = nn.Embedding(len(RELATIONS), latent_dim)
        self.predictor = nn.Sequential(
            nn.Linear(2 * latent_dim, hidden),
            nn.GELU(),
            nn.Linear(hidden, latent_dim),
        )

    def encode(self, features: Tensor) -> Tensor:
        """Return the latents ``(n, latent_dim)`` of features ``(n, n_features)``."""
        latents: Tensor = self.encoder((features - self.mean) * self.scale)
        return latents

    def predict(self, latents: Tensor, relation: Tensor | int) -> Tensor:
        """Return the latents ``(n, latent_dim)`` of partners in ``relation`` to speakers at ``latents``."""
        index = torch.as_tensor(relation, device=latents.device).expand(len(latents))
        predicted: Tensor = self.predictor(torch.cat([latents, self.relation(index)], 1))
        return predicted

    def energies(self, speakers: Tensor, listeners: Tensor) -> Tensor:
        """Return ``(n, 2)``: the agree and oppose energies of latent pairs, averaged over both directions.

        ``e_r = mean_k (g(z_a, r) - z_b)_k ** 2``. The labels are symmetric, so the two directions carry
        the same information; their mean is the less noisy estimate.
        """
        columns = []
        for relation in (AGREE, OPPOSE):
            forth = (self.predict(speakers, relation) - listeners).square().mean(1)
            back = (self.predict(listeners, relation) - speakers).square().mean(1)
            columns.append((forth + back) / 2)
        return torch.stack(columns, 1)

    def turn(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``g(z, agree) - g(z, oppose)`` and ``|g(z, oppose)| ** 2 - |g(z, agree)| ** 2`` of latents z.

        Shapes (n, latent_dim) and (n,). With the latents: ``e_oppose - e_agree`` of any pair (`coding.Member`).
        """
        agree, oppose = self.predict(latents, AGREE), self.predict(latents, OPPOSE)
        return agree - oppose, oppose.square().sum(1) - agree.square().sum(1)


def distances(predicted: Tensor, latents: Tensor) -> Tensor:
    """Return the mean squared distance of every prediction (row) from every latent (column), (n, m)."""
    square = predicted.square().sum(1, keepdim=True) + latents.square().sum(1) - 2 * predicted @ latents.T
    return square.clamp_min(0) / latents.shape[1]


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients and on one thread, so that results do not depend on the machine's load."""
    with on_one_thread(), torch.inference_mode():
        yield


def build_network(tensors: Mapping[str, NDArray[Any]], prefix: str) -> JEPA:
    """Return the network whose weights are the tensors named ``<prefix>*``, ready for inference.

    Raises
    ------
    KeyError, ValueError, RuntimeError
        Weights are missing, of the wrong shape, or not finite.
    """
    state = {
        name.removeprefix(prefix): torch.from_numpy(value.astype(np.float32))
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    hidden, n_features = state["encoder.1.weight"].shape
    network = JEPA(n_features, state["relation.weight"].shape[1], hidden)
    network.load_state_dict(state)
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ValueError("its weights are not finite")
    return network.eval().requires_grad_(False)
