"""Training the affinity model: the head on frozen features, the encoder's top layers with it, rounds to average."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ecosystem.jepa.losses import sigreg
from ecosystem.jepa.network import AGREE, JEPA, NEUTRAL, OPPOSE, distances
from ecosystem.jepa.phrasing import Phrasing
from ecosystem.jepa.stance import OWN, StanceTable

Rows = NDArray[np.int64]

LOG_SHARPNESS = 2.0
"""What the sharpness of the contrast begins with: the log of what energies are multiplied by."""
_BUCKETS = 5


@dataclass(frozen=True)
class Recipe:
    """How the model is trained. The defaults are those of the shipped weights.

    Attributes
    ----------
    seed : int
        Of every random choice.
    head_steps, tune_steps : int
        Optimizer steps on frozen features, and with the top layers tuned along.
    tuned_layers : int
        How many of the encoder's layers are tuned, from the top.
    head_rate, tune_rate : float
        Learning rates of the head, and of the tuned layers.
    prediction : float
        Weight of latent prediction: the energy under the true relation, and of unrelated statements under
        the neutral one.
    contrast : float
        Weight of the cross-entropy on the energy gap: which of two relations holds.
    guard : float
        Weight of SIGReg; 0 leaves the latents free to collapse.
    retrieval : float
        Weight of finding, among all statements of the batch, those in the predicted relation.
    own_share : float
        Probability that a topic of a batch is one of the project's own rather than of the public sets.
    rounds, round_steps, round_rate, round_own_share : int, int, float, float
        After that, rounds of so many steps, on the later topics too, each with a learning rate that rises and
        falls; the weights are the mean of those at the ends of all rounds.
    rephrased : float
        Share of statements that are put into other words by rule while the encoder is tuned (`Phrasing`).
    left_out : float
        Mean share of tokens left out of a statement while the encoder is tuned: half of the statements stay
        whole, of the others up to four times this share is left out.
    layer_dropout : float
        Dropout within the tuned layers.
    topics_per_batch, statements_per_topic : int
        A batch holds all pairs within each topic's statements.
    members, member_hidden, member_steps : int
        Further heads trained on the tuned features, each on its own draw of topics; they give the
        model's uncertainty.
    """

    seed: int = 0
    head_steps: int = 600
    tune_steps: int = 3200
    tuned_layers: int = 4
    head_rate: float = 1e-3
    tune_rate: float = 4e-4
    latent_dim: int = 128
    hidden: int = 512
    dropout: float = 0.2
    prediction: float = 1.0
    contrast: float = 2.0
    guard: float = 0.05
    retrieval: float = 0.2
    own_share: float = 0.55
    rounds: int = 4
    round_steps: int = 600
    round_rate: float = 3e-4
    round_own_share: float = 0.65
    rephrased: float = 0.25
    left_out: float = 0.05
    layer_dropout: float = 0.1
    topics_per_batch: int = 10
    statements_per_topic: int = 12
    members: int = 3
    member_hidden: int = 256
    member_steps: int = 400

    def describe(self) -> dict[str, float]:
        """Return the recipe as plain values, for the model card."""
        return asdict(self)


@dataclass(frozen=True)
class Batch:
    """Some topics, some statements of each. B statements.

    Attributes
    ----------
    rows : (B,) int
        Rows of the stance table.
    side, group : (B,) int
        The side each statement takes, and a number for its topic within the batch.
    tokens : list of list of int
        Token ids of the statements, some of them rephrased; their sides are those of the rephrased.
    """

    rows: Rows
    side: Rows
    group: Rows
    tokens: list[list[int]]


class Batches:
    """Draws batches from the topics of given rows; the motion, their plainest statement, is always there."""

    def __init__(
        self,
        table: StanceTable,
        rows: Rows,
        tokens: list[list[int]],
        phrasing: Phrasing,
        recipe: Recipe,
        rng: np.random.Generator,
    ) -> None:
        self._side, self._recipe, self._rng = table.side, recipe, rng
        self._tokens, self.phrasing = tokens, phrasing
        self._members: dict[str, list[Rows]] = {}
        for topic in np.unique(table.topic[rows]):
            members = rows[table.topic[rows] == topic]
            if len(members) >= 4 and {1, -1} <= set(table.side[members]):
                motion_first = members[np.argsort(~table.motion[members], kind="stable")]
                self._members.setdefault(str(table.source[members[0]]), []).append(motion_first)
        # Sources count by the square root of their statements: many small topics against few large.
        size = {name: sum(map(len, topics)) ** 0.5 for name, topics in self._members.items()}
        self._sources = list(size)
        weight, own = np.array(list(size.values())), np.array([name in OWN for name in size])
        self._own, self._public = (weight * kind / max((weight * kind).sum(), 1e-9) for kind in (own, ~own))

    def resample(self, rng: np.random.Generator) -> Batches:
        """Return batches over topics drawn with replacement, for a member of an ensemble."""
        other = copy.copy(self)
        other._rng = rng
        other._members = {
            source: [topics[k] for k in rng.integers(len(topics), size=len(topics))]
            for source, topics in self._members.items()
        }
        return other

    def draw(self, own_share: float, rephrased: float = 0.0, left_out: float = 0.0) -> Batch:
        """Return a batch; a share of its topics is the project's own, shares of its text are rephrased or left out."""
        r, rng = self._recipe, self._rng
        own_share = own_share if self._public.any() else 1.0
        shares = own_share * self._own + (1 - own_share) * self._public
        rows, group = [], []
        for number in range(r.topics_per_batch):
            source = self._sources[rng.choice(len(self._sources), p=shares / shares.sum())]
            members = self._members[source][rng.integers(len(self._members[source]))]
            if len(members) > r.statements_per_topic:
                others = rng.choice(members[1:], r.statements_per_topic - 1, replace=False)
                members = np.append(members[:1], others)
            rows.append(members)
            group.append(np.full(len(members), number))
        batch, of = np.concatenate(rows), np.concatenate(group)
        side, tokens = self._side[batch].copy(), [self._tokens[row] for row in batch]
        if rephrased:
            self.phrasing.rephrase(tokens, side, of, rephrased, rng)
        if left_out:
            tokens = [leave_out(ids, left_out, rng) for ids in tokens]
        return Batch(batch, side, of, tokens)


def leave_out(tokens: list[int], share: float, rng: np.random.Generator) -> list[int]:
    """Return token ids, half of the time with some left out: ``share`` of them in the mean over calls.

    The first and the last token, the encoder's own marks, stay, and one between them.
    """
    rate = 4 * share * max(0.0, 2 * rng.random() - 1)
    kept = rng.random(len(tokens)) >= rate
    kept[[0, -1]] = True
    return [token for token, stays in zip(tokens, kept, strict=True) if stays] if kept[1:-1].any() else tokens


class Objective(nn.Module):
    """Latent prediction under the true relation + SIGReg + cross-entropy on the energy gap + retrieval."""

    def __init__(self, network: JEPA, recipe: Recipe, generator: torch.Generator) -> None:
        super().__init__()
        self.network, self.recipe, self.generator = network, recipe, generator
        self.log_sharpness = nn.Parameter(torch.tensor(LOG_SHARPNESS))

    def forward(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and its parts."""
        recipe = self.recipe
        z = self.network.encode(features)
        group, side = torch.from_numpy(batch.group), torch.from_numpy(batch.side)
        same = (group[:, None] == group) & ~torch.eye(len(z), dtype=torch.bool)
        product = side[:, None] * side
        partners = torch.stack([same & (product == 1), same & (product == -1)])
        forth = torch.stack([distances(self.network.predict(z, r), z) for r in (AGREE, OPPOSE, NEUTRAL)])
        energies = (forth + forth.transpose(1, 2)) / 2
        one, other = torch.nonzero(same.triu(), as_tuple=True)
        # A statement that takes no side neither agrees nor opposes: both are as likely.
        relation = torch.stack([1 + product[one, other], 1 - product[one, other]], 1) / 2
        pairs = energies[: OPPOSE + 1, one, other].T
        prediction = (pairs * relation).sum(1).mean()
        unrelated = energies[NEUTRAL][group[:, None] != group].mean()
        sharpness = self.log_sharpness.exp()
        contrast = F.cross_entropy(-pairs * sharpness, relation)
        spread = sigreg(z, self.generator)
        loss = recipe.prediction * (prediction + 0.25 * unrelated) + recipe.guard * spread
        loss = loss + recipe.contrast * contrast
        parts = {"prediction": prediction, "guard": spread, "contrast": contrast}
        if recipe.retrieval:
            retrieval = _retrieval(forth[: OPPOSE + 1] * sharpness, partners)
            loss = loss + recipe.retrieval * retrieval
            parts["retrieval"] = retrieval
        return loss, {name: float(value.detach()) for name, value in parts.items()}


def _retrieval(energies: Tensor, partners: Tensor) -> Tensor:
    """Return how badly the true partners (2, B, B) are found among all statements of the batch."""
    scores = -energies - torch.eye(energies.shape[1]) * 1e9
    found = scores.masked_fill(~partners, -1e9).logsumexp(2) - scores.logsumexp(2)
    return -found[partners.any(2)].mean()


class TunableEncoder:
    """A transformer whose top layers are trained, computing in bfloat16 as `LayerEncoder` lays out features.

    Parameters
    ----------
    transformer : module
        The frozen encoder.
    n_tuned : int
        Layers tuned, from the top.
    dropout : float
        Within the tuned layers, while they train.
    """

    def __init__(self, transformer: nn.Module, n_tuned: int, dropout: float = 0.0) -> None:
        self.embed = transformer.get_submodule("embeddings").eval()
        layers = list(transformer.get_submodule("encoder.layer").eval().children())
        self.first = len(layers) - n_tuned
        self.below, self.tuned = layers[: self.first], nn.ModuleList(copy.deepcopy(layers[self.first :]))
        self.tuned.requires_grad_(True)
        for module in self.tuned.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def __call__(self, tokens: list[list[int]]) -> Tensor:
        """Return the features of token rows, ``(n, n_features)``: all layers, pooled.

        Rows of like length go through together: at the lengths of statements, half of a padded batch
        would be padding.
        """
        order = np.argsort([len(row) for row in tokens], kind="stable")
        buckets = np.array_split(order, min(_BUCKETS, len(order)))
        pooled = torch.cat([self._pool([tokens[row] for row in bucket]) for bucket in buckets])
        return pooled[torch.from_numpy(np.argsort(np.concatenate(buckets)))]

    def _pool(self, tokens: list[list[int]]) -> Tensor:
        states, _, mask = self.states(tokens)
        weight = mask[:, :, None]
        return torch.cat([(state.float() * weight).sum(1) / weight.sum(1) for state in states], 1)

    def states(self, tokens: list[list[int]]) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return all layers' hidden states of padded rows, (n, width, hidden) each; their token ids; their mask."""
        width = max(map(len, tokens))
        ids, mask = torch.zeros(len(tokens), width, dtype=torch.long), torch.zeros(len(tokens), width)
        for row, sentence in enumerate(tokens):
            ids[row, : len(sentence)] = torch.tensor(sentence)
            mask[row, : len(sentence)] = 1
        bias = (1 - mask)[:, None, None, :] * -1e4
        # Plain attention: at the lengths of statements the fused kernel is three times as slow on a CPU.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            with torch.no_grad():
                hidden = [self.embed(ids)]
                for layer in self.below:
                    hidden.append(_run(layer, hidden[-1], bias))
            for layer in self.tuned:
                hidden.append(_run(layer, hidden[-1], bias))
        return hidden, ids, mask

    def load(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over tuned layers' weights, named as `weights` names them."""
        for n, layer in enumerate(self.tuned):
            names = {name: f"encoder.layer.{self.first + n}.{name}" for name in layer.state_dict()}
            layer.load_state_dict(
                {name: torch.from_numpy(weights[full].astype(np.float32)) for name, full in names.items()}
            )

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Return the tuned layers' weights, named by layer."""
        return {
            f"encoder.layer.{self.first + n}.{name}": value.detach().numpy()
            for n, layer in enumerate(self.tuned)
            for name, value in layer.state_dict().items()
        }


def _run(layer: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
    out = layer(hidden, attention_mask=bias.to(hidden.dtype))
    state: Tensor = out[0] if isinstance(out, tuple) else out
    return state


class Descent:
    """One stage of training: an optimizer, its schedule, and how many steps it has taken.

    Iterating takes the steps that are left and yields (step, parts of the loss) after each.
    """

    def __init__(
        self,
        objective: Objective,
        features: Callable[[Batch], Tensor],
        draw: Callable[[float], Batch],
        groups: list[dict[str, object]],
        steps: int,
        weight_decay: float,
    ) -> None:
        self.objective, self.features, self.draw, self.steps, self.done = objective, features, draw, steps, 0
        self.optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self._rates = rates
        self._parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    def __iter__(self) -> Iterator[tuple[int, dict[str, float]]]:
        self.objective.train()
        while self.done < self.steps:
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * one_cycle(self.done / self.steps)
            batch = self.draw(self.done / self.steps)
            loss, parts = self.objective(self.features(batch), batch)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self._parameters, 1.0)
            self.optimizer.step()
            self.done += 1
            yield self.done, parts
        self.objective.eval()

    def state(self) -> dict[str, NDArray[np.float32]]:
        """Return the optimizer's moments, named by parameter and moment."""
        moments = self.optimizer.state_dict()["state"]
        return {f"{p}.{name}": value.numpy() for p, kinds in moments.items() for name, value in kinds.items()}

    def take_up(self, state: dict[str, NDArray[np.float32]], done: int) -> None:
        """Go on from a `state` after ``done`` steps."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            parameter, moment = name.split(".")
            moments.setdefault(int(parameter), {})[moment] = torch.from_numpy(value)
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.done = done


def one_cycle(progress: float, warm: float = 0.1, start: float = 0.04) -> float:
    """Return the learning rate as a share of its peak: a cosine up over the first tenth, then down to 0.

    References
    ----------
    Smith & Topin (2019), *Super-convergence*.

    Examples
    --------
    >>> round(one_cycle(0.0), 2), round(one_cycle(0.1), 2), round(one_cycle(1.0), 2)
    (0.04, 1.0, 0.0)
    """
    if progress < warm:
        return start + (1 - start) * (1 - float(np.cos(np.pi * progress / warm))) / 2
    return (1 + float(np.cos(np.pi * (progress - warm) / (1 - warm)))) / 2


def head_descent(
    features: Callable[[Batch], Tensor],
    batches: Batches,
    objective: Objective,
    steps: int,
    rate: float,
    own_share: float = 0.0,
) -> Descent:
    """Return the training of a head alone: tuning from a cold head fails.

    It begins on the public sets, whose sides frozen features tell apart to a degree; those of the project's
    own statements they do not.
    """
    groups: list[dict[str, object]] = [{"params": list(objective.parameters()), "lr": rate}]
    return Descent(objective, features, lambda _: batches.draw(own_share), groups, steps, weight_decay=0.05)


def tuning_descent(encoder: TunableEncoder, batches: Batches, objective: Objective, recipe: Recipe) -> Descent:
    """Return the training of head and top layers together; the project's own topics come in over the first third."""

    def own_share(progress: float) -> float:
        return recipe.own_share * min(1.0, 0.3 + 2.1 * progress)

    return _joint_descent(encoder, batches, objective, recipe, recipe.tune_steps, recipe.tune_rate, own_share)


def round_descent(encoder: TunableEncoder, batches: Batches, objective: Objective, recipe: Recipe) -> Descent:
    """Return one of the rounds that follow, whose ends are averaged.

    References
    ----------
    Izmailov et al. (2018), *Averaging weights leads to wider optima and better generalization* (arXiv:1803.05407):
    the mean of what a learning rate that rises again and again falls to.
    """
    return _joint_descent(
        encoder, batches, objective, recipe, recipe.round_steps, recipe.round_rate, lambda _: recipe.round_own_share
    )


def _joint_descent(
    encoder: TunableEncoder,
    batches: Batches,
    objective: Objective,
    recipe: Recipe,
    steps: int,
    rate: float,
    own_share: Callable[[float], float],
) -> Descent:
    groups: list[dict[str, object]] = [
        {"params": list(objective.parameters()), "lr": recipe.head_rate / 3},
        {"params": list(encoder.tuned.parameters()), "lr": rate},
    ]

    def features(batch: Batch) -> Tensor:
        encoder.tuned.train()
        made = encoder(batch.tokens)
        encoder.tuned.eval()
        return made

    def draw(progress: float) -> Batch:
        return batches.draw(own_share(progress), recipe.rephrased, recipe.left_out)

    return Descent(objective, features, draw, groups, steps, weight_decay=0.02)
