"""What a change made of a debate: the two branches of a fork held against each other, once and over replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import agent_keys, index_of, numbers, partitions, read_columns
from ecosystem.report.lookback import standing
from ecosystem.scenario import Scenario
from ecosystem.sweep.branches import BRANCHES

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BAND = (0.05, 0.95)
"""Quantiles of replicates between which a band lies."""

LEVEL = 0.05
"""What the sign test must fall below for a difference to be clear."""

ENOUGH = next(n for n in range(1, 100) if 2 * 0.5**n < LEVEL)
"""Replicates without which no difference is clear."""


@dataclass(frozen=True)
class Parting:
    """The first step at which something differs between two branches, by what it is; None where it never does.

    Attributes
    ----------
    topic, said : int or None
        What is under debate, and who says what.
    heard : int or None
        Whom a listener weighs, and whether it takes the argument over or moves.
    opinions, alignment : int or None
        What agents think of the topics, and the edges of the alignment graph.
    company : int or None
        Who is in a coalition with whom.
    """

    topic: int | None
    said: int | None
    heard: int | None
    opinions: int | None
    alignment: int | None
    company: int | None

    @property
    def first(self) -> int | None:
        """The first step at which anything differs."""
        return min(self.steps.values(), default=None)

    @property
    def steps(self) -> dict[str, int]:
        """The first step of all that differs at some time, by name, the first first."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        known = {name: step for name, step in found.items() if step is not None}
        return dict(sorted(known.items(), key=lambda item: item[1]))


def changes_nothing(scenario: Scenario, at: int, changes: Mapping[str, Any]) -> bool:
    """Return whether parameters have the values they are given already at the step after ``at``."""
    return all(standing(scenario, name, at + 1)[-1] == value for name, value in changes.items())


def find_parting(one: RunTables, other: RunTables) -> Parting:
    """Return where two runs of one scenario, with the same agents, statements and steps, part."""
    both = [_traces(run) for run in (one, other)]
    firsts = {}
    for name, trace in both[0].items():
        differs = (trace != both[1][name]).reshape(len(trace), -1).any(1)
        firsts[name] = int(differs.argmax()) + 1 if differs.any() else None
    return Parting(**firsts)


def _traces(run: RunTables) -> dict[str, NDArray[Any]]:
    """Return what parting is looked for in, a row a step."""
    keys, topics = agent_keys(run), list(run.manifest["topics"])
    debated = index_of(read_columns(run, "metrics", "topic")["topic"], topics)
    n_steps, n = len(debated), len(keys)
    opinions = read_columns(run, "opinions", "step", "agent", "topic", "opinion")
    thought = np.zeros((n_steps, n, len(topics)))
    place = (index_of(opinions["agent"], keys), index_of(opinions["topic"], topics))
    thought[(opinions["step"].to_numpy() - 1, *place)] = numbers(opinions["opinion"])
    return {
        "topic": debated,
        "said": spoken(run, n_steps),
        "heard": np.stack(weighed(run, n_steps), 1),
        "opinions": thought,
        "alignment": read_columns(run, "alignment", "weight")["weight"].to_numpy().reshape(n_steps, -1),
        "company": np.array([numbered(labels) for labels in partitions(run).labels], np.int64).reshape(n_steps, n),
    }


def spoken(run: RunTables, n_steps: int) -> Labels:
    """Return the statement that each agent said at each step, (n_steps, n_agents); -1 for nothing."""
    table = read_columns(run, "utterances", "step", "speaker", "statement")
    keys = agent_keys(run)
    said = np.full((n_steps, len(keys)), -1, np.int64)
    said[table["step"].to_numpy() - 1, index_of(table["speaker"], keys)] = table["statement"].to_numpy()
    return said


def weighed(run: RunTables, n_steps: int) -> tuple[Labels, Labels]:
    """Return whose words each listener weighed at each step, -1 for no one's, and whether it took them over.

    Both are (n_steps, n_agents).
    """
    table = read_columns(run, "utterances", "step", "speaker", "weighed_by", "accepted_by")
    keys = agent_keys(run)
    step, speaker = table["step"].to_numpy() - 1, index_of(table["speaker"], keys)
    heard, taken = np.full((n_steps, len(keys)), -1, np.int64), np.zeros((n_steps, len(keys)), np.int64)
    for array, column in ((heard, "weighed_by"), (taken, "accepted_by")):
        listeners = table[column].combine_chunks()
        row = listeners.value_parent_indices().to_numpy(zero_copy_only=False)
        array[step[row], index_of(listeners.flatten(), keys)] = speaker[row] if array is heard else 1
    return heard, taken


def numbered(partition: Labels) -> Labels:
    """Return a partition with its blocks numbered in order of appearance, so that equal ones have equal labels.

    Examples
    --------
    >>> numbered(np.array([7, -2, 7, 3]))
    array([0, 1, 0, 2])
    """
    order: dict[int, int] = {}
    return np.array([order.setdefault(label, len(order)) for label in partition.tolist()], np.int64)


def by_replicate(branches: pd.DataFrame, measure: str) -> Array:
    """Return a measure by branch, replicate and step, (2, n_replicates, n_steps)."""
    shape = (len(BRANCHES), branches["replicate"].nunique(), -1)
    table = branches.sort_values(["replicate", "step"], kind="stable")
    return np.stack([table[measure][table["branch"] == branch].to_numpy(np.float64) for branch in BRANCHES]).reshape(
        shape
    )


def find_effects(branches: pd.DataFrame) -> pd.DataFrame:
    """Return what the change did to every measure, over replicates.

    Parameters
    ----------
    branches : DataFrame
        A row a branch, replicate and step.

    Returns
    -------
    effects : DataFrame
        A row a measure and outcome, its value at the last step (``end``) or its mean over the steps since the fork
        (``mean``): ``n``, the replicates in which both branches define it; ``as_it_was`` and ``changed``, medians,
        with ``_low`` and ``_high``, the 5 % and 95 % quantiles; ``difference`` (changed less as it was, within
        replicates) likewise; ``same_way``, the replicates whose difference has the sign that most have; ``clear``,
        whether these are more than chance gives (two-sided sign test, p < .05; no difference counts against it).
    """
    import pandas as pd

    rows = []
    for measure in CATALOGUE:
        values = by_replicate(branches, measure)
        known = ~np.isnan(values)
        mean = np.where(known, values, 0).sum(2) / np.where(known.any(2), known.sum(2), np.nan)
        for outcome, found in (("end", values[:, :, -1]), ("mean", mean)):
            rows.append({"measure": measure, "outcome": outcome, **_effect(found[:, ~np.isnan(found).any(0)])})
    return pd.DataFrame(rows)


def _effect(pairs: Array) -> dict[str, Any]:
    """Return what differs between two branches, given an outcome of both in each replicate, (2, n)."""
    n = pairs.shape[1]
    difference = pairs[1] - pairs[0]
    difference[np.abs(difference) <= 1e-9 * np.abs(pairs).max(0, initial=0)] = 0.0  # rounding
    found: dict[str, Any] = {"n": n}
    for name, values in (("as_it_was", pairs[0]), ("changed", pairs[1]), ("difference", difference)):
        middle = np.quantile(values, [0.5, *BAND]) if n else np.full(3, np.nan)
        found |= dict(zip((name, f"{name}_low", f"{name}_high"), middle.tolist(), strict=True))
    same = int(max((difference > 0).sum(), (difference < 0).sum()))
    return {**found, "same_way": same, "clear": sign_test(same, n) < LEVEL}


def sign_test(same: int, n: int) -> float:
    """Return the two-sided probability that at least ``same`` of ``n`` fair coins fall on one side.

    Examples
    --------
    >>> round(sign_test(9, 10), 4), sign_test(3, 4), sign_test(0, 0)
    (0.0215, 0.625, 1.0)
    """
    return _tails(n)[n - same]


@lru_cache
def _tails(n: int) -> tuple[float, ...]:
    """Return `sign_test` for all of ``n`` on one side, for all but one, and so on.

    In whole numbers: powers of two are beyond floats from 1,024 replicates on.
    """
    found, term, total = [], 1, 1
    for others in range(n + 1):
        found.append(min(2 * total / 2**n, 1.0))
        term = term * (n - others) // (others + 1)
        total += term
    return tuple(found)


def by_chance(effects: pd.DataFrame, outcome: str = "end") -> tuple[float, int]:
    """Return how many measures chance alone makes clear on average, and of how many that are defined.

    Each measure is clear by chance with the largest probability that its sign test can have below `LEVEL`, which is
    less than that, as signs are counted: .0215 for 10 replicates. Where replicates without a difference are frequent it
    is less still.
    """
    known = effects[(effects["outcome"] == outcome) & (effects["n"] > 0)]
    return sum(max((p for p in _tails(n) if p < LEVEL), default=0.0) for n in known["n"].tolist()), len(known)


def outline(parent: RunTables, changed: RunTables, divergence: pd.DataFrame, effects: pd.DataFrame) -> dict[str, Any]:
    """Return where the branches part and what differs, as plain values.

    ``parts_at`` is the first step at which anything differs under the run's own random numbers, ``first`` that of all
    that differs; ``apart`` in how many replicates the coalitions ever differ; ``company`` and ``agreement`` the share
    of agents in other company and the adjusted Rand index of the partitions at the end, as median, low and high;
    ``measures`` what differs at the end; ``by_chance`` how many of these measures chance alone would make clear.
    """
    parting = find_parting(parent, changed)
    ends = divergence[divergence["step"] == divergence["step"].max()]
    columns = ["measure", "n", "as_it_was", "changed", "difference", "difference_low", "difference_high", "same_way"]
    at_end = effects[(effects["outcome"] == "end") & (effects["n"] > 0)]
    return {
        "seeds": int(divergence["replicate"].nunique()),
        "parts_at": parting.first,
        "first": parting.steps,
        "apart": int((divergence.groupby("replicate")["company"].max() > 0).sum()),
        "company": _spread(ends["company"].to_numpy()),
        "agreement": _spread(ends["agreement"].to_numpy()),
        "measures": [{**row, "clear": bool(row["clear"])} for row in at_end[[*columns, "clear"]].to_dict("records")],
        "by_chance": round(by_chance(effects)[0], 1),
    }


def _spread(values: Array) -> dict[str, float]:
    middle = np.quantile(values, [0.5, *BAND])
    return dict(zip(("median", "low", "high"), middle.round(6).tolist(), strict=True))
