"""From stance data to a checked, calibrated affinity model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.jepa.affinity import AffinityModel, Calibration, inference
from ecosystem.jepa.encoder import LayerEncoder
from ecosystem.jepa.losses import least_deviation, rankme
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE
from ecosystem.jepa.stance import StanceTable, motion_pairs, sample_pairs
from ecosystem.jepa.training import Batches, Objective, Recipe, Report, TunableEncoder, train_head, tune

_TRAINING_TOKENS = 80
_HEALTHY_DEVIATION = 0.2
_HEALTHY_RANK = 0.3


class CollapseError(RuntimeError):
    """The latents collapsed: the network maps everything to (nearly) one point or line."""


@dataclass
class Fit:
    """A trained model and what is needed to save it."""

    model: AffinityModel
    tuned: dict[str, NDArray[np.float16]]


def fit(table: StanceTable, recipe: Recipe, report: Report) -> Fit:
    """Train, calibrate and check an affinity model.

    Raises
    ------
    CollapseError
        The latents of held-out statements are not finite, vary too little, or span too few dimensions.
    """
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)  # initial weights and dropout; torch.nn takes no generator
    generator = torch.Generator().manual_seed(recipe.seed)
    base = LayerEncoder()
    frozen = torch.from_numpy(base.encode(table.texts, lambda n: report("encode", n, len(table), {})))
    train = np.flatnonzero(table.split == "train")
    network = JEPA(frozen.shape[1], recipe.latent_dim, recipe.hidden, recipe.dropout)
    network.mean.copy_(frozen[train].float().mean(0))
    network.scale.copy_(1 / frozen[train].float().std(0).clamp_min(1e-3))
    objective = Objective(network, recipe.guard, generator)
    batches = Batches(table, recipe, rng)
    train_head(lambda rows: frozen[rows].float(), batches, objective, recipe, report)
    tuned: dict[str, NDArray[np.float16]] = {}
    if recipe.tune_steps and recipe.tuned_layers:
        tokens = base.tokenize(table.texts, _TRAINING_TOKENS)
        embedding = frozen[:, -_width(base) :]
        tunable = TunableEncoder(tokens, embedding, base.transformer, recipe.tuned_layers)
        tune(tunable, batches, objective, recipe, report)
        tuned = tunable.state()
    model = AffinityModel(LayerEncoder(tuned=tuned), network.eval(), Calibration(1.0, 1.0, 0.0), _width(base), {})
    held_out = np.flatnonzero(table.split != "train")
    features = np.zeros((len(table), network.n_features), np.float32)
    features[held_out] = model.features(
        [table.texts[row] for row in held_out], lambda n: report("check", n, len(held_out), {})
    )
    latents = np.zeros((len(table), recipe.latent_dim), np.float32)
    latents[held_out] = model.latents_of(features[held_out])
    model.calibration = calibrate(model, table, features, latents, rng)
    model.card = {
        "recipe": recipe.describe(),
        "statements": {s: int((table.source == s).sum()) for s in sorted(set(table.source))},
        "collapse": check_collapse(latents[table.split == "dev"]),
        "metrics": {
            source: score(
                model, table, np.flatnonzero((table.split == "dev") & (table.source == source)), features, latents
            )
            for source in sorted(set(table.source))
        },
    }
    return Fit(model, tuned)


def check_collapse(latents: NDArray[np.float32]) -> dict[str, float]:
    """Return the collapse measures of held-out latents; raise `CollapseError` where they are unhealthy."""
    if not np.isfinite(latents).all():
        raise CollapseError("the latents are not finite; training diverged")
    z = torch.from_numpy(latents)
    measures = {"least_deviation": least_deviation(z), "rankme": rankme(z)}
    if measures["least_deviation"] < _HEALTHY_DEVIATION or measures["rankme"] < _HEALTHY_RANK:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in measures.items())
        raise CollapseError(
            f"the latents collapsed ({shown}; healthy: at least {_HEALTHY_DEVIATION} and {_HEALTHY_RANK})"
        )
    return measures


def calibrate(
    model: AffinityModel,
    table: StanceTable,
    features: NDArray[np.float32],
    latents: NDArray[np.float32],
    rng: np.random.Generator,
) -> Calibration:
    """Fit T and the relevance on the topics held out for it."""
    from scipy.optimize import minimize_scalar
    from sklearn.linear_model import LogisticRegression

    rows = np.flatnonzero(table.split == "validation")
    one, other, agrees = sample_pairs(table, rows, rng, per_topic=500)
    gap = energy_gap(model, latents[one], latents[other])

    def loss(log_temperature: float) -> float:
        logit = gap / np.exp(log_temperature)
        return float(np.logaddexp(0, np.where(agrees, -logit, logit)).mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-8, 4), method="bounded").x))
    shuffled = rng.permutation(other)
    apart = table.topic[one] != table.topic[shuffled]
    embedding = model.embedding_of(features)
    cosine = np.concatenate(
        [(embedding[one] * embedding[other]).sum(1), (embedding[one] * embedding[shuffled]).sum(1)[apart]]
    )
    same = np.concatenate([np.ones(len(one)), np.zeros(int(apart.sum()))])
    regression = LogisticRegression(C=1e6).fit(cosine[:, None], same)
    return Calibration(temperature, float(regression.coef_[0, 0]), float(regression.intercept_[0]))


def score(
    model: AffinityModel,
    table: StanceTable,
    rows: NDArray[np.int64],
    features: NDArray[np.float32],
    latents: NDArray[np.float32],
) -> dict[str, float]:
    """Return how well same side is told from opposite side on topics never trained on, beside cosine.

    ``pairs_auc`` on statements of one topic, ``motion_auc`` on a statement and its motion, ``ece`` the
    expected calibration error of P(agree) in ten bins.
    """
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    one, other, agrees = sample_pairs(table, rows, rng)
    statement, motion, supports = motion_pairs(table, rows)
    embedding = model.embedding_of(features[rows])
    place = {int(row): k for k, row in enumerate(rows)}

    def cosine(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float32]:
        left, right = ([place[int(row)] for row in side] for side in (a, b))
        product: NDArray[np.float32] = (embedding[left] * embedding[right]).sum(1)
        return product

    gap = energy_gap(model, latents[one], latents[other])
    probability = 1 / (1 + np.exp(-gap / model.calibration.temperature))
    return {
        "statements": len(rows),
        "topics": len(set(table.topic[rows])),
        "pairs_auc": float(roc_auc_score(agrees, gap)),
        "pairs_auc_cosine": float(roc_auc_score(agrees, cosine(one, other))),
        "motion_auc": float(roc_auc_score(supports, energy_gap(model, latents[statement], latents[motion]))),
        "motion_auc_cosine": float(roc_auc_score(supports, cosine(statement, motion))),
        "ece": calibration_error(probability, agrees),
    }


def energy_gap(model: AffinityModel, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``e_oppose - e_agree`` of latent pairs, (n,)."""
    with inference():
        energies = model.network.energies(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    gap: NDArray[np.float64] = (energies[:, OPPOSE] - energies[:, AGREE]).astype(np.float64)
    return gap


def calibration_error(probability: NDArray[Any], outcome: NDArray[np.bool_], n_bins: int = 10) -> float:
    """Return the expected calibration error: mean gap of confidence and frequency over equal-width bins.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI.

    Examples
    --------
    >>> calibration_error(np.array([0.0, 1.0]), np.array([False, True]))
    0.0
    """
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    error = 0.0
    for b in range(n_bins):
        inside = bins == b
        if inside.any():
            error += inside.mean() * abs(float(probability[inside].mean()) - float(outcome[inside].mean()))
    return float(error)


def _width(encoder: LayerEncoder) -> int:
    return int(encoder.transformer.config.hidden_size)
