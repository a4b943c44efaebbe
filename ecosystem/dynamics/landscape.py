"""Every way to divide a few agents into coalitions: which are stable, and the landscape of their energy.

References
----------
Axelrod & Bennett (1993), BJPolS 23:211-233 (landscape theory); Er (1988), Computer Journal 31:283-284
(partitions as restricted growth strings).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.coalitions import Entry, Game, Partition

Matrix = NDArray[np.float64]
Strings = NDArray[np.int8]

MAX_CONFIGURATIONS = 2**20
"""What is enumerated at most."""

_CHUNK = 2_000_000
"""Prices (agent x configuration x coalition) held at a time; 16 MB a table."""


@dataclass(frozen=True)
class Minimum:
    """A configuration from which no move of a single agent lowers the energy.

    Attributes
    ----------
    energy : float
        Its energy.
    basin : int
        Number of configurations from which steepest descent ends here, itself included.
    partition : (n_agents,) int
        A restricted growth string.
    """

    energy: float
    basin: int
    partition: Partition


@dataclass(frozen=True)
class Landscape:
    """The number of configurations, and the minima of energy, the lowest first."""

    configurations: int
    minima: tuple[Minimum, ...]


def count_partitions(n: int, max_blocks: int | None = None) -> int:
    """Return the number of partitions of n agents into at most ``max_blocks`` blocks.

    Examples
    --------
    >>> [count_partitions(n) for n in range(1, 9)]
    [1, 2, 5, 15, 52, 203, 877, 4140]
    >>> count_partitions(9, 2)
    256
    """
    into = [1]  # partitions of the agents so far into 0, 1, ... blocks
    for size in range(1, n + 1):
        blocks = size if max_blocks is None else min(size, max_blocks)
        # The newcomer joins one of k blocks, or is the k-th by itself.
        into = [0, *(k * (into[k] if k < len(into) else 0) + into[k - 1] for k in range(1, blocks + 1))]
    return sum(into)


def most_agents(max_blocks: int | None = None) -> int:
    """Return the greatest number of agents whose partitions into at most ``max_blocks`` blocks are enumerated.

    Examples
    --------
    >>> most_agents(), most_agents(3), most_agents(2)
    (11, 14, 21)
    """
    if max_blocks == 1:
        return sys.maxsize
    return next(n for n in itertools.count(1) if count_partitions(n + 1, max_blocks) > MAX_CONFIGURATIONS)


def partitions(n: int, max_blocks: int | None = None) -> Strings:
    """Return every partition of n agents into at most ``max_blocks`` blocks, ``(count, n) int8``.

    Each is a restricted growth string: agent 0 has label 0, and every other a label at most one above
    those before it. In lexical order.

    Raises
    ------
    ValueError
        There are more than `MAX_CONFIGURATIONS`, as of more than `most_agents`.

    Examples
    --------
    >>> partitions(3, 2)
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 1, 0],
           [0, 1, 1]], dtype=int8)
    """
    if n > most_agents(max_blocks):
        raise ValueError(f"found {n} agents; the partitions of up to {most_agents(max_blocks)} are enumerated")
    strings = np.zeros((1, 1), np.int8)
    for _ in range(1, n):
        choices = strings.max(1).astype(np.int64) + 2
        if max_blocks is not None:
            choices = choices.clip(max=max_blocks)
        first = choices.cumsum() - choices
        label = np.arange(choices.sum()) - first.repeat(choices)
        strings = np.column_stack([strings.repeat(choices, 0), label.astype(np.int8)])
    return strings


def stable_partitions(game: Game, entry: Entry) -> NDArray[np.int64]:
    """Return every partition that is stable under a rule of entry, ``(k, n_agents)``; exact, by enumeration.

    A few seconds for 10 agents. Partitions with more coalitions than the game's cap are left out.

    Raises
    ------
    ValueError
        There are more than `MAX_CONFIGURATIONS` partitions.
    """
    strings = partitions(len(game.weights), game.max_coalitions)
    stakes, limit = game.stakes(), game.switching_cost + game.rounding
    hurt, pleased = stakes.T < 0, stakes.T > 0  # row i, column j: how j feels about i
    found = []
    for chunk, member in _memberships(strings):
        gains = _gains(stakes, member, game.max_coalitions)[0]
        if entry != "nash":
            gains[_sums(hurt, member) > 0] = -np.inf
        if entry == "contractual":
            missed = ((_sums(pleased, member) > 0) & member).any(2)
            gains[missed] = -np.inf
        found.append(chunk[gains.max((0, 2)) <= limit])
    return np.concatenate(found).astype(np.int64)


def landscape(
    alignment: Matrix, weights: NDArray[np.float64], max_coalitions: int | None = 2, threshold: float = 0.0
) -> Landscape:
    """Return the local minima of energy over all partitions into at most ``max_coalitions`` coalitions.

    ``E = sum_{i, j} s_i s_j (a_ij - gamma) d_ij``, d = 1 between agents of different coalitions, else 0:
    every pair counts twice, so that E falls by twice what the potential of the coalition game gains.
    Neighbours differ in the coalition of one agent. Steepest descent goes to the lowest neighbour; of
    those equally low, to the one where the first agent moves (to the first coalition).

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        p, the propensity to work together; both directions are averaged.
    weights : (n_agents,) float
        s, above 0.
    max_coalitions : int or None
        Two in landscape theory. None: no cap.
    threshold : float
        gamma; 0 in landscape theory.

    Raises
    ------
    ValueError
        There are more than `MAX_CONFIGURATIONS` configurations.
    """
    strings = partitions(len(weights), max_coalitions)
    stakes = Game((alignment + alignment.T) / 2, weights, threshold).stakes() * weights[:, None]
    slack = 1e-12 * float(np.abs(stakes).sum())
    energy, downhill = np.empty(len(strings)), np.arange(len(strings))
    base, row = int(strings.max()) + 1, 0
    keys = _keys(strings, base)
    for chunk, member in _memberships(strings):
        rows = slice(row, row + len(chunk))
        gains, own = _gains(stakes, member, max_coalitions)
        energy[rows] = stakes.sum() - own.sum(0)
        steps = gains.transpose(1, 0, 2).reshape(len(chunk), -1)
        best = steps.max(1)
        agent, target = np.divmod((steps >= best[:, None] - slack).argmax(1), member.shape[2])
        moving = np.flatnonzero(best > slack)
        neighbour = chunk[moving]
        neighbour[np.arange(len(moving)), agent[moving]] = target[moving]
        downhill[rows][moving] = np.searchsorted(keys, _keys(_canonical(neighbour), base))
        row += len(chunk)
    while (downhill[downhill] != downhill).any():
        downhill = downhill[downhill]
    bottoms, basins = np.unique(downhill, return_counts=True)
    level = np.rint(energy[bottoms] / (slack * 1e3 or 1.0))
    order = np.lexsort((bottoms, -basins, level))
    minima = [
        Minimum(float(energy[b]), int(n), strings[b].astype(np.int64)) for b, n in zip(bottoms, basins, strict=True)
    ]
    return Landscape(len(strings), tuple(minima[k] for k in order))


def _memberships(strings: Strings) -> Iterator[tuple[Strings, NDArray[np.bool_]]]:
    """Yield the strings in chunks, with who is a member of what: ``(n_agents, count, blocks)``."""
    n, blocks = strings.shape[1], int(strings.max()) + 1
    size = max(1, _CHUNK // (n * blocks))
    for start in range(0, len(strings), size):
        chunk = strings[start : start + size]
        yield chunk, chunk.T[:, :, None] == np.arange(blocks)


def _sums(values: NDArray[np.bool_] | Matrix, member: NDArray[np.bool_]) -> Matrix:
    """Return the sum of each row of values over the members of every coalition, ``(n_agents, count, blocks)``."""
    sums: Matrix = values.astype(np.float64) @ member.reshape(len(member), -1).astype(np.float64)
    return sums.reshape(member.shape)


def _gains(stakes: Matrix, member: NDArray[np.bool_], max_coalitions: int | None) -> tuple[Matrix, Matrix]:
    """Return what agents gain by each move, -inf where there is none to make, and their utility where they are."""
    worth = _sums(stakes, member)
    own = (worth * member).sum(2)
    size = member.sum(0)
    alone = (size * member).sum(2) == 1
    used = size > 0
    full = np.zeros(len(size), bool) if max_coalitions is None else used.sum(1) >= max_coalitions
    # All empty slots mean the same: going alone.
    shut = member | ~used & (alone | full)[:, :, None]
    return np.where(shut, -np.inf, worth - own[:, :, None]), own


def _canonical(partitions: Strings) -> Strings:
    """Return partitions relabelled as restricted growth strings."""
    rows, strings = np.arange(len(partitions)), np.empty_like(partitions)
    name = np.full((len(partitions), int(partitions.max(initial=0)) + 1), -1, np.int8)
    fresh = np.zeros(len(partitions), np.int8)
    for agent, labels in enumerate(partitions.T):
        new = name[rows, labels] < 0
        name[rows[new], labels[new]] = fresh[new]
        fresh += new
        strings[:, agent] = name[rows, labels]
    return strings


def _keys(strings: Strings, base: int) -> NDArray[np.int64]:
    """Return a number for every string of labels below ``base``, in their lexical order."""
    keys = np.zeros(len(strings), np.int64)
    for labels in strings.T:
        keys = keys * base + labels
    return keys
