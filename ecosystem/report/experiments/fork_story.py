"""How a fork went, in words: what changed, where the branches part, what differs over replicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.measures import CATALOGUE
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import agent_keys, read_columns
from ecosystem.report.deeds import Row, Teller, quoted, rows_of, together
from ecosystem.report.experiments.fork_effects import ENOUGH, Parting, by_chance, changes_nothing, spoken, weighed
from ecosystem.report.explain import Explainer
from ecosystem.report.lookback import standing
from ecosystem.report.markdown import shown
from ecosystem.report.prose import Name, Sentence, count, decimal, label, listed, percent, sentence
from ecosystem.report.story import Cast

if TYPE_CHECKING:
    import pandas as pd

KINDS = {
    "topic": "what is under debate",
    "said": "what is said",
    "heard": "who heeds whom",
    "opinions": "what agents think",
    "alignment": "how far agents are aligned",
    "company": "who stands with whom",
}
"""What may differ between branches, in words."""

_FEW = ("none or one", "one or two", "two or three", "three or four")
_EXAMPLES, _DEEDS, _EVENTS, _CLEAR = 3, 2, 5, 5
_SIDES = ("as it was", "changed")
_SCORES = ("forecast_", "cosine_", "persistence_", "shuffled_")


@dataclass(frozen=True)
class Tale:
    """A run that forked, in both branches.

    Attributes
    ----------
    parent, changed : RunTables
        The branches under the run's own random numbers.
    at : int
        The last step that they share.
    changes : mapping
        The parameters that change, with their new values.
    parting : Parting
        Where the branches part.
    cast : Cast
        Names of agents and topics.
    """

    parent: RunTables
    changed: RunTables
    at: int
    changes: Mapping[str, Any]
    parting: Parting
    cast: Cast

    @property
    def given(self) -> bool:
        """Whether affinity is given, so that nothing is said."""
        return self.parent.scenario.affinity is not None

    def change(self) -> Sentence:
        """Return what changes, and from what."""
        if not self.changes:
            return ("Nothing is changed: the fork is its parent, byte for byte.",)
        told = []
        for name, value in self.changes.items():
            old = standing(self.parent.scenario, name, self.at + 1)[-1]
            same = "still " if value == old else ""
            instead = "" if value == old else f" instead of {shown(old)}"
            told.append(f"{label(name)} is {same}{shown(value)}{instead}")
        return sentence(f"From step {self.at + 1} on ", listed(told, len(told)), ".")

    def own(self) -> Sentence:
        """Return where the branches part under the run's own random numbers."""
        steps = self.parting.steps
        if not steps:
            if changes_nothing(self.parent.scenario, self.at, self.changes):
                always = (
                    "The branches do not part, whatever random numbers are drawn: one replicate suffices to show it."
                )
                return (always,)
            return ("With the run’s own random numbers nothing differs between the branches, to the last step.",)
        first = self.parting.first
        at_once = listed([KINDS[name] for name, step in steps.items() if step == first], len(KINDS))
        told = sentence(f"With the run’s own random numbers the branches part at step {first}, in ", at_once, ".")
        later = [f"in {KINDS[name]} from step {step} on" for name, step in steps.items() if step != first]
        if later:
            told = sentence(told, " Later they differ ", listed(later, len(later)), " too.")
        never = [words for name, words in KINDS.items() if name not in steps and not (self.given and name != "company")]
        if never:
            told = sentence(told, " Never in ", listed(never, len(never)), ".")
        return told

    def examples(self) -> list[Sentence]:
        """Return who said, heard or did what at the step at which the branches part, a few of each."""
        step, steps = self.parting.first, self.parting.steps
        if step is None:
            return []
        told: list[Sentence] = []
        if steps.get("topic") == step:
            topics = [str(read_columns(run, "metrics", "topic")["topic"][step - 1]) for run in self._runs]
            told.append(_sides("Under debate", *((self.cast.topics[topic],) for topic in topics)))
        found = {"said": self._said, "heard": self._heard, "company": self._moved}
        return told + [one for kind, tell in found.items() if steps.get(kind) == step for one in tell(step)]

    @property
    def _runs(self) -> tuple[RunTables, RunTables]:
        return self.parent, self.changed

    def _said(self, step: int) -> list[Sentence]:
        rows = [spoken(run, len(run.metrics))[step - 1] for run in self._runs]
        texts, keys = self._texts(step), agent_keys(self.parent)
        found = []
        for agent in np.flatnonzero(rows[0] != rows[1])[:_EXAMPLES]:
            said = [text.get(keys[agent]) for text in texts]
            words = [("said “", quoted(text), "”") if text else ("said nothing",) for text in said]
            found.append(_sides(self.cast.agents[keys[agent]], *words))
        return found

    def _heard(self, step: int) -> list[Sentence]:
        """Return what listeners made of what they heard, first those who were moved in one branch only."""
        keys = agent_keys(self.parent)
        (heard, taken), (heard_then, taken_then) = (
            [array[step - 1] for array in weighed(run, len(run.metrics))] for run in self._runs
        )
        differ = np.flatnonzero((heard != heard_then) | (taken != taken_then))
        differ = differ[np.argsort(taken[differ] == taken_then[differ], kind="stable")][:_EXAMPLES]
        found = []
        for agent in differ.tolist():
            speakers = [keys[who[agent]] if who[agent] >= 0 else None for who in (heard, heard_then)]
            words = [
                self._reaction(run, step, speaker, bool(moved[agent]), speakers[0] == speakers[1])
                for run, speaker, moved in zip(self._runs, speakers, (taken, taken_then), strict=True)
            ]
            found.append(_sides(self.cast.agents[keys[agent]], *words))
        return found

    def _reaction(self, run: RunTables, step: int, speaker: str | None, taken: bool, same: bool) -> Sentence:
        """Return what a listener made of whom it heard, who is the same in both branches or not."""
        argued = standing(run.scenario, "kernel", step)[-1] == "argument"
        if speaker is None:
            return ("listened to no one" if argued else "was moved by no one",)
        who = self.cast.agents[speaker]
        if not argued:
            return sentence("moved towards " if taken else "met, without moving, ", who)
        text = quoted(self._texts(step)[self._runs.index(run)][speaker])
        did = "accepted into memory" if taken else "did not accept"
        if same:
            return sentence(f"{did} what ", who, " said (“", text, "”)")
        return sentence("listened to ", who, f" and {did} what was said (“", text, "”)")

    def _texts(self, step: int) -> list[dict[str, str]]:
        found = []
        for run in self._runs:
            table = run.utterances[run.utterances["step"] == step]
            found.append(dict(zip(table["speaker"], table["text"], strict=True)))
        return found

    def _moved(self, step: int) -> list[Sentence]:
        """Return the events of a step that only one branch has."""
        deeds = []
        for run, only in zip(self._runs, lone_events(*self._runs, self.at), strict=True):
            events, teller = rows_of(run.events), Teller(run, self.cast)
            here = [unit for unit in only if events[unit[0]]["step"] == step]
            told = [teller.deed(*(events[row] for row in unit)) for unit in here]
            deeds.append(listed(told, _DEEDS, "; ") if told else ("no one moved otherwise",))
        return [_sides("Coalitions", *deeds)]


def _sides(whose: str, one: Sentence, other: Sentence) -> Sentence:
    told = sentence(whose, ": as it was, ", one, "; changed, ", other)
    return told if "".join(told).endswith((".”", "!”", "?”")) else (*told, ".")


def lone_events(one: RunTables, other: RunTables, at: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Return the events after a step that either run has and the other has not, as rows of each run's table.

    Events are the same where step, kind, agents and partners are, whatever coalitions are called; an agent's leave
    and join at one step are told together.
    """
    runs = [rows_of(run.events) for run in (one, other)]
    units = [[unit for unit in together(events) if events[unit[0]]["step"] > at] for events in runs]
    known = [{_identity(events, unit) for unit in found} for events, found in zip(runs, units, strict=True)]
    lone = [
        [unit for unit in found if _identity(events, unit) not in known[1 - k]]
        for k, (events, found) in enumerate(zip(runs, units, strict=True))
    ]
    return lone[0], lone[1]


def _identity(events: list[Row], unit: tuple[int, ...]) -> frozenset[Any]:
    rows = (events[row] for row in unit)
    return frozenset((e["step"], e["event"], frozenset(e["agents"]), frozenset(e["partners"])) for e in rows)


@dataclass(frozen=True)
class Branch:
    """What one branch has and the other has not.

    Attributes
    ----------
    name : str
        ``as it was`` or ``changed``.
    accounts : list of (Sentence, Sentence)
        What happened, and why, of the first events.
    untold : str
        How many more there are, by kind; empty where there are none.
    """

    name: str
    accounts: list[tuple[Sentence, Sentence]]
    untold: str


def contrast(tale: Tale) -> list[Branch]:
    """Return what happened to coalitions in one branch and not in the other, for both, with why."""
    runs = (tale.parent, tale.changed)
    found = []
    for name, run, units in zip(_SIDES, runs, lone_events(*runs, tale.at), strict=True):
        events, teller, explainer = rows_of(run.events), Teller(run, tale.cast), Explainer(run)
        told = []
        for unit in units[:_EVENTS]:
            deed = teller.deed(*(events[row] for row in unit))
            told.append(
                (sentence(f"Step {int(events[unit[0]]['step'])}: ", deed, "."), explainer.explain(unit[0]).parts)
            )
        left = Counter(events[row]["event"] for unit in units[_EVENTS:] for row in unit)
        kinds = [f"{number:,} {kind}" for kind, number in left.most_common()]
        found.append(Branch(name, told, "".join(listed(kinds, 6)) if kinds else ""))
    return found


def over_replicates(divergence: pd.DataFrame, effects: pd.DataFrame) -> list[Sentence]:
    """Return how often and how far the branches part over replicates, and which measures differ clearly."""
    n = int(divergence["replicate"].nunique())
    apart = int((divergence.groupby("replicate")["company"].max() > 0).sum())
    if not apart:
        same = f"In none of {n} replicates do" if n > 1 else "Nor do"
        return [(f"{same} coalitions differ at any step.",), *_clear(effects, n)]
    ends = divergence[divergence["step"] == divergence["step"].max()]
    low, middle, high = np.quantile(ends["company"], [0.05, 0.5, 0.95])
    many = f"all {n}" if apart == n else f"{apart} of {n}"
    ever = f"Coalitions differ at some step in {many} replicates. " if n > 1 else ""
    spread = f" (5–95 %: {percent(low)} to {percent(high)})" if n > 1 else ""
    index = decimal(float(ends["agreement"].median()))
    words = (
        f"{ever}At the end {percent(middle)} of the agents{spread} are in other company; the partitions agree by an "
        f"adjusted Rand index of {index} (1: the same; 0: as alike as by chance)."
    )
    return [(words,), *_clear(effects, n)]


def _clear(effects: pd.DataFrame, n: int) -> list[Sentence]:
    """Return which measures differ clearly, those first whose difference is largest beside its band.

    Scores of forecasts come last: they say how well the debate was foreseen, not how it went.
    """
    if not effects["difference_low"].any() and not effects["difference_high"].any():
        return [("No measure differs at all.",)]
    if n < ENOUGH:
        return [(f"To say which measures differ clearly takes {ENOUGH} replicates or more; there are {n}.",)]
    found = effects[effects["clear"]]
    at_end = found[found["outcome"] == "end"]
    lasting = found[(found["outcome"] == "mean") & ~found["measure"].isin(at_end["measure"])]
    told: list[Sentence] = []
    if len(at_end):
        spread = (at_end["difference_high"] - at_end["difference_low"]).clip(lower=1e-12)
        at_end = at_end.assign(
            size=at_end["difference"].abs() / spread, score=at_end["measure"].str.startswith(_SCORES)
        )
        order = at_end.sort_values(["score", "size"], ascending=[True, False], kind="stable")
        parts = [_effect(row) for row in rows_of(order)]
        told += [sentence("Clearly different at the end: ", _first(parts), "."), (f"{chance_alone(effects)}.",)]
    if len(lasting):
        before = "On average since the fork, though not at the end: " if len(at_end) else (
            "No measure differs clearly at the end; on average since the fork these do: "
        )  # fmt: skip
        told.append(sentence(before, _first([_effect(row) for row in rows_of(lasting)]), "."))
        if not len(at_end):
            told.append((f"{chance_alone(effects, 'mean')}.",))
    return told or [("No measure differs clearly, neither at the end nor on average since the fork.",)]


def chance_alone(effects: pd.DataFrame, outcome: str = "end") -> str:
    """Return how many measures chance alone would make clear; empty where replicates are too few for any."""
    expected, known = by_chance(effects, outcome)
    return f"Of {known} measures chance alone would name {_FEW[int(expected)]}" if expected else ""


def _first(parts: list[str]) -> Sentence:
    more = len(parts) - _CLEAR
    if more <= 1:
        return listed(parts, len(parts))
    return sentence(", ".join(parts[:_CLEAR]), f" and {count(more, 'more measure')} (see the table)")


def _effect(row: Row) -> str:
    ends = f"{number(row['as_it_was'])} → {number(row['changed'])}"
    return f"{CATALOGUE[row['measure']].title} ({ends}; {row['same_way']} of {row['n']})"


def number(value: float) -> str:
    """Return a number with three significant digits.

    Examples
    --------
    >>> number(-0.12345), number(3.0), number(float("nan"))
    ('−0.123', '3', '–')
    """
    return "–" if value != value else f"{value + 0.0:.3g}".replace("-", "−")


def summarise(tale: Tale, divergence: pd.DataFrame, effects: pd.DataFrame) -> list[Sentence]:
    """Return what the fork came to, a paragraph an item."""
    over = [word for part in over_replicates(divergence, effects) for word in (" ", *part)]
    return [tale.change(), tale.own(), tuple(over[1:])]


def debate_name(run: RunTables) -> Name:
    """Return the title of a run's scenario on one line."""
    return Name(" ".join((run.scenario.title or run.scenario.name).split()))
