"""Train what the affinity model is compared with in docs/affinity.md, on the same statements, and measure it.

python docs/train_anchors.py cross --data DIR --steps 2400 --rate 2e-4 --start WEIGHTS  # the upper anchor
python docs/train_anchors.py contrastive --data DIR --steps 1800  # the peer: side as nearness of embeddings

*cross*: a cross-encoder, all layers of all-MiniLM-L6-v2 tuned on pairs of statements. It reads both texts together, so
that every layer of one attends to the other, and what it then makes of each goes through the affinity model's own
network. It has to read every pair anew, so that it cannot serve a debate. It begins with the affinity model's weights
(--start): with a fresh head over the whole pair it was still at chance after 740 steps.

*contrastive*: the same layers tuned so that statements of one side are near and all others far (supervised
contrastive loss; Khosla et al. 2020, arXiv:2004.11362), scored by cosine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from ecosystem.jepa.affinity import FORMAT
from ecosystem.jepa.encoder import LayerEncoder, on_threads
from ecosystem.jepa.network import AGREE, OPPOSE, build_network
from ecosystem.jepa.phrasing import Phrasing
from ecosystem.jepa.scoring import auc, bootstrap
from ecosystem.jepa.stance import StanceTable, motion_pairs, read_stance, sample_pairs
from ecosystem.jepa.training import LOG_SHARPNESS, Batch, Batches, Recipe, TunableEncoder, one_cycle
from ecosystem.tensors import read_tensors

LAYERS = 6
MAX_TOKENS = 64
TEMPERATURE = 0.1
PAIRS_PER_TOPIC = 7

Rows = NDArray[np.int64]
Score = Callable[[Rows, Rows], NDArray[np.float64]]


class PairEncoder(TunableEncoder):
    """The transformer with all layers tuned, told by token types where the second text of a pair begins.

    Called, it returns the features of both texts of n pairs, ``(2 n, n_features)``: the first texts', the second's.
    """

    def __init__(self, transformer: nn.Module, dropout: float, separator: int) -> None:
        super().__init__(transformer, LAYERS, dropout)
        embeddings = self.embed

        def embed(ids: Tensor) -> Tensor:
            embedded: Tensor = embeddings(ids, token_type_ids=self._second(ids))
            return embedded

        self.embed = embed  # type: ignore[assignment]
        self._separator = separator

    def _second(self, ids: Tensor) -> Tensor:
        ends = ids == self._separator
        return (ends.cumsum(1) - ends.long()).clamp_max(1)

    def __call__(self, tokens: list[list[int]]) -> Tensor:
        """Return the features of both texts of joined pairs."""
        pooled = super().__call__(tokens)
        return torch.cat(list(pooled.chunk(2, 1)))

    def _pool(self, tokens: list[list[int]]) -> Tensor:
        states, ids, mask = self.states(tokens)
        second = self._second(ids)
        weights = [(mask * part)[:, :, None] for part in (1 - second, second)]
        return torch.cat([(state.float() * w).sum(1) / w.sum(1) for w in weights for state in states], 1)


class Anchor:
    """One of the two, while it trains.

    Parameters
    ----------
    kind : str
        ``cross`` or ``contrastive``.
    table : StanceTable
        The data.
    recipe : Recipe
        The part of it that says how batches are drawn, and the seed.
    start : Path or None
        Weights of an affinity model, whose tuned layers it begins with.
    """

    def __init__(self, kind: str, table: StanceTable, recipe: Recipe, start: Path | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.table, self.recipe, self.rng = table, recipe, np.random.default_rng(recipe.seed)
        tensors = read_tensors(start, FORMAT, "weights file")[0] if start else {}
        encoder = LayerEncoder()
        self.tokens = encoder.tokenize(table.texts, MAX_TOKENS)
        phrasing = Phrasing(lambda texts: encoder.tokenize(texts, MAX_TOKENS))
        rows = np.flatnonzero(table.split == "train")
        self.batches = Batches(table, rows, self.tokens, phrasing, recipe, self.rng)
        self.width: int = encoder.transformer.config.hidden_size
        self.cross = kind == "cross"
        self.modules = nn.ModuleDict()
        if self.cross:
            separator = encoder.tokenizer.sep_token_id
            self.encoder: TunableEncoder = PairEncoder(encoder.transformer, recipe.layer_dropout, separator)
            self.network = build_network(tensors, "network.0.").requires_grad_(True)
            self.sharpness = nn.Parameter(torch.tensor(LOG_SHARPNESS))
            self.modules["network"] = self.network
            self.modules["sharpness"] = nn.ParameterList([self.sharpness])
        else:
            self.encoder = TunableEncoder(encoder.transformer, LAYERS, recipe.layer_dropout)
        self.modules["tuned"] = self.encoder.tuned
        frozen = {f"encoder.layer.{name}": value.numpy() for name, value in self.encoder.tuned.state_dict().items()}
        self.encoder.load(frozen | {name: value.astype(np.float32) for name, value in tensors.items()})

    def train(self, steps: int, rate: float) -> None:
        """Take the steps, with the schedule of the affinity model's own tuning."""
        parameters = list(self.modules.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02)
        recipe, losses = self.recipe, 0.0
        for step in (bar := tqdm(range(steps), mininterval=10)):
            optimizer.param_groups[0]["lr"] = rate * one_cycle(step / steps)
            own = recipe.own_share * min(1.0, 0.3 + 2.1 * step / steps)
            batch = self.batches.draw(own, recipe.rephrased, recipe.left_out)
            self.modules.train()
            loss = self._pairs_loss(batch) if self.cross else self._contrastive_loss(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses += (float(loss.detach()) - losses) / min(step + 1, 100)
            bar.set_postfix(loss=f"{losses:.3f}", refresh=False)
        self.modules.eval()

    def keep(self, path: Path) -> None:
        """Write the tuned layers and the head."""
        save_file(self.modules.state_dict(), path)

    def load(self, path: Path) -> None:
        """Take them from a file."""
        self.modules.load_state_dict(load_file(path))
        self.modules.eval()

    def score(self, one: Rows, other: Rows) -> NDArray[np.float64]:
        """Return a score of agreement of pairs of rows of the table."""
        with torch.inference_mode():
            if self.cross:
                orders = ((one, other), (other, one))
                return np.add(*(self._logits([self._joined(a, b) for a, b in zip(*o, strict=True)]) for o in orders))
            rows = np.unique(np.concatenate([one, other]))
            embedded = np.concatenate(
                [self._embed([self.tokens[row] for row in part]).numpy() for part in _parts(rows, 256)]
            )
            place = np.searchsorted(rows, one), np.searchsorted(rows, other)
            cosine: NDArray[np.float64] = (embedded[place[0]] * embedded[place[1]]).sum(1).astype(float)
            return cosine

    def _logits(self, texts: list[list[int]]) -> NDArray[np.float64]:
        order = np.argsort([len(text) for text in texts], kind="stable")
        found = np.zeros(len(texts))
        for part in _parts(order, 256):
            found[part] = self._logit([texts[k] for k in part]).numpy()
        return found

    def _joined(self, one: int, other: int) -> list[int]:
        return self.tokens[one] + self.tokens[other][1:]

    def _logit(self, pairs: list[list[int]]) -> Tensor:
        """Return ``e_oppose - e_agree`` of both texts' latents, made in sight of each other, times the sharpness."""
        one, other = self.network.encode(self.encoder(pairs)).chunk(2)
        energies = self.network.energies(one, other)
        return (energies[:, OPPOSE] - energies[:, AGREE]) * self.sharpness.exp()

    def _embed(self, tokens: list[list[int]]) -> Tensor:
        return F.normalize(self.encoder(tokens)[:, -self.width :], dim=1)

    def _pairs_loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy on pairs within each topic, every statement drawn about once."""
        texts, agree = [], []
        for number in range(batch.group.max() + 1):
            members = self.rng.permutation(np.flatnonzero(batch.group == number))[: 2 * PAIRS_PER_TOPIC]
            half = len(members) // 2
            for a, b in zip(members[:half], members[half : 2 * half], strict=True):
                texts.append(batch.tokens[a] + batch.tokens[b][1:])
                agree.append((1 + batch.side[a] * batch.side[b]) / 2)
        return F.binary_cross_entropy_with_logits(self._logit(texts), torch.tensor(agree, dtype=torch.float32))

    def _contrastive_loss(self, batch: Batch) -> Tensor:
        """Return how badly statements of the same topic and side are found among all of the batch."""
        z = self._embed(batch.tokens)
        logits = z @ z.T / TEMPERATURE - torch.eye(len(z)) * 1e9
        group, side = torch.from_numpy(batch.group), torch.from_numpy(batch.side)
        same = (group[:, None] == group) & (side[:, None] * side == 1) & ~torch.eye(len(z), dtype=torch.bool)
        log_share = logits - logits.logsumexp(1, keepdim=True)
        one_of_them = (log_share.masked_fill(~same, 0).sum(1) / same.sum(1).clamp_min(1))[same.any(1)]
        # Within the topic alone, too: there lies what is measured.
        within = logits.masked_fill(group[:, None] != group, -1e9)
        near = (within - within.logsumexp(1, keepdim=True)).masked_fill(~same, 0).sum(1) / same.sum(1).clamp_min(1)
        return -one_of_them.mean() - near[same.any(1)].mean()


def _parts(rows: Rows, size: int) -> list[Rows]:
    return np.array_split(rows, max(1, -(-len(rows) // size)))


def measure(score: Score, table: StanceTable) -> dict[str, dict[str, float]]:
    """Return AUCs on held-out topics, drawn as `ecosystem.jepa.fitting.score` draws them."""
    dev, found = np.flatnonzero(table.split == "dev"), {}
    for source in sorted(set(table.source[dev])):
        rows, rng = dev[table.source[dev] == source], np.random.default_rng(0)
        pairs, motions = sample_pairs(table, rows, rng), motion_pairs(table, rows)
        figures: dict[str, float] = {}
        for name, (one, other, agrees) in (("pairs", pairs), ("motion", motions)):
            scores = score(one, other)

            def drawn(k: Rows, agrees: NDArray[np.bool_] = agrees, scores: NDArray[np.float64] = scores) -> float:
                return auc(agrees[k], scores[k])

            low, high = bootstrap(drawn, table.topic[one], rng, n_draws=200)
            figures |= {f"{name}_auc": auc(agrees, scores), f"{name}_low": low, f"{name}_high": high}
        found[source] = {name: round(value, 4) for name, value in figures.items()}
    return found


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("cross", "contrastive"))
    parser.add_argument("--data", type=Path, help="folder with the public stance sets; none: the shipped ones only")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights of an affinity model whose tuned layers it begins with")
    parser.add_argument("--out", type=Path, help="where to keep the weights; measured again if they are there")
    given = parser.parse_args()
    if given.kind == "cross" and given.start is None:
        parser.error("cross needs --start WEIGHTS")
    table = read_stance(given.data, np.random.default_rng(given.seed))
    with on_threads(given.threads):
        anchor = Anchor(given.kind, table, Recipe(seed=given.seed), given.start)
        if given.out is not None and given.out.is_file():
            anchor.load(given.out)
        else:
            anchor.train(given.steps, given.rate)
            if given.out is not None:
                anchor.keep(given.out)
        print(json.dumps(measure(anchor.score, table), indent=1))


if __name__ == "__main__":
    main()
