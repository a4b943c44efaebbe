"""What a step of a thousand agents costs, beside the same rule written plainly, agent by agent, in Mesa.

Prints; judges nothing but that both come to the same state.

pytest tests/benchmarks/test_step.py -s -m benchmark
"""

from __future__ import annotations

import math
import time
from typing import Any

import mesa
import numpy as np
import pytest
from crowds import crowd

from ecosystem.model import EcosystemModel
from ecosystem.scenario import Scenario

pytestmark = pytest.mark.benchmark

SIZES = (100, 1000)


class PlainDebater(mesa.Agent):  # type: ignore[misc]
    """A debater with everything it knows on itself."""

    def __init__(self, model: PlainDebate, index: int, openness: float, memory: list[list[int]]) -> None:
        super().__init__(model)
        self.index, self.openness, self.memory = index, openness, memory  # memory: [statement, age, locked]
        self.alignment: list[float] = []
        self.said = -1
        self.block: set[int] = set()

    def affinity_to(self, statement: int) -> float:
        affinity, relevance = self.model.affinity[statement], self.model.relevance[statement]
        total = weight = 0.0
        for held, _, _ in self.memory:
            total += affinity[held] * relevance[held]
            weight += relevance[held]
        return total / weight if weight > 0 else math.nan

    def listen(self, point: float, draw: float) -> None:
        """Weigh the argument of one speaker, drawn by homophily, and perhaps take it over."""
        speakers = [other for other in self.model.debaters if other.said >= 0 and other is not self]
        if not speakers:
            return
        chances = [((1 + self.alignment[other.index]) / 2) ** self.model.homophily for other in speakers]
        left = point * sum(chances)
        heard = speakers[-1].said
        for speaker, chance in zip(speakers, chances, strict=True):
            left -= chance
            if left < 0:
                heard = speaker.said
                break
        agreement = self.affinity_to(heard)
        agreement = 0.0 if math.isnan(agreement) else agreement
        if draw < self.openness / (1 + math.exp(-self.model.bias * agreement)):
            self.adopt(heard)

    def adopt(self, statement: int) -> None:
        for place in self.memory:
            if place[0] == statement:
                place[1] = self.model.now
                return
        unlocked = [place for place in self.memory if not place[2]]
        if unlocked:
            oldest = min(unlocked, key=lambda place: place[1])
            oldest[0], oldest[1] = statement, self.model.now

    def gain(self, block: set[int]) -> float:
        return sum(self.alignment[j] - self.model.threshold for j in block if j != self.index)

    def best_move(self) -> tuple[float, set[int]]:
        here, best = self.gain(self.block), (-math.inf, self.block)
        for block in self.model.blocks:
            if block is self.block:
                continue
            welcome = all(self.model.debaters[j].alignment[self.index] >= self.model.threshold for j in block)
            if welcome:
                gain = self.gain(block) - here
                if gain > best[0]:
                    best = gain, block
        if len(self.block) > 1 and -here > best[0]:
            best = -here, set()
        return best


class PlainDebate(mesa.Model):  # type: ignore[misc]
    """Exchange, alignment and regrouping as one would write them first: a loop over agents in each."""

    def __init__(self, like: EcosystemModel) -> None:
        super().__init__(rng=0)
        p, state = like.parameters, like.state
        self.homophily, self.bias, self.rate = p.homophily, p.bias, p.learning_rate
        self.threshold, self.cost, self.now = p.threshold, p.switching_cost, state.tick + 1
        self.affinity, self.relevance = like.statements.affinity.tolist(), like.statements.relevance.tolist()
        self.debaters: list[PlainDebater] = []
        for index, debater in enumerate(like.debaters):
            rows = zip(
                *(getattr(state.memory, name)[index].tolist() for name in ("held", "age", "locked")), strict=True
            )
            memory = [list(row) for row in rows if row[0] >= 0]
            self.debaters.append(PlainDebater(self, index, debater.persona.openness, memory))
            self.debaters[-1].alignment = state.alignment[index].tolist()
        labels = np.unique(state.partition)
        self.blocks = [set(np.flatnonzero(state.partition == label).tolist()) for label in labels]
        for block in self.blocks:
            for index in block:
                self.debaters[index].block = block

    def step(self, said: list[int], points: list[float], draws: list[float], rng: np.random.Generator) -> None:
        for debater, statement in zip(self.debaters, said, strict=True):
            debater.said = statement
        heard = [
            [d.affinity_to(s.said) if s.said >= 0 and s is not d else math.nan for d in self.debaters]
            for s in self.debaters
        ]
        for debater, point, draw in zip(self.debaters, points, draws, strict=True):
            debater.listen(point, draw)
        for one in self.debaters:
            for other in self.debaters:
                seen = [v for v in (heard[one.index][other.index], heard[other.index][one.index]) if not math.isnan(v)]
                if one is not other and seen:
                    old = one.alignment[other.index]
                    one.alignment[other.index] = (1 - self.rate) * old + self.rate * sum(seen) / len(seen)
        moved = True
        while moved:
            moved = False
            for index in rng.permutation(len(self.debaters)).tolist():
                debater = self.debaters[index]
                gain, block = debater.best_move()
                if gain > self.cost + 1e-9:
                    debater.block.discard(index)
                    if not block:
                        self.blocks.append(block)
                    block.add(index)
                    debater.block = block
                    self.blocks = [b for b in self.blocks if b]
                    moved = True


def spent(model: EcosystemModel, plain: PlainDebate | None) -> tuple[float, float]:
    """Take a step; return the CPU seconds of exchange, alignment and regrouping, and of the plain form of them."""
    model.open()
    said = model.speak()
    twin, order = (model.draws.at(model.state.tick, purpose) for purpose in ("exchange", "regrouping"))
    began = time.process_time()
    heard = model.listen(said)
    model.align(heard.affinity)
    model.regroup()
    fast = time.process_time() - began
    if plain is None:
        return fast, math.nan
    points, draws = twin.random(len(said)).tolist(), twin.random(len(said)).tolist()
    began = time.process_time()
    plain.step(said.tolist(), points, draws, order)
    slow = time.process_time() - began
    np.testing.assert_allclose(np.array([d.alignment for d in plain.debaters]), model.state.alignment, atol=1e-6)
    blocks = {frozenset(np.flatnonzero(model.state.partition == label).tolist()) for label in model.state.partition}
    assert blocks == {frozenset(block) for block in plain.blocks}
    return fast, slow


@pytest.mark.parametrize("size", SIZES)
def test_step(debate: Scenario, jepa: Any, size: int) -> None:
    model = EcosystemModel(crowd(debate, size), jepa=jepa, rng=0)
    costs = [spent(model, None)[0] for _ in range(12)]
    fast, slow = spent(model, PlainDebate(model))
    began = time.process_time()
    model.step()
    whole = time.process_time() - began
    print(
        f"\n{size} agents, exchange + alignment + regrouping: median {1e3 * sorted(costs)[6]:.0f} ms of CPU time "
        f"over 12 steps, highest {1e3 * max(costs):.0f} (the first, from all alone: {1e3 * costs[0]:.0f}); "
        f"one step {1e3 * fast:.0f} ms against {slow:.1f} s agent by agent: ratio {slow / fast:.0f}; "
        f"a whole step with forecasts, measures and events: {1e3 * whole:.0f} ms"
    )
