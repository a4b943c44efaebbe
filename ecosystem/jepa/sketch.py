"""The method this project started from, as a score for pairs of texts: what the affinity model is measured beside.

The first sketch was described in words only: two lists of sentences with their frozen embeddings, an
autoencoder for each list, and a predictor trained "to establish connections" between the sentences that
stand side by side, which puts out two joint embeddings a pair; then it was applied to the sentences it was
trained on. It knows no relation and no label: pairs that agree and pairs that oppose are connections alike.

What the description leaves open is chosen here, in the method's favour where that matters:

- The embeddings are those of the encoder that the cosine is taken from, so that the methods differ in nothing else.
- An autoencoder is one linear layer and tanh to a code of 64, and one linear layer back. Both are trained to
  reconstruct before the predictor is, then kept: codes that were trained along with it could collapse.
- The predictor is one linear layer, since its weights were to be mapped back to the sentences. It predicts the
  code of the second sentence from that of the first (the first joint embedding) and the other way round (the second).
- The score of a pair is how well the prediction comes true: the mean cosine of both joint embeddings with the code
  predicted. The sketch's other number, the size of the predictor's weights on a pair, was by its own account no
  score; `ecosystem.jepa.attribution` has it.
- Adam at its defaults, 300 steps of up to 256 pairs for either stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from ecosystem.jepa.encoder import on_one_thread

Array = NDArray[np.float32]

_BATCH = 256


def sketch_scores(
    first: Array, second: Array, rng: np.random.Generator, n_steps: int = 300, code_dim: int = 64
) -> Array:
    """Train the sketch on pairs, without labels, and return how well it connects each of them.

    Parameters
    ----------
    first, second : (n, width) float32
        Frozen sentence embeddings of the pairs' texts.
    rng : Generator
        Draws the initial weights and the batches.
    n_steps : int
        Steps for the autoencoders, and again for the predictor.
    code_dim : int
        Width of a code.

    Returns
    -------
    (n,) float32
        In [-1, 1]. A pair's score depends on the other pairs, since the sketch is trained on them all.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    with on_one_thread():
        # Unit vectors have entries of about width ** -0.5; layers and Adam's step are made for entries of about 1.
        sides = [torch.from_numpy(side * np.float32(math.sqrt(side.shape[1]))) for side in (first, second)]
        one, other = (_codes(side, code_dim, n_steps, generator) for side in sides)
        predictor = _linear(code_dim, code_dim, generator)

        def loss(rows: Tensor) -> Tensor:
            forth = mse_loss(predictor(one[rows]), other[rows])
            return forth + mse_loss(predictor(other[rows]), one[rows])

        _minimise(loss, predictor.parameters(), len(one), n_steps, generator)
        with torch.no_grad():
            joint_one, joint_other = predictor(one), predictor(other)
            score = (cosine_similarity(joint_one, other) + cosine_similarity(joint_other, one)) / 2
    scores: Array = score.clamp(-1, 1).numpy()
    return scores


def _codes(embeddings: Tensor, code_dim: int, n_steps: int, generator: torch.Generator) -> Tensor:
    """Train an autoencoder on one side's embeddings and return their codes, ``(n, code_dim)``."""
    width = embeddings.shape[1]
    encoder = nn.Sequential(_linear(width, code_dim, generator), nn.Tanh())
    decoder = _linear(code_dim, width, generator)

    def loss(rows: Tensor) -> Tensor:
        return mse_loss(decoder(encoder(embeddings[rows])), embeddings[rows])

    _minimise(loss, [*encoder.parameters(), *decoder.parameters()], len(embeddings), n_steps, generator)
    with torch.no_grad():
        codes: Tensor = encoder(embeddings)
    return codes


def _linear(width: int, out: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(width, out, device="meta").to_empty(device="cpu")  # draws nothing from torch's own generator
    nn.init.normal_(layer.weight, std=1 / math.sqrt(width), generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _minimise(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[nn.Parameter],
    n: int,
    n_steps: int,
    generator: torch.Generator,
) -> None:
    """Minimise a loss of batches of rows, drawn with replacement where there are more than fit into one."""
    optimizer = torch.optim.Adam(parameters, foreach=False)
    for _ in range(n_steps):
        rows = torch.arange(n) if n <= _BATCH else torch.randint(n, (_BATCH,), generator=generator)
        optimizer.zero_grad()
        value = loss(rows)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
