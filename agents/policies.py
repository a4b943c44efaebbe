"""Speech policies: which of the statements it holds an agent says next.

A policy looks at the `Floor` and scores, for some agents, every statement in their memories; the
highest score on the topic under debate is said. Whatever the policy, agents argue from their own corpora:
arguments they took over from others shape what they agree with, and are only voiced by one who has none of
its own left on the topic. Statements said less often come first, so that a debater goes through its
arguments before it repeats one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SILENT = -1
"""Stands for a statement where there is none: an agent without one on the topic says nothing."""


@dataclass(frozen=True)
class Floor:
    """What the debaters see when the floor opens at a step. Arrays are read-only.

    Attributes
    ----------
    topic : int
        The topic under debate.
    memory : (n_agents, memory_size) int
        Statements held, rows of the table of statements; `SILENT` where a place is free.
    own : (n_agents, memory_size) bool
        Which of them come from the agent's own corpus.
    said : (n_agents, memory_size) int
        How often the agent has said each.
    topic_of : (n_statements,) int
        The topic of each statement.
    cosine : (n_statements, n_statements) float32
        Similarity of statements by the frozen encoder.
    reply_energy : (2, n_statements, n_statements) float32
        ``[r, u, s]``: how far statement s lies from the latent that the JEPA predicts for a reply to u
        by a listener who agrees (r = 0) or opposes (r = 1). Low is near.
    heard : (n_agents,) int
        The statement each agent heard last; `SILENT` before the first.
    heard_affinity : (n_agents,) float
        The agent's affinity to it, in [-1, 1].
    """

    topic: int
    memory: NDArray[np.int64]
    own: NDArray[np.bool_]
    said: NDArray[np.int64]
    topic_of: NDArray[np.int64]
    cosine: NDArray[np.float32]
    reply_energy: NDArray[np.float32]
    heard: NDArray[np.int64]
    heard_affinity: NDArray[np.float64]

    def on_topic(self, agents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which memory places of ``agents`` hold a statement on the topic: (n, memory_size)."""
        memory = self.memory[agents]
        mask: NDArray[np.bool_] = (memory != SILENT) & (self.topic_of[memory] == self.topic)
        return mask

    def sayable(self, agents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the memory places that ``agents`` may speak from: (n, memory_size).

        Own statements on the topic; those taken over where no own one is left.
        """
        mask = self.on_topic(agents)
        own = mask & self.own[agents]
        return np.where(own.any(1, keepdims=True), own, mask)


class Policy(Protocol):
    """Scores the statements in the memories of some agents; higher is said sooner."""

    def __call__(self, floor: Floor, agents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return scores in [0, 1], (n, memory_size); those off the topic are ignored."""
        ...


def random(floor: Floor, agents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Any statement on the topic, each as likely as another."""
    return rng.random((floor.memory.shape[1], len(agents))).T  # places that come later draw later


def salient(floor: Floor, agents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The agent's own most central argument: nearest on average to what else it holds on the topic."""
    del rng
    memory, mask = floor.memory[agents], floor.on_topic(agents)
    # Summed place by place, so that free places change nothing.
    similar = floor.cosine[memory[:, None, :], memory[:, :, None]].astype(np.float64)
    held = mask.sum(1, keepdims=True).clip(1)
    centrality: NDArray[np.float64] = (1 + (similar * mask[:, :, None]).sum(1) / held) / 2
    return centrality


def responsive(floor: Floor, agents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The statement nearest to the JEPA's predicted reply to what the agent heard last.

    The reply of one who agrees if the agent's affinity to it is at least 0, else of one who opposes.
    Agents who have heard nothing yet open with their most central argument.
    """
    memory, heard = floor.memory[agents], floor.heard[agents]
    relation = np.where(floor.heard_affinity[agents] >= 0, 0, 1)
    energy = floor.reply_energy[relation[:, None], heard[:, None], memory]
    nearness = 1 / (1 + energy.astype(np.float64))
    return np.where((heard == SILENT)[:, None], salient(floor, agents, rng), nearness)


POLICIES: dict[str, Policy] = {"random": random, "salient": salient, "responsive": responsive}


def choose(policy: Policy, floor: Floor, agents: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return what each of ``agents`` says: a row of the table of statements, or `SILENT`, (n,)."""
    mask, said = floor.sayable(agents), floor.said[agents]
    least = np.where(mask, said, np.iinfo(np.int64).max).min(1, keepdims=True)
    scores = np.where(mask & (said == least), policy(floor, agents, rng), -np.inf)
    chosen = floor.memory[agents, scores.argmax(1)]
    return np.where(mask.any(1), chosen, SILENT)
