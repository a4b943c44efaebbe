"""Why an event of a run happened: how alignment changed, since when, and after which words, heard by whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.errors import InputError, shorten
from ecosystem.record.reader import RunTables
from ecosystem.report.deeds import BETWEEN, JOINING, VISIBLE, Row, Teller, at_step, rows_of, together
from ecosystem.report.lookback import Change, History
from ecosystem.report.prose import Name, Sentence, count, decimal, listed, moved, sentence, signed
from ecosystem.report.story import Cast
from ecosystem.report.voices import Voices

_OTHERS = 3


class Explanation(str):
    """Why an event happened: a short paragraph, which also holds the rows of the run's tables that it names.

    Attributes
    ----------
    parts : tuple of str
        The paragraph; names and quotes stand apart from the words around them.
    step : int
        When it happened.
    alignment : DataFrame
        The rows of the alignment table that its figures are, or are the means of.
    utterances : DataFrame
        The rows of the table of utterances that it quotes, one for each listener that counted, with ``listener``,
        ``observed`` (its affinity to what was said) and ``contribution`` (to the mean alignment explained); text by
        text, the largest contribution first.
    """

    parts: Sentence
    step: int
    alignment: pd.DataFrame
    utterances: pd.DataFrame

    def __new__(cls, parts: Sentence, step: int, alignment: pd.DataFrame, utterances: pd.DataFrame) -> Explanation:
        """Make the paragraph of its parts."""
        self = super().__new__(cls, "".join(parts))
        self.parts, self.step, self.alignment, self.utterances = parts, step, alignment, utterances
        return self

    @property
    def text(self) -> str:
        """The paragraph as plain text."""
        return str(self)

    def _repr_html_(self) -> str:
        words = (f"<bdi>{escape(part)}</bdi>" if isinstance(part, Name) else escape(part) for part in self.parts)
        return f"<p>{''.join(words)}</p>"


@dataclass(frozen=True)
class Look:
    """What alignment did before an event, in words.

    Attributes
    ----------
    words : tuple of str
        A sentence.
    changes : tuple of Change
        The changes it names.
    accounts : bool
        Whether the last of them went the event's way: up where agents came together, down where they parted.
    """

    words: Sentence
    changes: tuple[Change, ...]
    accounts: bool


class Explainer:
    """Explains the events of a run, whose tables it indexes once.

    Parameters
    ----------
    run : RunTables
        The run.
    """

    def __init__(self, run: RunTables) -> None:
        self._run, self._cast = run, Cast.of(run)
        self._history, self._teller = History(run), Teller(run, self._cast)
        self._voices = Voices(run, self._cast, self._history)
        self._events = rows_of(run.events)
        self._number = {_identity(event): number for number, event in enumerate(self._events)}
        self._unit = {number: unit for unit in together(self._events) for number in unit}

    def explain(self, event: int | Mapping[str, Any] | pd.Series[Any]) -> Explanation:
        """Return why an event happened.

        Parameters
        ----------
        event : int, mapping or Series
            A row of the table of events, or its position there.

        Raises
        ------
        InputError
            It is not an event of the run.
        """
        number = self._find(event)
        step = int(self._events[number]["step"])
        moves = self._moves(number)
        looks = [self.look(move, switch=len(moves) > 1, beside=k > 0) for k, move in enumerate(moves)]
        telling = next((k for k, look in enumerate(looks) if look.accounts), 0)
        change = looks[telling].changes[-1]
        said, utterances = self._voices.quote(change, _direction(change, moves[telling]))
        parts = [self._opening(number), self._interventions(step)]
        for k, look in enumerate(looks):
            parts += [look.words, said] if k == telling else [look.words]
        if not looks[telling].accounts:
            parts.append(self._elsewhere(number, looks[0].changes[-1]))
        named = self._named(change for look in looks for change in look.changes)
        return Explanation(tuple(word for part in parts if part for word in (" ", *part))[1:], step, named, utterances)

    def look(self, event: Row, switch: bool = False, beside: bool = False) -> Look:
        """Look back from an event to when its agents last changed coalition.

        Where alignment did not go the event's way since then, the whole debate and the step alone are looked at
        too, in this order, and the first that did is told beside it.

        Parameters
        ----------
        event : dict
            A row of the table of events.
        switch, beside : bool
            Whether the agent made another move at the step; whether this is told after that one.
        """
        agents, partners, step = list(event["agents"]), list(event["partners"]), int(event["step"])
        since = self._history.last_move(agents, step)
        change = self._history.change(agents, partners, since, step)
        whose = "with those joined" if (switch or beside) and event["event"] == "join" else BETWEEN[event["event"]]
        when: Sentence = ("In the same time",) if beside else self._since(agents, since)
        words = sentence(when, f", mean alignment {whose} ", self._went(change))
        if _accounts(change, event):
            return Look(sentence(words, "."), (change,), accounts=True)
        for start, then in ((0, "over the whole debate"), (step - 1, "at this step alone")):
            other = self._history.change(agents, partners, start, step)
            if start != since and _accounts(other, event):
                words = sentence(words, f", but {then} it ", self._went(other), ".")
                return Look(words, (change, other), accounts=True)
        return Look(sentence(words, "."), (change,), accounts=False)

    def _moves(self, number: int) -> list[Row]:
        """Return an event and what goes with it: the other half of a change of coalition, or its goal."""
        event, unit = self._events[number], self._unit[number]
        moves = [event, *(self._events[k] for k in unit if k != number)]
        if event["event"] == "leave" and len(moves) == 1:
            partners = self._teller.new_partners(event)
            moves += [{**event, "event": "join", "partners": partners}] if partners else []
        return moves

    def _opening(self, number: int) -> Sentence:
        unit, step = self._unit[number], int(self._events[number]["step"])
        deed = self._teller.deed(*(self._events[k] for k in unit))
        if self._run.scenario.affinity is not None:
            return sentence(f"At step {step} ", deed, ".")
        topic = at_step(self._run.metrics, step)["topic"].iloc[0]
        return sentence(f"At step {step}, with ", self._cast.topics[topic], " under debate, ", deed, ".")

    def _since(self, agents: list[str], since: int) -> Sentence:
        if since == 0:
            return ("From the start of the debate",)
        movers = self._cast.who(self._history.movers(agents, since), _OTHERS)
        return sentence(f"Since step {since}, when ", movers, " changed coalition")

    def _went(self, change: Change) -> Sentence:
        """Return how the mean went and, of several pairs, which went that way the furthest."""
        went = moved(change.start, change.end)
        lengths = np.sign(change.rise) * (change.after - change.before)
        if len(lengths) < 2 or not lengths.max() > VISIBLE or signed(change.start) == signed(change.end):
            return (went,)
        most = int(lengths.argmax())
        one, other = (self._cast.agents[key] for key in self._history.who(int(change.pairs[most])))
        ends = f" ({signed(float(change.before[most]))} to {signed(float(change.after[most]))})"
        return sentence(f"{went}, most between ", one, " and ", other, ends)

    def _elsewhere(self, number: int, change: Change) -> Sentence:
        """Return what else there was to an event that the changes of alignment do not account for."""
        gamma = self._history.threshold(change.until)
        gain = max(float(self._events[k]["gain"]) for k in self._unit[number])
        parts: list[Sentence] = []
        if _way(self._events[number]) * (change.end - gamma) > 0 and signed(change.end) != signed(gamma):
            side = "above" if change.end > gamma else "below"
            parts.append((f"it stood {side} the threshold of {decimal(gamma)} that makes a coalition worth sharing",))
        if gain > VISIBLE:
            parts.append((f"the move brought a gain of {decimal(gain)} in alignment above the threshold",))
        deeds = [self._teller.deed(*(self._events[k] for k in unit)) for unit in self._others(number)]
        if len(deeds) > _OTHERS + 1:
            deeds[_OTHERS:] = [(f"there were {count(len(deeds) - _OTHERS, 'more event')}",)]
        if deeds:
            parts.append(sentence("at the same step ", listed(deeds, len(deeds))))
        return sentence("What else counted: ", listed(parts, len(parts), "; "), ".") if parts else ()

    def _others(self, number: int) -> list[tuple[int, ...]]:
        """Return what else happened at the step, first what concerned the same agents or coalitions."""
        mine = self._events[number]
        near = _concerned(mine)
        rows = (k for k, event in enumerate(self._events) if event["step"] == mine["step"])
        units = dict.fromkeys(self._unit[k] for k in rows if self._unit[k] != self._unit[number])
        return sorted(units, key=lambda unit: not any(near & _concerned(self._events[k]) for k in unit))

    def _interventions(self, step: int) -> Sentence:
        told = [self._teller.intervention(row) for row in rows_of(at_step(self._run.interventions, step))]
        if not told:
            return ()
        number = "an intervention" if len(told) == 1 else f"{len(told)} interventions"
        return sentence(f"The step began with {number}: ", listed(told, _OTHERS, "; "), ".")

    def _named(self, changes: Iterable[Change]) -> pd.DataFrame:
        ends = ((change.pairs, step) for change in changes for step in (change.since, change.until))
        rows = {row for pairs, step in ends for row in self._history.rows(pairs, step)}
        return self._run.alignment.iloc[sorted(rows)]

    def _find(self, event: int | Mapping[str, Any] | pd.Series[Any]) -> int:
        """Return the position of an event in the table."""
        accepted = f"a row of run.events, or its position from 0 to {len(self._events) - 1}, is accepted"
        if not self._events:
            accepted = "the run has no events"
        if isinstance(event, int | np.integer) and not isinstance(event, bool):
            if 0 <= event < len(self._events):
                return int(event)
        elif isinstance(event, Mapping | pd.Series):
            try:
                return self._number[_identity(event)]
            except (KeyError, TypeError, ValueError):
                accepted = f"it is not an event of the run; {accepted}"
        raise InputError("event", f"found {shorten(event)}; {accepted}")


def _identity(event: Mapping[str, Any] | pd.Series[Any]) -> tuple[Any, ...]:
    """Return what tells an event from the others of its run."""
    return int(event["step"]), event["event"], int(event["coalition"]), tuple(event["agents"])


def _concerned(event: Row) -> set[Any]:
    other = event["other"]
    return {*event["agents"], int(event["coalition"]), *([int(other)] if other == other and other is not None else [])}


def _way(event: Row) -> int:
    return 1 if event["event"] in JOINING else -1


def _accounts(change: Change, event: Row) -> bool:
    """Return whether alignment went the event's way, as far as is shown."""
    return _way(event) * change.rise > VISIBLE and signed(change.start) != signed(change.end)


def _direction(change: Change, event: Row) -> int:
    """Return which way the alignment went: up or down, or the event's way where it stayed."""
    return int(np.sign(change.rise)) if abs(change.rise) > VISIBLE else _way(event)
