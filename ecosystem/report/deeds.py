"""What happened, in words: the events of coalitions, and interventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.record.reader import RunTables
from ecosystem.report.prose import Name, Sentence, label, listed, name, sentence
from ecosystem.report.story import Cast

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

BETWEEN = {
    "form": "among them",
    "dissolve": "among them",
    "merge": "between the two sides",
    "split": "between those who went and those who stayed",
    "join": "with them",
    "leave": "with those left behind",
}
"""Whose alignment an event's is: that of its agents and its partners."""

JOINING = ("form", "join", "merge")
"""Events that bring agents together; the others part them."""

VISIBLE = 0.005
"""Changes up to this are none at the two decimals that are shown."""

_QUOTE = 300


class Teller:
    """Puts rows of the tables of events and interventions into words.

    Parameters
    ----------
    run : RunTables
        The run.
    cast : Cast
        The names of its agents and topics.
    """

    def __init__(self, run: RunTables, cast: Cast) -> None:
        self._run, self._cast = run, cast
        self._tell = {
            "form": self._form,
            "dissolve": self._dissolve,
            "merge": self._merge,
            "split": self._split,
            "join": self._join,
            "leave": self._leave,
        }

    def deed(self, event: Row, join: Row | None = None) -> Sentence:
        """Return who did what, as a clause: ``Ada joined coalition 1 (Ben and Cem)``.

        Where ``join`` is given it is told together with the leave that went before it.
        """
        if join is not None:
            return sentence(self._who(event), " left ", self._coalition(event), " for ", self._coalition(join))
        return self._tell[event["event"]](event)

    def new_partners(self, event: Row) -> list[str]:
        """Return with whom the agent of an event was at the end of its step."""
        (agent,) = event["agents"]
        labels = self._labels(event)
        return [key for key, block in labels.items() if block == labels[agent] and key != agent]

    def walked_out(self, event: Row) -> bool:
        """Return whether an intervention took an agent of the event out of the debate at its step."""
        table = at_step(self._run.interventions, int(event["step"]))
        gone = {agent for agents in table["agents"][table["intervention"] == "leave"] for agent in agents}
        return bool(gone & {*event["agents"]})

    def intervention(self, row: Row) -> Sentence:
        """Return what an intervention did, as a clause: ``Ada entered the debate``."""
        kind, agents = row["intervention"], list(row["agents"])
        if kind in ("enter", "leave"):
            return sentence(self._cast.who(agents), f" {'entered' if kind == 'enter' else 'left'} the debate")
        if kind == "topic":
            return sentence(self._cast.topics[row["topic"]], " came onto the agenda")
        if kind == "turn":
            return sentence("the debate turned to ", self._cast.topics[row["topic"]])
        if kind == "shock":
            return self._shock(str(row["changes"]), agents)
        on = sentence(" on ", self._cast.topics[row["topic"]], ", “", quoted(row["text"]), "”")
        if kind == "statement":
            return sentence(self._cast.who(agents), " learned of a statement", on)
        taken = self._cast.who(list(row["accepted_by"]))
        return sentence("a message", on, ", reached ", self._cast.who(agents), " and was taken over by ", taken)

    def _shock(self, changes: str, agents: list[str]) -> Sentence:
        told: list[Sentence] = []
        for change in changes.split(", "):
            parameter, value = change.split("=")
            everyone = parameter != "stubbornness" or len(agents) == len(self._cast.agents)
            whose: Sentence = () if everyone else sentence(" of ", self._cast.who(agents))
            told.append(sentence(label(parameter), whose, f" was {became(value)}"))
        return listed(told)

    def _who(self, event: Row) -> Sentence:
        return self._cast.who(list(event["agents"]))

    def _coalition(self, event: Row) -> Sentence:
        return sentence(f"coalition {int(event['coalition'])} (", self._cast.who(list(event["partners"])), ")")

    def _form(self, event: Row) -> Sentence:
        return sentence(self._who(event), f" formed coalition {int(event['coalition'])}")

    def _dissolve(self, event: Row) -> Sentence:
        return sentence(self._coalition(event), " dissolved")

    def _merge(self, event: Row) -> Sentence:
        return sentence(self._who(event), f" (coalition {int(event['other'])}) merged into ", self._coalition(event))

    def _split(self, event: Row) -> Sentence:
        return sentence(
            self._who(event),
            f" split off from coalition {int(event['coalition'])} as coalition {int(event['other'])}, leaving ",
            self._cast.who(list(event["partners"])),
        )

    def _join(self, event: Row) -> Sentence:
        return sentence(self._who(event), " joined ", self._coalition(event))

    def _leave(self, event: Row) -> Sentence:
        (agent,) = event["agents"]
        partners = self.new_partners(event)
        goal: Sentence = (" with the debate" if self.walked_out(event) else " and stood alone",)
        if partners:
            label = self._labels(event)[agent]
            goal = sentence(f" for the new coalition {label} with ", self._cast.who(partners))
        return sentence(self._cast.agents[agent], " left ", self._coalition(event), goal)

    def _labels(self, event: Row) -> dict[str, int]:
        members = at_step(self._run.memberships, int(event["step"]))
        return dict(zip(members["agent"], members["coalition"].tolist(), strict=True))


def became(value: str) -> str:
    """Return how a parameter came to a value of the table of interventions: ``set to −0.1``, or ``lifted``."""
    return "lifted" if value == "null" else f"set to {value.replace('-', '−')}"


def together(events: list[Row]) -> list[tuple[int, ...]]:
    """Return rows that are told together: an agent's leave and join at one step, others by themselves."""
    units: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for row, event in enumerate(events):
        move = event["event"] in ("leave", "join")
        key = (event["step"], event["agents"][0]) if move else (row,)
        units[key] = (*units.get(key, ()), row)
    return list(units.values())


def capital(words: Sentence) -> Sentence:
    """Return a clause as the beginning of a sentence; a name stays as it is."""
    first, *rest = words
    return words if isinstance(first, Name) else (first[:1].upper() + first[1:], *rest)


def quoted(text: str) -> Name:
    """Return what was said, as a sentence quotes it: on one line, of at most 300 characters."""
    return name(text, _QUOTE)


def at_step(table: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the rows of a step; tables are in order of steps."""
    start, end = np.searchsorted(table["step"].to_numpy(), [step, step + 1])
    return table.iloc[start:end]


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
