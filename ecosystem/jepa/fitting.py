"""From stance data to a checked, calibrated affinity model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.jepa.affinity import FORMAT, AffinityModel, Calibration
from ecosystem.jepa.coding import Codes, StatementCoder
from ecosystem.jepa.encoder import Encoder, LayerEncoder, SentenceEncoder
from ecosystem.jepa.losses import least_deviation, rankme
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE, build_network, inference
from ecosystem.jepa.phrasing import Phrasing
from ecosystem.jepa.scoring import auc, bootstrap, calibration_error
from ecosystem.jepa.stance import StanceTable, motion_pairs, sample_pairs
from ecosystem.jepa.training import (
    LOG_SHARPNESS,
    Batch,
    Batches,
    Descent,
    Objective,
    Recipe,
    TunableEncoder,
    head_descent,
    round_descent,
    tuning_descent,
)
from ecosystem.tensors import read_tensors, write_tensors

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
Report = Callable[[str, int, int], None]

CHECKPOINT = "ecosystem-training-2"
"""Name of the format of a training's checkpoint."""
_TRAINING_TOKENS = 64
_TOPIC_DIM = 128
_TOPIC_ROWS = 6_000
_ROUND = "round"
_CHECK_EVERY = 250
_CHECK_ROWS = 800
_HEALTHY_DEVIATION = 0.2
_HEALTHY_RANK = 0.3


class CollapseError(RuntimeError):
    """The latents collapsed: the network maps everything to (nearly) one point or line."""


@dataclass
class Training:
    """One training, which can be cut off and taken up again.

    Parameters
    ----------
    table : StanceTable
        The data.
    recipe : Recipe
        How.
    encoder : LayerEncoder
        The frozen encoder.
    features : Encoder
        It again, or a cache in front of it.
    sentences : Encoder
        The frozen encoder's sentence embeddings, or a cache in front of them.
    checkpoint : Path or None
        Where the state is kept while training goes on.
    start : Path or None
        Weights of a training, from which the rounds set out at once: what comes before them is skipped.
    """

    table: StanceTable
    recipe: Recipe
    encoder: LayerEncoder
    features: Encoder
    sentences: Encoder
    checkpoint: Path | None = None
    start: Path | None = None
    history: list[dict[str, float | str]] = field(default_factory=list)

    def run(self, report: Report) -> AffinityModel:
        """Train, calibrate and check an affinity model.

        Raises
        ------
        CollapseError
            The latents of held-out statements are not finite, vary too little, or span too few dimensions.
        InputError
            The checkpoint belongs to another training, or ``start`` is no weights of such a network.
        """
        recipe = self.recipe
        self._prepare()
        if self.start is None:
            network, frozen = self._new_network(report)
            objective = Objective(network, recipe, self._generator)
            stages = self._first_stages(objective, frozen) | self._rounds(objective)
        else:
            network = self._read_start(self.start)
            objective = Objective(network, recipe, self._generator)
            stages = self._rounds(objective)
        for name in self._resume(objective, stages):
            stage = stages[name]
            if name == f"{_ROUND} 1" and not stage.done:
                self._begin_rounds(objective)
            for step, parts in stage:
                report(name, step, stage.steps)
                if step % _CHECK_EVERY == 0 or step == stage.steps:
                    self._note(name, step, parts, network)
                    self._keep(objective, stages, name)
            if name.startswith(_ROUND):
                self._add_to_mean(objective, int(name.removeprefix(_ROUND)))
        if self._mean:
            self._set_out(objective, self._mean)
        return self._finish(network.eval(), report)

    def _prepare(self) -> None:
        """Set up what training draws from: generators, batches, the encoder to tune."""
        recipe, table = self.recipe, self.table
        torch.manual_seed(recipe.seed)  # initial weights and dropout; torch.nn takes no generator
        self._rng = np.random.default_rng(recipe.seed)
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._train = np.flatnonzero(table.split == "train")
        self._tokens = self.encoder.tokenize(table.texts, _TRAINING_TOKENS)
        self._phrasing = Phrasing(lambda texts: self.encoder.tokenize(texts, _TRAINING_TOKENS))
        self._batches = Batches(table, self._train, self._tokens, self._phrasing, recipe, self._rng)
        self._trained = np.flatnonzero(np.isin(table.split, ("train", "later") if recipe.rounds else ("train",)))
        self._all_batches = Batches(table, self._trained, self._tokens, self._phrasing, recipe, self._rng)
        self._mean: dict[str, Array] = {}
        self._tunable = TunableEncoder(self.encoder.transformer, recipe.tuned_layers, recipe.layer_dropout)

    def _new_network(self, report: Report) -> tuple[JEPA, Callable[[Batch], torch.Tensor]]:
        """Return a network that nothing was learnt by, and what gives it the frozen features of a batch."""
        recipe, train = self.recipe, self._train
        texts = [self.table.texts[row] for row in train]
        known = self.features.encode(texts, lambda n: report("encode", n, len(train))).astype(np.float16)
        place = np.full(len(self.table), -1)
        place[train] = np.arange(len(train))
        frozen = torch.from_numpy(known)
        network = _network(frozen, recipe.latent_dim, recipe.hidden, recipe.dropout)
        return network, lambda batch: frozen[place[batch.rows]].float()

    def _read_start(self, path: Path) -> JEPA:
        """Take over a file's tuned layers; return its network."""
        recipe = self.recipe
        tensors, _ = read_tensors(path, FORMAT, "weights file")
        try:
            held = build_network(tensors, "network.0.")
            network = JEPA(held.n_features, recipe.latent_dim, recipe.hidden, recipe.dropout)
            network.load_state_dict(held.state_dict())
            self._tunable.load(tensors)
        except (KeyError, ValueError, RuntimeError):
            raise InputError(str(path), "holds no weights of this recipe's network and layers") from None
        return network

    def _first_stages(self, objective: Objective, frozen: Callable[[Batch], torch.Tensor]) -> dict[str, Descent]:
        recipe = self.recipe
        stages = {"head": head_descent(frozen, self._batches, objective, recipe.head_steps, recipe.head_rate)}
        if recipe.tuned_layers:
            stages["encoder"] = tuning_descent(self._tunable, self._batches, objective, recipe)
        return stages

    def _rounds(self, objective: Objective) -> dict[str, Descent]:
        count = self.recipe.rounds if self.recipe.tuned_layers else 0
        return {
            f"{_ROUND} {number + 1}": round_descent(self._tunable, self._all_batches, objective, self.recipe)
            for number in range(count)
        }

    def _begin_rounds(self, objective: Objective) -> None:
        """Set out from the weights as a file would hold them, so that a file may take the place of what was before."""
        self._set_out(objective, {name: value.astype(np.float16) for name, value in self._weights(objective).items()})
        objective.log_sharpness.data.fill_(LOG_SHARPNESS)
        torch.manual_seed(self.recipe.seed)
        self._generator.manual_seed(self.recipe.seed)
        self._rng.bit_generator.state = np.random.default_rng([self.recipe.seed, 1]).bit_generator.state

    def _weights(self, objective: Objective) -> dict[str, Array]:
        """Return network and tuned layers, named as in a weights file."""
        network = {f"network.0.{name}": value.numpy() for name, value in objective.network.state_dict().items()}
        return network | self._tunable.weights()

    def _set_out(self, objective: Objective, weights: Mapping[str, NDArray[Any]]) -> None:
        objective.network.load_state_dict(build_network(weights, "network.0.").state_dict())
        self._tunable.load(weights)

    def _add_to_mean(self, objective: Objective, count: int) -> None:
        """Take the weights at the end of a round, the ``count``-th, into the mean."""
        for name, value in self._weights(objective).items():
            known = self._mean.setdefault(name, np.zeros_like(value))
            known += (value - known) / np.float32(count)

    def _finish(self, network: JEPA, report: Report) -> AffinityModel:
        """Fit what stands on the tuned features: topic vectors, the ensemble, calibration; then score."""
        recipe, table = self.recipe, self.table
        tuned = {name: value.astype(np.float16) for name, value in self._tunable.weights().items()}
        layers = LayerEncoder(self.encoder.model, tuned, self.encoder.revision)
        held_out = np.flatnonzero(np.isin(table.split, ("validation", "dev")))
        some = np.sort(self._rng.permutation(self._trained)[:_TOPIC_ROWS])
        rows = np.concatenate([some, held_out])
        texts = [table.texts[row] for row in rows]
        features = layers.encode(texts, lambda n: report("check", n, len(rows)))
        embedding = self.sentences.encode(texts, lambda n: report("compare", n, len(rows)))
        place = np.full(len(table), -1)
        place[rows] = np.arange(len(rows))
        topic_map = fit_topic_map(features[: len(some)], embedding[: len(some)], network)
        networks = [network]
        sampled = StanceTable(*(_part(column, some) for column in _columns(table)))
        known = torch.from_numpy(features[: len(some)])
        for number in range(recipe.members):
            report("ensemble", number, recipe.members)
            member = _network(known, recipe.latent_dim, recipe.member_hidden, recipe.dropout)
            objective = Objective(member, recipe, self._generator)
            rows = np.arange(len(sampled))
            draws = Batches(sampled, rows, [[]] * len(sampled), self._phrasing, recipe, self._rng).resample(self._rng)
            for _ in head_descent(
                lambda batch: known[batch.rows],
                draws,
                objective,
                recipe.member_steps,
                recipe.head_rate,
                recipe.own_share,
            ):
                pass
            networks.append(member.eval())
        report("ensemble", recipe.members, recipe.members)
        # As they will be read back: in half precision.
        coder = StatementCoder(layers, tuple(networks), topic_map)
        coder = StatementCoder.from_tensors(layers.model, coder.tensors())
        ones = (1.0,) * len(networks)
        model = AffinityModel(coder, SentenceEncoder(layers), coder, Calibration(ones, 1.0, 0.0))
        held = Held(table, place, coder.unpack(coder.code(features)), embedding)
        model.calibration = calibrate(model, held, self._rng)
        latents = held.codes.latents[place[np.flatnonzero(table.split == "dev")]]
        sources = sorted(set(table.source))
        model.card = {
            "recipe": recipe.describe(),
            "statements": {s: int((table.source == s).sum()) for s in sources},
            "collapse": check_collapse(latents),
            "metrics": {
                s: score(model, held, np.flatnonzero((table.split == "dev") & (table.source == s)))
                for s in sorted(set(table.source[table.split == "dev"]))
            },
        }
        return model

    def _note(self, stage: str, step: int, parts: dict[str, float], network: JEPA) -> None:
        """Add to the history: losses, and how the network does on the validation topics."""
        tokens, rows = self._tokens, np.flatnonzero(self.table.split == "validation")
        rows = rows[np.random.default_rng(0).permutation(len(rows))[:_CHECK_ROWS]]
        network.eval()
        with torch.inference_mode():
            order = rows[np.argsort([len(tokens[row]) for row in rows], kind="stable")]
            z = [network.encode(self._tunable([tokens[row] for row in part])) for part in np.array_split(order, 16)]
            latents = np.zeros((len(self.table), network.latent_dim), np.float32)
            latents[order] = torch.cat(z).numpy()
            one, other, agrees = sample_pairs(self.table, np.sort(rows), np.random.default_rng(0))
            energies = network.energies(torch.from_numpy(latents[one]), torch.from_numpy(latents[other])).numpy()
        network.train()
        gap, source = energies[:, OPPOSE] - energies[:, AGREE], self.table.source[one]
        spread = torch.from_numpy(latents[rows])
        entry: dict[str, float | str] = {"stage": stage, "step": step, **parts, "validation_auc": auc(agrees, gap)}
        for name in sorted(set(source)):
            entry[f"validation_auc_{name}"] = auc(agrees[source == name], gap[source == name])
        entry |= {"least_deviation": least_deviation(spread), "rankme": rankme(spread)}
        self.history.append({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})

    def _digest(self) -> str:
        """Return what a checkpoint must have been made from."""
        digest = hashlib.sha256(json.dumps(asdict(self.recipe), sort_keys=True).encode())
        digest.update(self.encoder.identity.encode())
        for column in (self.table.texts, self.table.topic, self.table.side, self.table.split):
            digest.update(json.dumps(np.asarray(column).tolist()).encode())
        if self.start is not None:
            digest.update(self.start.read_bytes())
        return digest.hexdigest()

    def _keep(self, objective: Objective, stages: dict[str, Descent], stage: str) -> None:
        if self.checkpoint is None:
            return
        tensors = {f"objective.{name}": value.numpy() for name, value in objective.state_dict().items()}
        tensors |= {f"tuned.{name}": value for name, value in self._tunable.weights().items()}
        tensors |= {f"mean.{name}": value for name, value in self._mean.items()}
        tensors |= {f"optimizer.{name}": value for name, value in stages[stage].state().items()}
        tensors |= {"rng.torch": torch.get_rng_state().numpy(), "rng.slices": self._generator.get_state().numpy()}
        texts = {
            "digest": self._digest(),
            "stage": stage,
            "done": str(stages[stage].done),
            "history": json.dumps(self.history),
            "rng": json.dumps(self._rng.bit_generator.state),
        }
        write_tensors(self.checkpoint, CHECKPOINT, tensors, texts)

    def _resume(self, objective: Objective, stages: dict[str, Descent]) -> list[str]:
        """Take up the state of the checkpoint, if there is one; return the stages to go on with."""
        names = list(stages)
        if self.checkpoint is None or not self.checkpoint.is_file():
            return names
        tensors, texts = read_tensors(self.checkpoint, CHECKPOINT, "training's checkpoint")
        if texts.get("digest") != self._digest():
            raise InputError(
                str(self.checkpoint), "was left by a training on other data or settings; remove it to begin anew"
            )

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        objective.load_state_dict({name: torch.from_numpy(value) for name, value in part("objective.").items()})
        self._tunable.load(part("tuned."))
        self._mean.update(part("mean."))
        stage = texts["stage"]
        stages[stage].take_up(part("optimizer."), int(texts["done"]))
        torch.set_rng_state(torch.from_numpy(tensors["rng.torch"]))
        self._generator.set_state(torch.from_numpy(tensors["rng.slices"]))
        self._rng.bit_generator.state = json.loads(texts["rng"])
        self.history[:] = json.loads(texts["history"])
        return names[names.index(stage) :]


@dataclass(frozen=True)
class Held:
    """Encoded statements of a table.

    Attributes
    ----------
    table : StanceTable
        The table.
    place : (n,) int
        Position of each row of the table among the codes; -1 where it is not encoded.
    codes : Codes
        What affinity is computed from.
    embedding : (m, width) float32
        The frozen encoder's sentence embeddings.
    """

    table: StanceTable
    place: Rows
    codes: Codes
    embedding: Array

    def at(self, rows: Rows) -> Codes:
        """Return the codes of rows of the table."""
        c = self.codes
        return Codes(c.values[self.place[rows]], c.n_members, c.latent_dim)

    def cosine(self, one: Rows, other: Rows) -> Array:
        """Return the frozen encoder's cosine of pairs of rows of the table, (n,)."""
        product: Array = (self.embedding[self.place[one]] * self.embedding[self.place[other]]).sum(1)
        return product


def fit_topic_map(features: Array, embedding: Array, network: JEPA) -> Array:
    """Return the ridge regression from standardised features to the main components of sentence embeddings.

    Cosines of its outputs are near to those of the embeddings, so that relevance costs no second pass
    through the frozen encoder.

    Returns
    -------
    (n_features + 1, topic_dim) float32
        The last row is the intercept.
    """
    _, _, axes = np.linalg.svd(embedding, full_matrices=False)
    target = embedding @ axes[:_TOPIC_DIM].T
    with inference():
        standard = ((torch.from_numpy(features) - network.mean) * network.scale).numpy().astype(np.float64)
    standard = np.hstack([standard, np.ones((len(standard), 1))])
    gram = standard.T @ standard
    ridge = np.eye(len(gram)) * 0.02 * len(standard)
    ridge[-1, -1] = 0
    weights: Array = np.linalg.solve(gram + ridge, standard.T @ target).astype(np.float32)
    return weights


def check_collapse(latents: Array) -> dict[str, float]:
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


def calibrate(model: AffinityModel, held: Held, rng: np.random.Generator) -> Calibration:
    """Fit the temperatures and the relevance on the topics held out for it, every source weighing the same."""
    from scipy.optimize import minimize_scalar
    from sklearn.linear_model import LogisticRegression

    table = held.table
    rows = np.flatnonzero(table.split == "validation")
    one, other, agrees = sample_pairs(table, rows, rng, per_topic=500)
    source = table.source[one]
    weight = np.zeros(len(one))
    for name in set(source):
        weight[source == name] = 1 / (source == name).sum()

    def temperature(gap: NDArray[Any]) -> float:
        def loss(log_temperature: float) -> float:
            logit = gap / np.exp(log_temperature)
            return float((np.logaddexp(0, np.where(agrees, -logit, logit)) * weight).sum())

        return float(np.exp(minimize_scalar(loss, bounds=(-8, 4), method="bounded").x))

    gaps = model.member_logits(held.at(one), held.at(other))  # at temperature 1
    each = [temperature(gap) for gap in gaps]
    together = temperature((gaps / np.array(each)[:, None]).mean(0))
    shuffled = rng.permutation(other)
    apart = table.topic[one] != table.topic[shuffled]
    a, b, c = (held.at(rows).topics for rows in (one, other, shuffled))
    cosine = np.concatenate([(a * b).sum(1), (a * c).sum(1)[apart]])
    same = np.concatenate([np.ones(len(one)), np.zeros(int(apart.sum()))])
    regression = LogisticRegression(C=1e6).fit(cosine[:, None], same, np.concatenate([weight, weight[apart]]))
    return Calibration(
        tuple(t * together for t in each), float(regression.coef_[0, 0]), float(regression.intercept_[0])
    )


def score(model: AffinityModel, held: Held, rows: Rows) -> dict[str, float]:
    """Return how well same side is told from opposite side on topics never trained on, beside cosine.

    ``pairs_auc`` on statements of one topic, ``motion_auc`` on a statement and its motion, with intervals
    (``_low``, ``_high``) over topics; ``ece`` the expected calibration error of P(agree) in ten bins.
    """
    table, rng = held.table, np.random.default_rng(0)
    one, other, agrees = sample_pairs(table, rows, rng)
    statement, motion, supports = motion_pairs(table, rows)

    def probability(a: Rows, b: Rows) -> Array:
        logit = model.member_logits(held.at(a), held.at(b)).mean(0)
        chance: Array = 1 / (1 + np.exp(-logit))
        return chance

    result: dict[str, float] = {"statements": len(rows), "topics": len(set(table.topic[rows]))}
    for name, a, b, outcome in (("pairs", one, other, agrees), ("motion", statement, motion, supports)):
        chance, cosine = probability(a, b), held.cosine(a, b)

        def measure(drawn: Rows, outcome: NDArray[np.bool_] = outcome, chance: Array = chance) -> float:
            return auc(outcome[drawn], chance[drawn])

        low, high = bootstrap(measure, table.topic[a], rng, n_draws=200)
        result |= {f"{name}_auc": auc(outcome, chance), f"{name}_low": low, f"{name}_high": high}
        result[f"{name}_auc_cosine"] = auc(outcome, cosine)
    result["ece"] = calibration_error(probability(one, other), agrees)
    return result


def _network(features: torch.Tensor, latent_dim: int, hidden: int, dropout: float) -> JEPA:
    """Return a new network that standardises features as these need."""
    network = JEPA(features.shape[1], latent_dim, hidden, dropout)
    network.mean.copy_(features.float().mean(0))
    network.scale.copy_(1 / features.float().std(0).clamp_min(1e-3))
    return network


def _columns(table: StanceTable) -> Iterator[Any]:
    return iter((table.texts, table.topic, table.side, table.motion, table.source, table.split))


def _part(column: Any, rows: Rows) -> Any:
    return tuple(column[row] for row in rows) if isinstance(column, tuple) else column[rows]
