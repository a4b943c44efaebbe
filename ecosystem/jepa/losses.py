"""The guard against collapse (SIGReg) and the measures that notice a collapse."""

from __future__ import annotations

import torch
from torch import Tensor


def sigreg(latents: Tensor, generator: torch.Generator, n_slices: int = 256, n_knots: int = 17) -> Tensor:
    """Return the sketched isotropic Gaussian regularisation of a batch of latents.

    The mean over random unit directions of the Epps-Pulley statistic: the distance between the
    empirical characteristic function of the projected latents and that of a standard normal,
    integrated with a Gaussian weight by the trapezoidal rule. Zero in expectation only for an isotropic
    standard normal, so that latents can neither collapse to a point nor to a subspace.

    Parameters
    ----------
    latents : Tensor
        ``(n, latent_dim)``.
    generator : torch.Generator
        Draws the directions.
    n_slices, n_knots : int
        Number of directions, and of points of integration on [-5, 5].

    References
    ----------
    Balestriero & LeCun (2025), *LeJEPA*, arXiv:2511.08544; Epps & Pulley (1983), Biometrika 70:723.
    """
    directions = torch.randn(latents.shape[1], n_slices, generator=generator)
    directions = directions / directions.norm(dim=0, keepdim=True)
    knots = torch.linspace(-5, 5, n_knots)
    normal = torch.exp(-knots.square() / 2)
    phases = (latents @ directions).unsqueeze(-1) * knots
    error = (phases.cos().mean(0) - normal).square() + phases.sin().mean(0).square()
    return torch.trapezoid(error * normal, knots, dim=-1).mean() * len(latents)


def least_deviation(latents: Tensor) -> float:
    """Return the least standard deviation over latent dimensions (healthy above .5, collapsed near 0)."""
    return float(latents.std(0).min())


def rankme(latents: Tensor) -> float:
    """Return the effective rank of ``latents`` as a share of their dimension, in (0, 1].

    The exponential of the entropy of the normalised singular values. It looks at direction only, so it
    reads a shrunken cloud as healthy: judge collapse together with `least_deviation`.

    References
    ----------
    Garrido et al. (2023), *RankMe*, ICML, arXiv:2210.02885.
    """
    singular = torch.linalg.svdvals(latents - latents.mean(0))
    shares = singular / singular.sum().clamp_min(1e-12)
    return float(torch.special.entr(shares).sum().exp() / latents.shape[1])
