"""What alignment did in the steps before an event, and which exchanges moved it how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.dynamics.coalitions import threshold_at
from ecosystem.dynamics.events import lone_label
from ecosystem.record.reader import RunTables
from ecosystem.report.deeds import at_step
from ecosystem.scenario import Scenario, Shock

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """The alignment of some pairs from the end of one step to the end of another, and what moved their mean.

    Attributes
    ----------
    since, until : int
        The steps; 0 is before the first.
    pairs : (n_pairs,) int
        Columns of the alignment table's pairs, ascending.
    before, after : (n_pairs,) float
        Alignment at the end of ``since`` and of ``until``, in [-1, 1].
    heard : (n_exchanges,) int
        Positions in the table of affinity of the exchanges between.
    contribution : (n_exchanges,) float
        What each changed in the mean of ``after``.
    """

    since: int
    until: int
    pairs: Rows
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    heard: Rows
    contribution: NDArray[np.float64]

    @property
    def start(self) -> float:
        """Mean alignment before; NaN without pairs."""
        return float(self.before.mean()) if len(self.pairs) else float("nan")

    @property
    def end(self) -> float:
        """Mean alignment after; NaN without pairs."""
        return float(self.after.mean()) if len(self.pairs) else float("nan")

    @property
    def rise(self) -> float:
        """By how much the mean rose."""
        return self.end - self.start


class History:
    """The tables of a run, indexed once, to look back from any step.

    Parameters
    ----------
    run : RunTables
        The run.

    Attributes
    ----------
    agents : list of str
        Keys, in the order of the tables.
    """

    def __init__(self, run: RunTables) -> None:
        self._run = run
        n_steps = len(run.metrics)
        members = run.memberships
        n = len(members) // n_steps
        self.agents: list[str] = members["agent"].iloc[:n].tolist()
        self._index = pd.Index(self.agents)
        labels = members["coalition"].to_numpy().reshape(n_steps, n)
        alone = [lone_label(agent) for agent in range(n)]
        self._moved = np.diff(np.vstack([alone, labels]), axis=0) != 0
        self._weights = run.alignment["weight"].to_numpy().reshape(n_steps, -1)
        self._column = self._columns(run.alignment.iloc[: self._weights.shape[1]])
        self._rate = np.array(standing(run.scenario, "learning_rate", n_steps), np.float64)
        self._given = run.scenario.affinity is not None

    def last_move(self, agents: Sequence[str], step: int) -> int:
        """Return the last step before ``step`` at which one of the agents changed coalition; 0 where there is none."""
        moved = self._moved[: step - 1, self._places(agents)].any(1)
        return int(np.flatnonzero(moved)[-1]) + 1 if moved.any() else 0

    def movers(self, agents: Sequence[str], step: int) -> list[str]:
        """Return those of the agents who changed coalition at a step."""
        places = self._places(agents)
        return [agent for agent, moved in zip(agents, self._moved[step - 1, places], strict=True) if step and moved]

    def change(self, agents: Sequence[str], partners: Sequence[str], since: int, until: int) -> Change:
        """Return what the alignment of agents with partners did, and what each exchange between them contributed.

        The contribution of an exchange at step t is what the alignment at the end would lack without it:
        ``eta_t (observed - alignment before it)``, times ``1 - eta`` for each later exchange of the pair, halved
        where the pair heard each other in both directions; over the number of pairs.
        """
        between = self._between(agents, partners)
        pairs = np.unique(self._column[between])
        path = self._path(pairs, since, until)
        table = self._heard
        lo, hi = np.searchsorted(table.step, [since + 1, until + 1])
        rows = np.arange(lo, hi)[between[table.speaker[lo:hi], table.listener[lo:hi]]]
        place = np.searchsorted(pairs, self._column[table.speaker[rows], table.listener[rows]])
        when = table.step[rows] - since - 1
        count = np.zeros((until - since, len(pairs)))
        np.add.at(count, (when, place), 1)
        rate = self._rate[since:until]
        kept = np.where(count > 0, 1 - rate[:, None], 1.0)
        later = np.vstack([np.cumprod(kept[::-1], axis=0)[::-1], np.ones(len(pairs))])[1:]
        surprise = (table.observed[rows] - path[when, place]) / count[when, place]
        contribution = rate[when] * later[when, place] * surprise / max(len(pairs), 1)
        return Change(since, until, pairs, path[0], path[-1], table.rows[rows], contribution)

    def threshold(self, step: int) -> float:
        """Return the alignment above which a shared coalition was worth having at a step."""
        rule, value = (standing(self._run.scenario, name, step)[-1] for name in ("threshold_rule", "threshold"))
        here = np.flatnonzero(at_step(self._run.memberships, step)["present"])
        among = self._column[np.ix_(here, here)]
        return threshold_at(self._weights[step - 1].astype(np.float64)[among], rule, value)

    def rows(self, pairs: Rows, step: int) -> list[int]:
        """Return where the alignment table has pairs at a step; nowhere for step 0."""
        return ((step - 1) * self._weights.shape[1] + pairs).tolist() if step > 0 else []

    def who(self, pair: int) -> tuple[str, str]:
        """Return the two agents of a pair."""
        row = self._run.alignment.iloc[pair]
        return str(row["source"]), str(row["target"])

    @cached_property
    def spoken(self) -> Rows:
        """Where the table of utterances has what an agent said at a step, (n_steps + 1, n_agents); -1 for nothing."""
        table = self._run.utterances
        position = np.full((len(self._moved) + 1, len(self.agents)), -1, np.int64)
        position[table["step"].to_numpy(), self._places(table["speaker"])] = np.arange(len(table))
        return position

    @cached_property
    def utterance(self) -> Rows:
        """Where the table of utterances has what was said, by position in the table of affinity."""
        table = self._run.affinity
        found: Rows = self.spoken[table["step"].to_numpy(), self._places(table["speaker"])]
        return found

    @cached_property
    def _heard(self) -> _Heard:
        table = self._run.affinity
        rows = np.flatnonzero(~np.isnan(table["observed"].to_numpy()))
        seen = table.iloc[rows]
        return _Heard(
            rows,
            seen["step"].to_numpy(),
            self._places(seen["speaker"]),
            self._places(seen["listener"]),
            seen["observed"].to_numpy(np.float64),
        )

    def _path(self, pairs: Rows, since: int, until: int) -> NDArray[np.float64]:
        """Return alignment at the ends of steps, (until - since + 1, n_pairs); it starts from nothing, or as given."""
        path = self._weights[max(since - 1, 0) : until][:, pairs].astype(np.float64)
        if since > 0:
            return path
        return np.vstack([path[:1] if self._given else np.zeros((1, len(pairs))), path])

    def _between(self, agents: Sequence[str], partners: Sequence[str]) -> NDArray[np.bool_]:
        between = np.zeros((len(self.agents), len(self.agents)), bool)
        between[np.ix_(self._places(agents), self._places(partners))] = True
        between |= between.T
        np.fill_diagonal(between, False)
        return between

    def _columns(self, first: pd.DataFrame) -> Rows:
        """Return which column of the alignment table's pairs is that of two agents, (n_agents, n_agents)."""
        column = np.zeros((len(self.agents), len(self.agents)), np.int64)
        source, target = self._places(first["source"]), self._places(first["target"])
        column[source, target] = column[target, source] = np.arange(len(first))
        return column

    def _places(self, agents: Sequence[str] | pd.Series[str]) -> Rows:
        return self._index.get_indexer(pd.Index(agents)).astype(np.int64)


@dataclass(frozen=True)
class _Heard:
    """The exchanges of a run as arrays: position in the table, step, agents by index, observed affinity."""

    rows: Rows
    step: Rows
    speaker: Rows
    listener: Rows
    observed: NDArray[np.float64]


def standing(scenario: Scenario, parameter: str, n_steps: int) -> list[Any]:
    """Return the value of a parameter at every step, the first first: the scenario's, until a shock sets another.

    Examples
    --------
    >>> from ecosystem.scenario import Scenario
    >>> ada, ben = ({"name": n, "corpus": [{"text": n, "topic": "t"}]} for n in ("Ada", "Ben"))
    >>> shock = {"step": 3, "kind": "shock", "learning_rate": 0.5}
    >>> duet = {"name": "duet", "topics": [{"id": "t"}], "personas": {"a": ada, "b": ben}, "interventions": [shock]}
    >>> standing(Scenario.model_validate(duet), "learning_rate", 4)
    [0.1, 0.1, 0.5, 0.5]
    """
    values = [getattr(scenario.parameters, parameter)] * n_steps
    for event in sorted(scenario.interventions, key=lambda event: event.step):
        if isinstance(event, Shock) and parameter in event.changes:
            values[event.step - 1 :] = [event.changes[parameter]] * len(values[event.step - 1 :])
    return values
