"""Two runs side by side: what they were given, how they went, and where they part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.record.company import Company, standing
from ecosystem.record.content import plain, records, same_content
from ecosystem.record.reader import RunTables
from ecosystem.record.settings import COLUMNS, scenario_rows, software_rows

Array = NDArray[np.float64]

KIND = "runs"

_EVENTS = ("form", "join", "leave", "merge", "split", "dissolve")


class RunDifference:
    """How two runs differ.

    What one run alone has is named, and not compared: the steps after the shorter one ends (so that "the end" is the
    last step that both have), and the agents who are in one alone.

    Parameters
    ----------
    a, b : RunTables
        The runs; differences are b less a.

    Attributes
    ----------
    a, b : RunTables
        The runs.
    steps : int
        How many steps both have.
    agents : list of str
        Keys of the agents that both have.
    """

    def __init__(self, a: RunTables, b: RunTables) -> None:
        self.a, self.b = a, b
        self.steps = min(len(a.metrics), len(b.metrics))
        there = set(b.manifest["agents"])
        self.agents: list[str] = [key for key in a.manifest["agents"] if key in there]

    @property
    def runs(self) -> tuple[RunTables, RunTables]:
        """Both runs."""
        return self.a, self.b

    @cached_property
    def tables(self) -> dict[str, str]:
        """Whether each table of either run is the ``same`` in both, ``different``, or in one (``a``, ``b``) alone."""
        names = [{path.stem for path in run.path.glob("*.parquet")} for run in self.runs]
        found = {}
        for name in sorted(names[0] | names[1]):
            if name in names[0] & names[1]:
                one, other = (run.path / f"{name}.parquet" for run in self.runs)
                found[name] = "same" if same_content(one, other) else "different"
            else:
                found[name] = "a" if name in names[0] else "b"
        return found

    @property
    def identical(self) -> bool:
        """Whether all tables hold the same, whatever the runs were given."""
        return set(self.tables.values()) <= {"same"}

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """A row a setting that differs: ``what`` (parameter, corpus, weights...), ``name``, its values ``a``, ``b``.

        Of a corpus, and of affinity that is given, a and b count what the other side does not have.
        """
        given = scenario_rows(self.a.scenario, self.b.scenario)
        return pd.DataFrame([*given, *software_rows(self.a.manifest, self.b.manifest)], columns=COLUMNS, dtype=object)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """A row a measure, those first by which the runs end furthest apart.

        Columns: ``measure``; ``end_a``, ``end_b``, ``end_difference`` at the last step that both have; ``mean_a``,
        ``mean_b``, ``mean_difference`` over the steps that both have, where the measure is defined; ``relative``, the
        difference at the end as a share of the range that the measure has in the two runs, in [0, 1]; ``first``, the
        first step at which it differs, null where it never does.
        """
        names = [name for name in CATALOGUE if name in self.a.metrics and name in self.b.metrics]
        a, b = (run.metrics[names].to_numpy(np.float64)[: self.steps] for run in self.runs)
        frame = pd.DataFrame({"measure": names})
        for outcome, sides in (("end", (a[-1], b[-1])), ("mean", (_means(a), _means(b)))):
            frame[f"{outcome}_a"], frame[f"{outcome}_b"] = sides
            frame[f"{outcome}_difference"] = sides[1] - sides[0]
        reach = np.array(
            [np.ptp(seen) or 1.0 if len(seen := _known(column)) else 1.0 for column in np.vstack([a, b]).T]
        )
        frame["relative"] = frame["end_difference"].abs() / reach
        unlike = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        frame["first"] = pd.array([_least(np.flatnonzero(column) + 1) for column in unlike.T], "Int64")
        rank = pd.DataFrame({"end": frame["relative"], "mean": frame["mean_difference"].abs() / reach}).fillna(0.0)
        return frame.loc[rank.sort_values(["end", "mean"], ascending=False, kind="stable").index].reset_index(drop=True)

    @cached_property
    def coalitions(self) -> pd.DataFrame:
        """A row an agent of either run, as it stands at the last step that both have.

        Columns: ``agent``, ``name``; ``a``, ``b``, its coalition's label in each run, negative for an agent alone, null
        for one who takes no part; ``kept``, the share of its company that is the same, as far as the agents go that
        both have: the Jaccard index of its two coalitions, 1 for the same company, null for agents of one run alone.
        """
        names = {**self.b.manifest["agents"], **self.a.manifest["agents"]}
        frame = pd.DataFrame({"agent": list(names), "name": list(names.values())})
        for side, run in zip("ab", self.runs, strict=True):
            keys = list(run.manifest["agents"])
            labels, present = (array[-1].tolist() for array in standing(run, keys, self.steps))
            last = {key: label for key, label, here in zip(keys, labels, present, strict=True) if here}
            frame[side] = pd.array([last.get(key) for key in names], "Int64")
        kept = dict(zip(self.agents, self._company.kept().tolist(), strict=True))
        return frame.assign(kept=pd.array([kept.get(key) for key in names], "Float64"))

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """A row a step that both have: how alike the partitions are, of the agents that both have.

        Columns: ``step``; ``ari``, the adjusted Rand index over those present in both (1 the same, 0 as alike as by
        chance), NaN for fewer than two; ``same``, whether the same agents are present, in the same company.
        """
        return self._company.agreement()

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row a kind of event: how many there are in each run, at the steps that both have."""
        frame = pd.DataFrame({"event": _EVENTS})
        for side, run in zip("ab", self.runs, strict=True):
            counts = run.events["event"][run.events["step"] <= self.steps].value_counts()
            frame[side] = [int(counts.get(event, 0)) for event in _EVENTS]
        return frame.assign(difference=frame["b"] - frame["a"])

    @cached_property
    def first_events(self) -> tuple[int | None, int | None]:
        """Where the tables of events first part: the row in each run of an event that the other does not have then.

        Events are the same if they are of one kind, at one step, of the same agents with the same partners. None in
        both where the events are the same, or no agent is; None in one where only the other has an event more then.
        """
        if not self.agents:
            return None, None
        named = [_named(run.events, self.steps) for run in self.runs]
        counts = [Counter(events) for events in named]
        alone = [counts[0] - counts[1], counts[1] - counts[0]]
        step = min((event[0] for side in alone for event in side), default=0)
        a, b = (
            next((row for row, event in enumerate(events) if event[0] == step and event in rest), None)
            for events, rest in zip(named, alone, strict=True)
        )
        return a, b

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """A row a step and speaker, of those that both have: ``text_a``, ``text_b``, null for silence, and ``same``."""
        keys = ["step", "speaker"]
        tables = [run.utterances[[*keys, "text"]] for run in self.runs]
        tables = [table[(table["step"] <= self.steps) & table["speaker"].isin(self.agents)] for table in tables]
        both = tables[0].merge(tables[1], how="outer", on=keys, suffixes=("_a", "_b"))
        order = {key: number for number, key in enumerate(self.agents)}
        both = both.assign(place=both["speaker"].map(order)).sort_values(["step", "place"], ignore_index=True)
        return both.assign(same=both["text_a"] == both["text_b"])[[*keys, "text_a", "text_b", "same"]]

    @cached_property
    def parted(self) -> dict[str, int | None]:
        """The first step at which the runs differ in what is said, in measures, in events and in coalitions."""
        rows = zip(self.runs, self.first_events, strict=True)
        return {
            "utterances": _least(self.utterances["step"][~self.utterances["same"]]),
            "measures": _least(self.measures["first"].dropna()),
            "events": _least(run.events["step"].iloc[row] for run, row in rows if row is not None),
            "coalitions": _least(self.agreement["step"][~self.agreement["same"]]),
        }

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem diff A B --json`` prints, as plain values; what is not known is None."""
        found = {
            "kind": KIND,
            **{side: _identity(run) for side, run in zip("ab", self.runs, strict=True)},
            "identical": self.identical,
            "tables": self.tables,
            "compared": {"steps": self.steps, "agents": len(self.agents), **self._strangers()},
            "parted": self.parted,
            "parameters": records(self.parameters),
            "measures": records(self.measures),
            "coalitions": self._coalitions(),
            "events": {"counts": records(self.events), "first": dict(zip("ab", self.first_events, strict=True))},
            "utterances": self._said(),
        }
        return {key: plain(value) for key, value in found.items()}

    @cached_property
    def _company(self) -> Company:
        return Company.of(self.a, self.b, self.agents, self.steps)

    def _strangers(self) -> dict[str, list[str]]:
        """Return the names of the agents that one run alone has."""
        both = set(self.agents)
        agents = [(side, run.manifest["agents"]) for side, run in zip("ab", self.runs, strict=True)]
        return {f"agents_{side}": [name for key, name in names.items() if key not in both] for side, names in agents}

    def _coalitions(self) -> dict[str, Any]:
        found: dict[str, Any] = {"step": self.steps}
        for side in "ab":
            here = self.coalitions.dropna(subset=side)
            labels = sorted(here[side][here[side] >= 0].unique())
            members = [here["name"][here[side] == label].tolist() for label in labels]
            found[side] = [{"coalition": int(n), "members": who} for n, who in zip(labels, members, strict=True)]
            found[f"alone_{side}"] = here["name"][here[side] < 0].tolist()
        moved = self.coalitions[self.coalitions["kept"].fillna(1.0) < 1].sort_values("kept", kind="stable")
        found["moved"] = moved["name"].tolist()
        steps = self.agreement["ari"].tolist()
        return found | {"ari": steps[-1], "mean_ari": _mean(np.array(steps)), "ari_by_step": steps}

    def _said(self) -> dict[str, Any]:
        """Return how much of what is said is the same, and the first step at which it is not."""
        unlike = self.utterances[~self.utterances["same"]]
        told = None
        if len(unlike):
            row = unlike.iloc[0]
            speaker = self.a.manifest["agents"][row["speaker"]]
            others = int((unlike["step"] == row["step"]).sum()) - 1
            told = {"step": row["step"], "speaker": speaker, "a": row["text_a"], "b": row["text_b"], "others": others}
        return {"said": len(self.utterances), "same": len(self.utterances) - len(unlike), "first": told}


def _identity(run: RunTables) -> dict[str, Any]:
    manifest = run.manifest
    return {
        "run": str(run.path),
        "scenario": manifest["scenario"],
        "title": manifest.get("title", manifest["scenario"]),
        "seed": manifest["seed"],
        "steps": len(run.metrics),
        "agents": len(manifest["agents"]),
    }


def _named(events: pd.DataFrame, steps: int) -> list[tuple[int, str, tuple[str, ...], tuple[str, ...]]]:
    """Return what tells the events of some steps apart, whatever the labels of coalitions are."""
    rows = events[events["step"] <= steps]
    who = (tuple(sorted(agents)) for agents in rows["agents"])
    partners = (tuple(sorted(agents)) for agents in rows["partners"])
    return list(zip(rows["step"].tolist(), rows["event"], who, partners, strict=True))


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]


def _mean(values: Array) -> float:
    known = _known(values)
    return float(known.mean()) if len(known) else float("nan")


def _means(columns: Array) -> Array:
    return np.array([_mean(column) for column in columns.T])


def _least(steps: Iterable[Any]) -> int | None:
    return min((int(step) for step in steps), default=None)
