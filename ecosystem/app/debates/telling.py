"""What happened at the steps of a debate, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecosystem.app.debates.scenes import Told
from ecosystem.record.reader import RunTables
from ecosystem.report.deeds import Teller, capital, rows_of, together
from ecosystem.report.prose import sentence
from ecosystem.report.story import Cast
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    import pyarrow as pa


class LiveTables(RunTables):
    """The tables of a debate that goes on, as far as it went; what reads a finished run reads them too.

    Parameters
    ----------
    scenario : Scenario
        What is debated.
    find : callable
        Returns a table by its name.
    """

    def __init__(self, scenario: Scenario, find: Callable[[str], pa.Table]) -> None:
        self.path = Path()
        self.scenario = scenario
        self.manifest = {
            "scenario": scenario.name,
            "title": scenario.title or scenario.name,
            "seed": scenario.parameters.seed,
            "parameters": scenario.parameters.model_dump(mode="json"),
            "agents": {key: persona.name for key, persona in scenario.personas.items()},
            "topics": {topic.id: topic.title or topic.id for topic in scenario.topics},
        }
        self._find = find

    def arrow(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table, or some of its columns."""
        found = self._find(table)
        return found if columns is None else found.select(list(columns))


def tell(run: RunTables, first: int = 0) -> list[Told]:
    """Return what the tables of events and interventions say, in order of steps, interventions first.

    Parameters
    ----------
    run : RunTables
        The tables of a run, or of some of its steps.
    first : int
        Number of events before those in the table.
    """
    cast = Cast.of(run)
    teller = Teller(run, cast)
    agent = {key: index for index, key in enumerate(run.scenario.personas)}
    told = [
        Told(
            int(row["step"]),
            "intervention",
            sentence(capital(teller.intervention(row)), "."),
            tuple(agent[key] for key in row["agents"]),
            None,
        )
        for row in rows_of(run.interventions)
    ]
    events = rows_of(run.events)
    for unit in together(events):
        rows = [events[k] for k in unit]
        agents = tuple(agent[key] for key in rows[0]["agents"])
        kind = "move" if len(rows) > 1 else str(rows[0]["event"])
        words = sentence(capital(teller.deed(*rows)), ".")
        told.append(Told(int(rows[0]["step"]), kind, words, agents, first + unit[0]))
    return sorted(told, key=lambda one: one.step)
