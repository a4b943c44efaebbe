"""What a comparison of variants draws and tells, as arrays: the runs' tables by variant, step and agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures.partitions import adjusted_rand
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import agent_keys, index_of, numbers, read_columns

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

KERNELS = {
    "argument": "argument exchange",
    "degroot": "DeGroot",
    "fj": "Friedkin–Johnsen",
    "deffuant": "Deffuant",
    "hk": "Hegselmann–Krause",
}
"""Names of the opinion kernels in a sentence, by parameter."""

ENTRIES = {"nash": "Nash", "individual": "individual", "contractual": "contractual"}
"""Names of the entry rules, by parameter."""

CONSENSUS = 0.2
"""Opinions on a topic that all lie within this of one another, a tenth of their scale, are a consensus."""


@dataclass(frozen=True)
class Variant:
    """A run of the scenario under a kernel and an entry rule."""

    kernel: str
    entry: str
    run: RunTables

    @property
    def name(self) -> str:
        """The kernel and the entry rule, by the names of the command line: ``hk · nash``."""
        return f"{self.kernel} · {self.entry}"


@dataclass(frozen=True)
class Contrast:
    """Variants of one run, which share agents, topics and steps.

    Attributes
    ----------
    variants : tuple of Variant
        By kernel, then by entry rule.
    """

    variants: tuple[Variant, ...]

    @property
    def run(self) -> RunTables:
        """The first run: agents, topics and parameters other than kernel and entry rule are those of all."""
        return self.variants[0].run

    @property
    def kernels(self) -> list[str]:
        """The kernels, in order."""
        return list(dict.fromkeys(variant.kernel for variant in self.variants))

    @property
    def entries(self) -> list[str]:
        """The entry rules, in order."""
        return list(dict.fromkeys(variant.entry for variant in self.variants))

    def under(self, kernel: str) -> list[int]:
        """Return the places of the variants of a kernel."""
        return [place for place, variant in enumerate(self.variants) if variant.kernel == kernel]

    @cached_property
    def steps(self) -> Labels:
        """Numbers of the steps, (n_steps,)."""
        steps: Labels = read_columns(self.run, "metrics", "step")["step"].to_numpy().astype(np.int64)
        return steps

    def measure(self, name: str) -> Array:
        """Return a measure, (n_variants, n_steps); NaN for those of opinions where no one has one."""
        if name.startswith("opinion_") and not self.opinionated:
            return np.full((len(self.variants), len(self.steps)), np.nan)
        return np.array([numbers(read_columns(v.run, "metrics", name)[name]) for v in self.variants])

    def at_end(self, name: str) -> list[object]:
        """Return a column of the metrics at the last step, an entry a variant; None for null."""
        return [read_columns(v.run, "metrics", name)[name].to_pylist()[-1] for v in self.variants]

    @cached_property
    def final(self) -> Labels:
        """Coalition labels at the end, (n_variants, n_agents); negative for an agent alone."""
        return np.array([_last_members(variant.run)[0] for variant in self.variants])

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Who takes part at the end, (n_agents,): interventions are the same in all variants."""
        return _last_members(self.run)[1]

    def opinions(self, variant: int) -> NDArray[np.float32]:
        """Return the opinions of a variant, (n_steps, n_agents, n_topics) in [-1, 1]; NaN for those absent."""
        return _opinions(self.variants[variant].run, len(self.steps))

    @cached_property
    def ends(self) -> Array:
        """Opinions at the first step and at the last, (n_variants, 2, n_agents, n_topics); NaN for those absent."""
        return np.array([self.opinions(variant)[[0, -1]] for variant in range(len(self.variants))], np.float64)

    @property
    def opinionated(self) -> bool:
        """Whether anyone has an opinion: no one has where affinity is given."""
        return bool(np.nan_to_num(self.ends).any())

    @cached_property
    def debated(self) -> Labels:
        """The topics that every variant debated, by place in the scenario, (n_debated,)."""
        sets = [set(self.topics_of(variant).tolist()) for variant in range(len(self.variants))]
        return np.array(sorted(set.intersection(*sets)) or sorted(set.union(*sets)), np.int64)

    def topics_of(self, variant: int) -> Labels:
        """Return the topic under debate at each step of a variant, by place in the scenario, (n_steps,)."""
        keys = list(self.run.manifest["topics"])
        return index_of(read_columns(self.variants[variant].run, "metrics", "topic")["topic"], keys)

    @cached_property
    def spread(self) -> Array:
        """Distance of the two opinions furthest apart at the end, (n_variants, n_debated)."""
        last = self.ends[:, 1][:, self.present][:, :, self.debated]
        return last.max(1) - last.min(1) if last.shape[1] else np.zeros((len(last), last.shape[2]))

    @cached_property
    def agreement(self) -> Array:
        """Adjusted Rand index of the final partitions of those present, (n_variants, n_variants)."""
        final = self.final[:, self.present]
        return np.array([[adjusted_rand(one, other) for other in final] for one in final])

    @cached_property
    def together(self) -> Array:
        """Share of the variants in which two agents end in one coalition, (n_agents, n_agents)."""
        same = (self.final[:, :, None] == self.final[:, None, :]) & (self.final >= 0)[:, :, None]
        share: Array = same.mean(0)
        np.fill_diagonal(share, 0.0)
        return share


def heading(name: str) -> str:
    """Return a name as a heading begins with it.

    Examples
    --------
    >>> heading("argument exchange")
    'Argument exchange'
    """
    return name[:1].upper() + name[1:]


def labelled(variants: Sequence[Variant]) -> list[str]:
    """Return what tells variants apart, by the names of the command line: the kernel, the entry rule, or both."""
    several = [len({getattr(variant, part) for variant in variants}) > 1 for part in ("kernel", "entry")]
    if all(several):
        return [variant.name for variant in variants]
    return [variant.entry if several[1] else variant.kernel for variant in variants]


def identical(agreement: Array) -> list[list[int]]:
    """Return the sets of two or more variants whose partitions are the same, by an adjusted Rand index of 1.

    Examples
    --------
    >>> identical(np.array([[1.0, 0.2, 1.0], [0.2, 1.0, 0.2], [1.0, 0.2, 1.0]]))
    [[0, 2]]
    """
    same = agreement >= 1 - 1e-12
    groups = dict.fromkeys(tuple(np.flatnonzero(row).tolist()) for row in same)
    return [list(group) for group in groups if len(group) > 1]


def most_divided(opinions: Array, topics: Labels) -> int:
    """Return the topic, of some, on which opinions vary most.

    Parameters
    ----------
    opinions : (n_agents, n_topics) float
        NaN where there is none.
    topics : (n,) int
        The topics to choose from, at least one.
    """
    known = opinions[~np.isnan(opinions).any(1)]
    return int(topics[int(known[:, topics].var(0).argmax())]) if len(known) else int(topics[0])


def _last_members(run: RunTables) -> tuple[Labels, NDArray[np.bool_]]:
    table = read_columns(run, "memberships", "step", "agent", "coalition", "present")
    steps = table["step"].to_numpy()
    last = np.flatnonzero(steps == steps[-1])
    keys = agent_keys(run)
    place = index_of(table["agent"].take(last), keys)
    labels, present = -1 - np.arange(len(keys)), np.zeros(len(keys), bool)
    labels[place] = table["coalition"].to_numpy()[last]
    present[place] = table["present"].take(last).to_numpy(zero_copy_only=False)
    return labels, present


def _opinions(run: RunTables, n_steps: int) -> NDArray[np.float32]:
    table = read_columns(run, "opinions", "step", "agent", "topic", "opinion")
    agents, topics = agent_keys(run), list(run.manifest["topics"])
    found = np.full((n_steps, len(agents), len(topics)), np.nan, np.float32)
    step = table["step"].to_numpy() - 1
    found[step, index_of(table["agent"], agents), index_of(table["topic"], topics)] = table["opinion"].to_numpy()
    return found
