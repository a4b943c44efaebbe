"""Weight importance: how much each pair of statements moves the prediction.

Two readings side by side: integrated gradients of the affinity, and the reading this project started
from, the size of the predictor's weights applied to the pair's joint latent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.affinity import AffinityModel, inference
from ecosystem.jepa.network import AGREE, OPPOSE

Array = NDArray[np.float32]


def integrated_gradients(
    model: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str], n_steps: int = 16
) -> tuple[Array, Array]:
    """Attribute the energy gap of every pair of statements to its two statements.

    The path runs from the average statement (standardised features 0, where all is unknown) to the pair,
    both statements moving together. The attribution to a statement is the sum of the integrated
    gradients over its features, computed as a line integral over its latent: ``sum_k dgap/dz_a . dz_a``
    by the midpoint rule. Both attributions together equal the gap less the gap of two average
    statements (completeness), up to the error of the rule.

    Parameters
    ----------
    model : AffinityModel
        The affinity model.
    texts_a, texts_b : sequence of str
        The statements of the rows, and of the columns.
    n_steps : int
        Points of the integral.

    Returns
    -------
    to_a, to_b : (n, m) float32
        Attribution to the row's and to the column's statement, in units of the logit of P(agree).

    References
    ----------
    Sundararajan, Taly & Yan (2017), *Axiomatic attribution for deep networks*, ICML.
    """
    network = model.network
    paths = [_latent_path(model, texts, n_steps) for texts in (texts_a, texts_b)]
    n, m = len(texts_a), len(texts_b)
    to_a, to_b = torch.zeros(n, m), torch.zeros(n, m)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for k in range(n_steps):
            middle = [(path[k] + path[k + 1]) / 2 for path in paths]
            change = [path[k + 1] - path[k] for path in paths]
            a = middle[0].repeat_interleave(m, 0).requires_grad_()
            b = middle[1].repeat(n, 1).requires_grad_()
            energies = network.energies(a, b)
            gap = (energies[:, OPPOSE] - energies[:, AGREE]).sum()
            slope_a, slope_b = torch.autograd.grad(gap, (a, b))
            to_a += (slope_a.view(n, m, -1) * change[0][:, None, :]).sum(2)
            to_b += (slope_b.view(n, m, -1) * change[1][None, :, :]).sum(2)
    finally:
        torch.set_num_threads(threads)
    scale = model.calibration.temperature
    return (to_a / scale).numpy(), (to_b / scale).numpy()


def importance(model: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str]) -> Array:
    """Return ``|to_a| + |to_b|`` of `integrated_gradients`: how far a pair moves the logit, ``(n, m)``."""
    to_a, to_b = integrated_gradients(model, texts_a, texts_b)
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


def _latent_path(model: AffinityModel, texts: Sequence[str], n_steps: int) -> list[torch.Tensor]:
    """Return the latents at ``n_steps + 1`` points on the way from the average statement to ``texts``."""
    network = model.network
    features = torch.from_numpy(model.features(texts))
    with inference():
        start = network.mean.expand_as(features)
        points = [network.encode(start + (features - start) * (k / n_steps)) for k in range(n_steps + 1)]
    return [point.clone() for point in points]
