"""Training the affinity model: the head on frozen features, then the encoder's top layers with it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ecosystem.jepa.losses import sigreg
from ecosystem.jepa.network import AGREE, JEPA, NEUTRAL, OPPOSE
from ecosystem.jepa.stance import StanceTable

Rows = NDArray[np.int64]
Features = Callable[[Rows], Tensor]
Report = Callable[[str, int, int, dict[str, float]], None]


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
    guard : float
        Weight of SIGReg; 0 leaves the latents free to collapse.
    own_share : float
        Probability that a topic of a batch is one of the project's own rather than of the public sets.
    topics_per_batch, statements_per_topic : int
        A batch holds all pairs within each topic's statements.
    """

    seed: int = 0
    head_steps: int = 600
    tune_steps: int = 1500
    tuned_layers: int = 4
    head_rate: float = 1e-3
    tune_rate: float = 2e-4
    latent_dim: int = 128
    hidden: int = 512
    dropout: float = 0.2
    guard: float = 0.05
    own_share: float = 0.5
    topics_per_batch: int = 10
    statements_per_topic: int = 12

    def describe(self) -> dict[str, float]:
        """Return the recipe as plain values, for the model card."""
        return asdict(self)


class Batches:
    """Draws batches: some topics, some statements of each, all pairs within them."""

    def __init__(self, table: StanceTable, recipe: Recipe, rng: np.random.Generator) -> None:
        self._side, self._recipe, self._rng = table.side, recipe, rng
        rows = np.flatnonzero(table.split == "train")
        self._members: dict[str, list[Rows]] = {}
        for topic in np.unique(table.topic[rows]):
            members = rows[table.topic[rows] == topic]
            if len(members) >= 4 and len(set(table.side[members])) == 2:
                self._members.setdefault(str(table.source[members[0]]), []).append(members)
        own = "climate-energy"
        public = {name: len(topics) for name, topics in self._members.items() if name != own}
        # Public sets count by the square root of their statements: many small topics against few large.
        size = {name: sum(map(len, self._members[name])) ** 0.5 for name in public}
        share = {name: (1 - recipe.own_share) * s / sum(size.values()) for name, s in size.items()}
        share[own] = recipe.own_share if public else 1.0
        self._sources, self._shares = list(share), np.array(list(share.values()))

    def draw(self) -> tuple[Rows, Rows, Rows, Tensor, tuple[Rows, Rows]]:
        """Return rows of the table; pairs as positions in them; relations; and pairs across topics."""
        r, rng = self._recipe, self._rng
        rows, group = [], []
        for number in range(r.topics_per_batch):
            source = self._sources[rng.choice(len(self._sources), p=self._shares)]
            members = self._members[source][rng.integers(len(self._members[source]))]
            if len(members) > r.statements_per_topic:
                members = rng.choice(members, r.statements_per_topic, replace=False)
            rows.append(members)
            group.append(np.full(len(members), number))
        batch, of = np.concatenate(rows), np.concatenate(group)
        one, other = np.triu_indices(len(batch), 1)
        same = of[one] == of[other]
        apart = np.flatnonzero(~same)
        apart = rng.choice(apart, min(len(apart), int(same.sum())), replace=False)
        neutral = one[apart], other[apart]
        one, other = one[same], other[same]
        relation = np.where(self._side[batch[one]] == self._side[batch[other]], AGREE, OPPOSE)
        return batch, one, other, torch.from_numpy(relation), neutral


class Objective(nn.Module):
    """Latent prediction under the true relation + SIGReg + cross-entropy on the energy gap."""

    def __init__(self, network: JEPA, guard: float, generator: torch.Generator) -> None:
        super().__init__()
        self.network, self.guard, self.generator = network, guard, generator
        self.log_sharpness = nn.Parameter(torch.tensor(2.0))

    def forward(
        self, features: Tensor, one: Rows, other: Rows, relation: Tensor, neutral: tuple[Rows, Rows]
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and its parts."""
        z = self.network.encode(features)
        i, j = torch.from_numpy(one), torch.from_numpy(other)
        predicted = [self.network.predict(z, r) for r in (AGREE, OPPOSE, NEUTRAL)]

        def energy(r: int, a: Tensor, b: Tensor) -> Tensor:
            forth, back = predicted[r][a] - z[b], predicted[r][b] - z[a]
            return (forth.square().mean(1) + back.square().mean(1)) / 2

        energies = torch.stack([energy(AGREE, i, j), energy(OPPOSE, i, j)], 1)
        prediction = energies.gather(1, relation[:, None]).mean()
        unrelated = energy(NEUTRAL, *(torch.from_numpy(rows) for rows in neutral)).mean()
        contrast = F.cross_entropy(-energies * self.log_sharpness.exp(), relation)
        spread = sigreg(z, self.generator)
        loss = prediction + 0.25 * unrelated + self.guard * spread + contrast
        parts = {"prediction": prediction, "guard": spread, "contrast": contrast}
        return loss, {name: float(value.detach()) for name, value in parts.items()}


class TunableEncoder:
    """A transformer whose top layers are trained, computing in bfloat16 as `LayerEncoder` lays out features.

    Parameters
    ----------
    tokens : list of list of int
        Of every statement of the stance table.
    embedding : (n, width) Tensor
        The frozen encoder's last layer for every statement, as pooled before.
    transformer : module
        The frozen encoder.
    n_tuned : int
        Layers tuned, from the top.
    """

    def __init__(self, tokens: list[list[int]], embedding: Tensor, transformer: nn.Module, n_tuned: int) -> None:
        self.tokens, self.embedding = tokens, embedding
        self.embed = transformer.get_submodule("embeddings").eval()
        layers = list(transformer.get_submodule("encoder.layer").eval().children())
        self.first = len(layers) - n_tuned
        self.below, self.tuned = layers[: self.first], nn.ModuleList(copy.deepcopy(layers[self.first :]))

    def __call__(self, rows: Rows) -> Tensor:
        """Return ``(n, n_features)``: all layers, the top ones tuned, then the frozen last layer."""
        tokens = [self.tokens[row] for row in rows]
        width = max(map(len, tokens))
        ids, mask = torch.zeros(len(tokens), width, dtype=torch.long), torch.zeros(len(tokens), width)
        for row, sentence in enumerate(tokens):
            ids[row, : len(sentence)] = torch.tensor(sentence)
            mask[row, : len(sentence)] = 1
        weight, bias = mask[:, :, None], (1 - mask)[:, None, None, :] * -1e4

        def pool(hidden: Tensor) -> Tensor:
            return (hidden.float() * weight).sum(1) / weight.sum(1)

        def run(layer: nn.Module, hidden: Tensor) -> Tensor:
            out = layer(hidden, attention_mask=bias.to(hidden.dtype))
            state: Tensor = out[0] if isinstance(out, tuple) else out
            return state

        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                hidden = [self.embed(ids)]
                for layer in self.below:
                    hidden.append(run(layer, hidden[-1]))
            for layer in self.tuned:
                hidden.append(run(layer, hidden[-1]))
            pooled = [pool(state) for state in hidden]
        return torch.cat([*pooled, self.embedding[rows].float()], 1)

    def state(self) -> dict[str, NDArray[np.float16]]:
        """Return the tuned layers' weights in half precision, named by layer."""
        return {
            f"encoder.layer.{self.first + n}.{name}": value.detach().numpy().astype(np.float16)
            for n, layer in enumerate(self.tuned)
            for name, value in layer.state_dict().items()
        }


def train_head(features: Features, batches: Batches, objective: Objective, recipe: Recipe, report: Report) -> None:
    """Train the head alone: tuning from a cold head fails."""
    optimizer = torch.optim.AdamW(objective.parameters(), lr=recipe.head_rate, weight_decay=0.05)
    _descend("head", recipe.head_steps, optimizer, features, batches, objective, report)


def tune(encoder: TunableEncoder, batches: Batches, objective: Objective, recipe: Recipe, report: Report) -> None:
    """Train head and top layers together."""
    groups = [
        {"params": list(objective.parameters()), "lr": recipe.head_rate / 3},
        {"params": list(encoder.tuned.parameters()), "lr": recipe.tune_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
    _descend("encoder", recipe.tune_steps, optimizer, encoder, batches, objective, report)


def _descend(
    stage: str,
    steps: int,
    optimizer: torch.optim.Optimizer,
    features: Features,
    batches: Batches,
    objective: Objective,
    report: Report,
) -> None:
    if steps == 0:
        return
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.1)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    objective.train()
    for step in range(1, steps + 1):
        rows, *pairs = batches.draw()
        loss, parts = objective(features(rows), *pairs)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        report(stage, step, steps, parts)
    objective.eval()
