"""The events of a run told one by one: who moved where, at what alignment, after which words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.record.reader import RunTables
from ecosystem.report.prose import Name, Sentence, moved, sentence, shorten
from ecosystem.report.story import Cast

if TYPE_CHECKING:
    import pandas as pd

TOLD = 15
_WIDE = ("form", "merge", "split", "dissolve")
_SHARE_WIDE = 9
_QUOTE = 1000
_JOINING = ("form", "join", "merge")
_VISIBLE = 0.005
_ELSEWHERE = " The occasion lay in earlier steps or in the moves of others."

Row = dict[str, Any]


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
    """An event in words; an agent's leave and join at one step are one account.

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
        Rows of the events table that it tells.
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
        return self.gain > _VISIBLE


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
    the run. Up to nine places go to the former, the rest to the latter; places left go to the other.
    """
    events: list[Row] = [{str(key): value for key, value in row.items()} for row in run.events.to_dict("records")]
    tale = _Tale(run, cast, events)
    units = _units(events)
    wide = [unit for unit in units if events[unit[0]]["event"] in _WIDE]
    single = [unit for unit in units if events[unit[0]]["event"] not in _WIDE]
    wide.sort(key=lambda unit: -tale.weight(unit))
    single.sort(key=lambda unit: -tale.force(unit))
    room = max(_SHARE_WIDE * limit // TOLD, limit - len(single))
    chosen = wide[:room]
    chosen += single[: limit - len(chosen)]
    accounts = tuple(tale.account(unit) for unit in sorted(chosen))
    totals = Counter(event["event"] for event in events)
    told = Counter(events[row]["event"] for account in accounts for row in account.rows)
    return Chronicle(accounts, dict(totals), dict(totals - told))


def _units(events: list[Row]) -> list[tuple[int, ...]]:
    """Return rows that are told together: an agent's leave and join at one step, others by themselves."""
    units: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for row, event in enumerate(events):
        move = event["event"] in ("leave", "join")
        key = (event["step"], event["agents"][0]) if move else (row,)
        units[key] = (*units.get(key, ()), row)
    return list(units.values())


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
        self.run = run

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
        words = self._switch(*events) if len(events) == 2 else self._words(events[0])
        explained = [event for event in events if not _against_alignment(event)]
        if not explained:
            words = sentence(words, _ELSEWHERE)
        topic = self.cast.topics[self.topic[step]]
        gain = max(float(event["gain"]) for event in events)
        return Account(step, topic, words, gain, self._quotes(step, explained), unit)

    def _quotes(self, step: int, events: list[Row]) -> tuple[Quote, ...]:
        listeners: dict[int, dict[str, None]] = {}
        for event in events:
            for utterance, listener in zip(event["utterances"], event["listeners"], strict=True):
                listeners.setdefault(int(utterance), {})[listener] = None
        said, heard = _at(self.run.utterances, step), _at(self.run.affinity, step)
        speakers = {u: (s, t) for u, s, t in zip(said["utterance"], said["speaker"], said["text"], strict=True)}
        voices: dict[str, list[Voice]] = {}
        for utterance, keys in listeners.items():
            speaker, text = speakers[utterance]
            mine = heard[heard["speaker"] == speaker]
            affinity = dict(zip(mine["listener"], mine["observed"], strict=True))
            reactions = ((self.cast.agents[key], float(affinity.get(key, np.nan))) for key in keys)
            voices.setdefault(text, []).append(Voice(self.cast.agents[speaker], tuple(reactions)))
        return tuple(Quote(shorten(text, _QUOTE), tuple(said)) for text, said in voices.items())

    def _words(self, event: Row) -> Sentence:
        tell = {
            "form": self._form,
            "dissolve": self._dissolve,
            "merge": self._merge,
            "split": self._split,
            "join": self._join,
            "leave": self._leave,
        }
        return tell[event["event"]](event)

    def _coalition(self, event: Row, word: str = "coalition") -> Sentence:
        return sentence(f"{word} {int(event['coalition'])} (", self.cast.who(list(event["partners"])), ")")

    def _form(self, event: Row) -> Sentence:
        return sentence(
            self.cast.who(list(event["agents"])),
            f" formed coalition {int(event['coalition'])}; mean alignment among them {_went(event)}.",
        )

    def _dissolve(self, event: Row) -> Sentence:
        return sentence(
            self._coalition(event, "Coalition"),
            f" dissolved; mean alignment among them {_went(event)}.",
        )

    def _merge(self, event: Row) -> Sentence:
        return sentence(
            self.cast.who(list(event["agents"])),
            f" (coalition {int(event['other'])}) merged into ",
            self._coalition(event),
            f"; mean alignment between the two sides {_went(event)}.",
        )

    def _split(self, event: Row) -> Sentence:
        return sentence(
            self.cast.who(list(event["agents"])),
            f" split off from coalition {int(event['coalition'])} as coalition {int(event['other'])}, leaving ",
            self.cast.who(list(event["partners"])),
            f"; mean alignment between those who went and those who stayed {_went(event)}.",
        )

    def _join(self, event: Row) -> Sentence:
        return sentence(
            self.cast.who(list(event["agents"])),
            " joined ",
            self._coalition(event),
            f"; mean alignment with them {_went(event)}.",
        )

    def _leave(self, event: Row) -> Sentence:
        (agent,) = event["agents"]
        members = _at(self.run.memberships, event["step"])
        now = dict(zip(members["agent"], members["coalition"], strict=True))
        with_whom = [key for key, block in now.items() if block == now[agent] and key != agent]
        goal: Sentence = (" and stood alone",)
        if with_whom:
            goal = sentence(f" for the new coalition {now[agent]} with ", self.cast.who(with_whom))
        return sentence(
            self.cast.agents[agent],
            " left ",
            self._coalition(event),
            goal,
            f"; mean alignment with those left behind {_went(event)}.",
        )

    def _switch(self, leave: Row, join: Row) -> Sentence:
        return sentence(
            self.cast.who(list(leave["agents"])),
            " left ",
            self._coalition(leave),
            " for ",
            self._coalition(join),
            f"; mean alignment with those left behind {_went(leave)}, with those joined it {_went(join)}.",
        )


def _at(table: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the rows of a step; tables are in order of steps."""
    start, end = np.searchsorted(table["step"].to_numpy(), [step, step + 1])
    return table.iloc[start:end]


def _against_alignment(event: Row) -> bool:
    """Return whether agents came together while their alignment did not rise, or parted while it did not fall."""
    rise = float(event["alignment_after"]) - float(event["alignment_before"])
    return rise <= _VISIBLE if event["event"] in _JOINING else rise >= -_VISIBLE


def _went(event: Row) -> str:
    return moved(float(event["alignment_before"]), float(event["alignment_after"]))
