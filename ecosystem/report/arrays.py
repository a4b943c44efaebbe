"""What figures draw, as arrays: the tables of a run by step and agent index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables

Matrix = NDArray[np.float64]


def read_columns(run: RunTables, table: str, *columns: str) -> dict[str, Any]:
    """Return some columns of a run's table as Arrow arrays; much faster than a data frame of strings.

    Raises
    ------
    InputError
        The table is missing or is none.
    """
    found = run.arrow(table, columns).combine_chunks()
    return {name: found[name] for name in columns}


def numbers(column: Any) -> Matrix:
    """Return an Arrow column of numbers as float64, NaN for null."""
    import pyarrow as pa

    values: Matrix = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return values


def vectors(column: Any) -> NDArray[np.float32]:
    """Return an Arrow column of vectors as an ``(n_rows, dim) float32`` array."""
    chunk = column.combine_chunks()
    flat: NDArray[np.float32] = chunk.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(chunk), -1) if len(chunk) else np.zeros((0, 2), np.float32)


def agent_keys(run: RunTables) -> list[str]:
    """Return the keys of the agents, in the scenario's order."""
    return list(run.manifest["agents"])


def agent_names(run: RunTables) -> list[str]:
    """Return the names of the agents, in the scenario's order."""
    return list(run.manifest["agents"].values())


def index_of(column: Any, keys: list[str]) -> NDArray[np.int64]:
    """Return where each string of an Arrow column stands in ``keys``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: NDArray[np.int64] = pc.index_in(column, pa.array(keys, pa.string())).to_numpy().astype(np.int64)
    return found


@dataclass(frozen=True)
class Partitions:
    """Coalition labels over time.

    Attributes
    ----------
    steps : (n_steps,) int
        Numbers of the steps.
    labels : (n_steps, n_agents) int
        Negative for an agent alone, or absent.
    present : (n_steps, n_agents) bool
        Who took part.
    """

    steps: NDArray[np.int64]
    labels: NDArray[np.int64]
    present: NDArray[np.bool_]


def partitions(run: RunTables) -> Partitions:
    """Return who was in which coalition at every step."""
    table = read_columns(run, "memberships", "step", "agent", "coalition", "present")
    keys = agent_keys(run)
    steps, row = np.unique(table["step"].to_numpy(), return_inverse=True)
    agent = index_of(table["agent"], keys)
    labels = np.tile(-1 - np.arange(len(keys)), (len(steps), 1))
    labels[row, agent] = table["coalition"].to_numpy()
    present = np.ones(labels.shape, bool)
    present[row, agent] = table["present"].fill_null(True).to_numpy()
    return Partitions(steps.astype(np.int64), labels, present)


def last_alignment(run: RunTables) -> Matrix:
    """Return the alignment of all pairs at the last step, ``(n_agents, n_agents)``, 0 on the diagonal."""
    table = read_columns(run, "alignment", "step", "source", "target", "weight")
    keys = agent_keys(run)
    step = table["step"].to_numpy()
    last = np.flatnonzero(step == step.max()) if len(step) else np.zeros(0, np.int64)
    one, other = (index_of(table[name].take(last), keys) for name in ("source", "target"))
    alignment = np.zeros((len(keys), len(keys)))
    alignment[one, other] = alignment[other, one] = numbers(table["weight"].take(last))
    return alignment


@dataclass(frozen=True)
class Heard:
    """All pairs that were forecast or observed, a row a step, speaker and listener."""

    step: NDArray[np.int64]
    speaker: NDArray[np.int64]
    listener: NDArray[np.int64]
    forecast: Matrix
    observed: Matrix
    cosine: Matrix

    def mean_observed(self, first: int, last: int, n_agents: int) -> Matrix:
        """Return the mean observed affinity of listeners (columns) to speakers (rows); NaN for none."""
        use = (self.step >= first) & (self.step <= last) & ~np.isnan(self.observed)
        cell = self.speaker[use] * n_agents + self.listener[use]
        total = np.bincount(cell, self.observed[use], n_agents**2)
        count = np.bincount(cell, minlength=n_agents**2)
        mean: Matrix = np.where(count > 0, total / count.clip(1), np.nan).reshape(n_agents, n_agents)
        return mean

    def persistence(self) -> Matrix:
        """Return the pair's last observed affinity before each row, as the model's baseline has it."""
        pair = self.speaker * (self.listener.max(initial=0) + 1) + self.listener
        order = np.lexsort((self.step, pair))
        last = np.full(len(pair), np.nan)
        same = pair[order][1:] == pair[order][:-1]
        previous = self.observed[order]
        # Carry the last known value forward over gaps, within a pair.
        known = np.where(np.isnan(previous), 0, np.arange(len(previous)))
        start = np.r_[0, np.flatnonzero(~same) + 1] if len(previous) else np.zeros(0, np.int64)
        known[start] = start
        carried = previous[np.maximum.accumulate(known)] if len(previous) else previous
        last[order[1:]] = np.where(same, carried[:-1], np.nan)
        return last


def heard(run: RunTables) -> Heard:
    """Return the table of affinity as arrays."""
    names = ("step", "speaker", "listener", "forecast", "observed", "cosine")
    table = read_columns(run, "affinity", *names)
    keys = agent_keys(run)
    return Heard(
        table["step"].to_numpy().astype(np.int64),
        index_of(table["speaker"], keys),
        index_of(table["listener"], keys),
        *(numbers(table[name]) for name in names[3:]),
    )


def order_over_time(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return agents in an order that keeps those who share coalitions together, ``(n_agents,)``.

    Leaves of the average-linkage tree of the share of steps spent apart, recent steps counting twice.

    Parameters
    ----------
    labels : (n_steps, n_agents) int
        Coalition labels; negative for an agent alone.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    n_steps, n_agents = labels.shape
    chosen = np.unique(np.linspace(0, n_steps - 1, min(n_steps, 400)).round().astype(int))
    weights = np.linspace(1, 2, len(chosen))
    together = np.zeros((n_agents, n_agents))
    for row, weight in zip(labels[chosen], weights, strict=True):
        together += weight * ((row[:, None] == row[None, :]) & (row >= 0)[:, None])
    apart = (1 - together / weights.sum()).clip(0)  # rounding takes those who are always together below it
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=n_agents <= 300)
    leaves: NDArray[np.int64] = leaves_list(tree).astype(np.int64)
    return leaves


def order_by_coalition(labels: NDArray[np.int64], step: int = -1) -> NDArray[np.int64]:
    """Return agents by coalition at a step, largest first, those alone last, ``(n_agents,)``.

    Parameters
    ----------
    labels : (n_steps, n_agents) int
        Coalition labels; within a coalition agents stand as `order_over_time` has them.
    step : int
        Row of ``labels``.
    """
    leaves = order_over_time(labels)
    now = labels[step][leaves]
    values, inverse, counts = np.unique(now, return_inverse=True, return_counts=True)
    size = np.where(values[inverse] < 0, 0, counts[inverse])
    lone = np.where(now < 0, 0, now)
    return leaves[np.lexsort((np.arange(len(leaves)), lone, -size))]


def project(latents: NDArray[np.float32]) -> tuple[Matrix, Matrix, Matrix]:
    """Return the mean, the first two principal axes of latents and their shares of the variance.

    Principal component analysis by scikit-learn; the sign of an axis is such that its largest loading is
    positive. Fewer than two points, or points all alike, span no plane: the first two coordinates stand in.

    Returns
    -------
    mean : (dim,) float
    axes : (dim, 2) float
    share : (2,) float
    """
    from sklearn.decomposition import PCA

    points = latents.astype(np.float64)
    dim = points.shape[1]
    if len(points) < 2 or dim < 2 or np.ptp(points, axis=0).max() < 1e-12:
        mean = points.mean(0) if len(points) else np.zeros(dim)
        return mean, np.eye(dim, 2), np.zeros(2)
    found = PCA(2, svd_solver="full").fit(points)
    axes = found.components_.T
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(2)])
    return found.mean_, axes, found.explained_variance_ratio_
