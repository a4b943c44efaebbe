"""How a debate stood at a step, from what was written of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.scenes import Scene, Setting
from ecosystem.dynamics.coalitions import threshold_at
from ecosystem.dynamics.draws import Draws
from ecosystem.dynamics.state import State
from ecosystem.errors import InputError
from ecosystem.opening import opening_state
from ecosystem.record.checkpoint import load_checkpoint, stem
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import index_of, numbers
from ecosystem.report.lookback import standing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ecosystem.app.debates.course import Course

Pairs = NDArray[np.float32]
Held = tuple[tuple[int, ...], ...]


def scene_at(tables: RunTables, setting: Setting, step: int, course: Course, folder: Path) -> Scene:
    """Return how things stood at the end of a step; what happened at it (`Scene.told`) is left out.

    Parameters
    ----------
    tables : RunTables
        With the rows of that one step; for the opening none are needed, it follows from scenario and seed.
    setting : Setting
        What stays the same.
    step : int
        Number of the step; 0 is before the first.
    course : Course
        What was kept of every step.
    folder : Path
        Where ``checkpoints`` is. What agents hold is known as of the last one at or before the step.

    Raises
    ------
    InputError
        A table or a checkpoint cannot be read.
    """
    present = course.present[step]
    rows = _opening(setting) if step == 0 else _rows(tables, setting)
    rows["opinions"][~present] = np.nan
    held, held_at = held_by(setting, step, folder)
    p = setting.scenario.parameters
    rule, value = (
        [getattr(p, name), *standing(setting.scenario, name, step)][-1] for name in ("threshold_rule", "threshold")
    )
    return Scene(
        step=step,
        topic=course.topics[step],
        partition=course.partitions[step].astype(np.int64),
        present=present,
        held=held,
        held_at=held_at,
        points=course.points[step],
        places=course.places(step),
        arrived=course.arrived(step),
        told=(),
        threshold=threshold_among(rows["alignment"], present, rule, value),
        **rows,
    )


def threshold_among(alignment: Pairs, present: NDArray[np.bool_], rule: Any, value: float) -> float:
    """Return the threshold gamma that a rule sets at the alignment, ``(n_agents, n_agents)``, of those present."""
    here = np.flatnonzero(present)
    return float(threshold_at(alignment[np.ix_(here, here)].astype(np.float64), rule, value))


def held_by(setting: Setting, step: int, folder: Path) -> tuple[Held, int]:
    """Return the statements that each agent held, as last known at a step, and the step after which it was so."""
    names = [path.stem for path in (folder / "checkpoints").glob("*.safetensors")]
    name = max((name for name in names if name <= stem(step)), default=None)
    if name is None or step == 0:
        return holdings(opening_of(setting).memory.held), 0
    state, _ = load_checkpoint(folder / "checkpoints" / f"{name}.safetensors")
    return holdings(state.memory.held), state.tick


def holdings(held: NDArray[np.int64]) -> Held:
    """Return the statements in the places of each agent, free ones left out."""
    return tuple(tuple(row[row >= 0].tolist()) for row in held)


def opening_of(setting: Setting) -> State:
    """Return the state before the first step, which follows from scenario and seed."""
    scenario = setting.scenario
    draws = Draws.of(np.random.default_rng(scenario.parameters.seed))
    return opening_state(
        scenario, list(setting.personas), setting.statements, setting.positions, draws.at(0, "opening")
    )


class StepReader:
    """Reads the tables in a run's folder a row group at a time: those of a checkpoint, in order of steps.

    The last row group read of each table is kept for the next step. May be used from several threads.

    Parameters
    ----------
    folder : Path
        Of a finished run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = RLock()
        self._files: dict[str, tuple[pq.ParquetFile, list[_Group]]] = {}
        self._last: dict[str, tuple[int, pa.Table]] = {}

    def rows(self, name: str, step: int) -> pa.Table:
        """Return the rows of a step in a table.

        Raises
        ------
        InputError
            The table is missing or is none.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        with self._lock, self._readable(name):
            file, groups = self._open(name)
            tables = [file.schema_arrow.empty_table()]
            for group in groups:
                if group.first <= step <= group.last:
                    if self._last.get(name, (-1,))[0] != group.number:
                        self._last[name] = group.number, file.read_row_group(group.number, use_threads=False)
                    table = self._last[name][1]
                    tables.append(table.filter(pc.equal(table["step"], step)))
            return pa.concat_tables(tables).combine_chunks()

    def groups(self, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table, with some of its columns; raise as `rows` does."""
        with self._lock, self._readable(name):
            file, groups = self._open(name)
        for group in groups:
            with self._lock, self._readable(name):
                table = file.read_row_group(group.number, list(columns), use_threads=False)
            yield table

    def close(self) -> None:
        """Close the files, and let go of what was read."""
        with self._lock:
            for file, _ in self._files.values():
                file.close()
            self._files.clear()
            self._last.clear()

    def _open(self, name: str) -> tuple[pq.ParquetFile, list[_Group]]:
        import pyarrow.parquet as pq

        if name not in self._files:
            file = pq.ParquetFile(self._folder / f"{name}.parquet")
            column = file.schema_arrow.get_field_index("step")
            groups = []
            for number in range(file.num_row_groups):
                group = file.metadata.row_group(number)
                if group.num_rows:
                    steps = group.column(column).statistics
                    groups.append(_Group(number, int(steps.min), int(steps.max)))
            self._files[name] = file, groups
        return self._files[name]

    @contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, AttributeError) as error:
            where = str(self._folder / f"{name}.parquet")
            raise InputError(where, f"cannot be read as a table ({error})") from None


@dataclass(frozen=True)
class _Group:
    """A row group: its number in the file, and the steps that it goes from and to."""

    number: int
    first: int
    last: int


def _opening(setting: Setting) -> dict[str, Any]:
    """Return what the tables would say of the opening."""
    state, n = opening_of(setting), len(setting.personas)
    nothing = np.full((n, n), np.nan, np.float32)
    return {
        "utterances": np.full(n, -1),
        "speaker": np.full(n, -1),
        "accepted": np.zeros(n, bool),
        "forecast": nothing,
        "observed": nothing,
        "alignment": state.alignment.astype(np.float32),
        "opinions": state.opinions.astype(np.float32),
    }


def _rows(tables: RunTables, setting: Setting) -> dict[str, Any]:
    """Return what the tables say of a step, by agent index."""
    return _spoken(tables, setting) | _heard(tables, setting) | _standing(tables, setting)


def _spoken(tables: RunTables, setting: Setting) -> dict[str, Any]:
    """Return what each said, whom each weighed, and whether it accepted."""
    said = tables.arrow("utterances", ("speaker", "statement", "weighed_by", "accepted_by")).combine_chunks()
    keys, n = list(setting.keys), len(setting.keys)
    speakers = index_of(said["speaker"], keys)
    utterances, speaker, accepted = np.full(n, -1), np.full(n, -1), np.zeros(n, bool)
    utterances[speakers] = said["statement"].to_numpy()
    weighed = said["weighed_by"].combine_chunks()
    speaker[index_of(weighed.flatten(), keys)] = np.repeat(speakers, weighed.value_lengths().to_numpy())
    accepted[index_of(said["accepted_by"].combine_chunks().flatten(), keys)] = True
    return {"utterances": utterances, "speaker": speaker, "accepted": accepted}


def _heard(tables: RunTables, setting: Setting) -> dict[str, Any]:
    """Return the affinity expected and found of each listener to each speaker."""
    table = tables.arrow("affinity", ("speaker", "listener", "forecast", "observed"))
    keys, n = list(setting.keys), len(setting.keys)
    where = tuple(index_of(table[name], keys) for name in ("speaker", "listener"))
    found = {name: np.full((n, n), np.nan, np.float32) for name in ("forecast", "observed")}
    for name, matrix in found.items():
        matrix[where] = numbers(table[name])
    return found


def _standing(tables: RunTables, setting: Setting) -> dict[str, Any]:
    """Return alignment and opinions."""
    keys, n = list(setting.keys), len(setting.keys)
    pairs = tables.arrow("alignment", ("source", "target", "weight"))
    source, target = (index_of(pairs[name], keys) for name in ("source", "target"))
    alignment = np.zeros((n, n), np.float32)
    alignment[source, target] = alignment[target, source] = numbers(pairs["weight"])
    held = tables.arrow("opinions", ("agent", "topic", "opinion"))
    topics = [topic.id for topic in setting.scenario.topics]
    opinions = np.full((n, len(topics)), np.nan, np.float32)
    opinions[index_of(held["agent"], keys), index_of(held["topic"], topics)] = numbers(held["opinion"])
    return {"alignment": alignment, "opinions": opinions}
