"""The events of a run told one by one: who moved where, at what alignment, after which words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ecosystem.record.reader import RunTables
from ecosystem.report.deeds import BETWEEN, JOINING, VISIBLE, Row, Teller, at_step, capital, rows_of, together
from ecosystem.report.explain import Explainer
from ecosystem.report.prose import Name, Sentence, count, moved, sentence, shorten
from ecosystem.report.story import Cast

TOLD = 15
_WIDE = ("form", "merge", "split", "dissolve")
_SHARE_WIDE = 9
_QUOTE = 1000
_ELSEWHERE = " The occasion lay in earlier steps or in the moves of others."


@dataclass(frozen=True)
class Voice:
    """A speaker, with the listeners whose reaction counted and their affinity to what was said."""

    speaker: Name
    heard_by: tuple[tuple[Name, float], ...]


@dataclass(frozen=True)
class Quote:
    """What was said behind an event, by one agent or by several in the same words."""

    text: str
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class Account:
    """An event or an intervention in words; an agent's leave and join at one step are one account.

    Attributes
    ----------
    step : int
        When.
    topic : Name
        What was under debate.
    words : Sentence
        What happened.
    gain : float
        Of those who moved.
    quotes : tuple of Quote
        What was said, in the order of its effect; nothing of an event that the alignment speaks against.
    rows : tuple of int
        Rows of the events table that it tells; none of an intervention.
    """

    step: int
    topic: Name
    words: Sentence
    gain: float
    quotes: tuple[Quote, ...]
    rows: tuple[int, ...]

    @property
    def gains(self) -> bool:
        """Whether the gain is more than nothing at the two decimals that are shown."""
        return self.gain > VISIBLE


@dataclass(frozen=True)
class Chronicle:
    """The accounts of the most important events, and how many there were, and are left, of each kind."""

    accounts: tuple[Account, ...]
    totals: dict[str, int]
    untold: dict[str, int]


def chronicle(run: RunTables, cast: Cast, limit: int = TOLD) -> Chronicle:
    """Return accounts of the events that mattered most, in order of time.

    Coalition-wide events rank by how much the coalition weighed over the run (members times steps), moves
    of single agents by their gain or their change of alignment, whichever is larger beside the largest of
    the run. Up to nine places go to the former, the rest to the latter; places left go to the other. The first
    interventions, as many again at most, stand before the events of their steps.
    """
    events = rows_of(run.events)
    tale = _Tale(run, cast, events)
    units = together(events)
    wide = [unit for unit in units if events[unit[0]]["event"] in _WIDE]
    single = [unit for unit in units if events[unit[0]]["event"] not in _WIDE]
    wide.sort(key=lambda unit: -tale.weight(unit))
    single.sort(key=lambda unit: -tale.force(unit))
    room = max(_SHARE_WIDE * limit // TOLD, limit - len(single))
    chosen = wide[:room]
    chosen += single[: limit - len(chosen)]
    told_events = [tale.account(unit) for unit in sorted(chosen)]
    accounts = tuple(sorted([*tale.interventions(limit), *told_events], key=lambda account: account.step))
    totals = Counter(event["event"] for event in events)
    told = Counter(events[row]["event"] for account in accounts for row in account.rows)
    return Chronicle(accounts, dict(totals), dict(totals - told))


class _Tale:
    """Looks up what the words of events need."""

    def __init__(self, run: RunTables, cast: Cast, events: list[Row]) -> None:
        self.cast, self.events = cast, events
        self.topic = dict(zip(run.metrics["step"], run.metrics["topic"], strict=True))
        self.size = Counter(run.memberships["coalition"].to_numpy().tolist())
        self.change = [abs(np.nan_to_num(e["alignment_after"] - e["alignment_before"])) for e in events]
        singles = [row for row, event in enumerate(events) if event["event"] not in _WIDE]
        self.largest = [max((events[row]["gain"] for row in singles), default=0), 0.0]
        self.largest[1] = max((self.change[row] for row in singles), default=0)
        self.run, self.teller, self.explainer = run, Teller(run, cast), Explainer(run)
        self.given = run.scenario.affinity is not None

    def weight(self, unit: tuple[int, ...]) -> float:
        """Return what the coalitions of a coalition-wide event weighed over the run."""
        event = self.events[unit[0]]
        other = event["other"]
        return max(self.size[int(event["coalition"])], 0 if other != other or other is None else self.size[int(other)])

    def force(self, unit: tuple[int, ...]) -> float:
        """Return how large a move was: its gain or change beside the largest, whichever is larger."""
        gain = max(self.events[row]["gain"] for row in unit) / (self.largest[0] or 1)
        return float(max(gain, max(self.change[row] for row in unit) / (self.largest[1] or 1)))

    def account(self, unit: tuple[int, ...]) -> Account:
        """Return the account of an event, or of a leave and a join together."""
        events = [self.events[row] for row in unit]
        step = int(events[0]["step"])
        words = sentence(capital(self.teller.deed(*events)), f"; {_alignments(events)}.")
        explained = [event for event in events if not _against_alignment(event)]
        if not explained:
            words = sentence(words, self._background(events))
        gain = max(float(event["gain"]) for event in events)
        return Account(step, self._topic(step), words, gain, self._quotes(step, explained), unit)

    def interventions(self, limit: int) -> list[Account]:
        """Return accounts of the first interventions; the last says how many more there were."""
        table = self.run.interventions
        rows = rows_of(table.iloc[:limit])
        told = [sentence(capital(self.teller.intervention(row)), ".") for row in rows]
        if len(table) > limit:
            told[-1] = sentence(told[-1], f" {count(len(table) - limit, 'intervention')} more followed.")
        steps = [int(row["step"]) for row in rows]
        return [Account(step, self._topic(step), words, 0.0, (), ()) for step, words in zip(steps, told, strict=True)]

    def _topic(self, step: int) -> Name:
        return self.cast.topics[self.topic[step]]

    def _background(self, events: list[Row]) -> Sentence:
        """Return what alignment did in the steps before, where that accounts for the events, or where else to look."""
        if self.given or self.teller.walked_out(events[0]):
            return ()
        looks = (self.explainer.look(event) for event in events)
        return next((sentence(" ", look.words) for look in looks if look.accounts), (_ELSEWHERE,))

    def _quotes(self, step: int, events: list[Row]) -> tuple[Quote, ...]:
        listeners: dict[int, dict[str, None]] = {}
        for event in events:
            for utterance, listener in zip(event["utterances"], event["listeners"], strict=True):
                listeners.setdefault(int(utterance), {})[listener] = None
        said, heard = at_step(self.run.utterances, step), at_step(self.run.affinity, step)
        speakers = {u: (s, t) for u, s, t in zip(said["utterance"], said["speaker"], said["text"], strict=True)}
        voices: dict[str, list[Voice]] = {}
        for utterance, keys in listeners.items():
            speaker, text = speakers[utterance]
            mine = heard[heard["speaker"] == speaker]
            affinity = dict(zip(mine["listener"], mine["observed"], strict=True))
            reactions = ((self.cast.agents[key], float(affinity.get(key, np.nan))) for key in keys)
            voices.setdefault(text, []).append(Voice(self.cast.agents[speaker], tuple(reactions)))
        return tuple(Quote(shorten(text, _QUOTE), tuple(said)) for text, said in voices.items())


def _against_alignment(event: Row) -> bool:
    """Return whether agents came together while their alignment did not rise, or parted while it did not fall."""
    rise = float(event["alignment_after"]) - float(event["alignment_before"])
    return rise <= VISIBLE if event["event"] in JOINING else rise >= -VISIBLE


def _alignments(events: list[Row]) -> str:
    """Return how the mean alignment with the partners of an event went at its step, or of a leave and a join."""
    went = [moved(float(event["alignment_before"]), float(event["alignment_after"])) for event in events]
    words = f"mean alignment {BETWEEN[events[0]['event']]} {went[0]}"
    return words if len(went) == 1 else f"{words}, with those joined it {went[1]}"
