"""What a worker does: one run of a sweep, from its job to its tables."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from ecosystem.errors import InputError, one_line
from ecosystem.sweep.dataset import FAILURES, columns_of, encode, labelled, store
from ecosystem.sweep.plan import TABLES, Job
from ecosystem.sweep.sources import Sources, read_sources

Perform = Callable[[Sources, Job], Mapping[str, pa.Table]]
"""Makes a run's tables; ``metrics`` among them."""


@dataclass(frozen=True)
class Outcome:
    """How a run went.

    Attributes
    ----------
    seconds : float
        Wall time it took.
    error : str or None
        Why it failed, in one line.
    tables : mapping of str to bytes
        Its tables as Parquet, where the worker has not written them itself.
    """

    seconds: float
    error: str | None
    tables: Mapping[str, bytes]


def work(job: Job, sources: Sources | str, folder: str | None, perform: Perform) -> Outcome:
    """Perform a run and write its tables, or hand them back where there is no folder.

    Parameters
    ----------
    job : Job
        Which run.
    sources : Sources or str
        What all runs share, or the folder it is read from.
    folder : str or None
        The sweep's folder, where this process can write to it.
    perform : callable
        Makes the tables. What it raises is recorded as the run's failure; failing to write is not.
    """
    began, error = time.perf_counter(), None
    try:
        made = perform(read_sources(sources) if isinstance(sources, str) else sources, job)
        tables = {name: encode(labelled(table, job)) for name, table in made.items()}
    except Exception as failure:
        error = failure_line(failure)
        tables = {FAILURES: encode(failure_row(job, error, traceback.format_exc()))}
    if folder is not None:
        store(Path(folder), job, tables)
        tables = {}
    return Outcome(time.perf_counter() - began, error, tables)


def perform_run(sources: Sources, job: Job) -> dict[str, pa.Table]:
    """Run the scenario with a job's parameters and seed; return the tables that a sweep keeps of it."""
    from ecosystem.model import EcosystemModel
    from ecosystem.reading import load_scenario
    from ecosystem.record.tables import Columns, Naming, schemas, step_rows, to_table

    scenario = load_scenario(sources.scenario, seed=job.seed, **job.changes)
    learns = scenario.parameters.learn != "none"
    model = EcosystemModel(
        scenario, reading=sources.reading, jepa=sources.jepa() if learns else None, rng=scenario.parameters.seed
    )
    naming = Naming.of(model.personas, [topic.id for topic in scenario.topics], model.statements.texts)
    rows: dict[str, list[Columns]] = {name: [] for name in TABLES}
    for _ in range(scenario.parameters.steps):
        model.step()
        assert model.last is not None
        for name, columns in step_rows(model.last, naming, TABLES).items():
            rows[name].append(columns)
    of_run = schemas(model.statements.latents.shape[1])
    return {name: to_table(rows[name], of_run[name]) for name in TABLES}


def failure_line(failure: BaseException) -> str:
    """Return why a run failed in one line: bad input in its own words, anything else with its kind."""
    return one_line(str(failure) if isinstance(failure, InputError) else f"{type(failure).__name__}: {failure}")


def failure_row(job: Job, error: str, trace: str) -> pa.Table:
    """Return the row that records a failed run."""
    named = columns_of(job)
    fields = [pa.field(name, kind) for name, (_, kind) in named.items()]
    schema = pa.schema([*fields, pa.field("error", pa.string()), pa.field("trace", pa.string())])
    values = [value for value, _ in named.values()]
    return pa.table(
        [pa.array([value], field.type) for value, field in zip([*values, error, trace], schema, strict=True)], schema
    )


def work_on_one_thread(job: Job, sources: Sources | str, folder: str | None, perform: Perform) -> Outcome:
    """Do as `work` in a process that is not held to one BLAS thread: sums keep their order, as in any run."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, "blas"):
        return work(job, sources, folder, perform)


@dataclass(frozen=True)
class Trial:
    """What a run costs, by a few steps of one.

    Attributes
    ----------
    step_s : float
        Seconds a step.
    run_bytes, step_bytes : float
        Bytes on disk that a run takes, and that each of its steps adds.
    """

    step_s: float
    run_bytes: float
    step_bytes: float


def try_out(job: Job, sources: Sources | str, steps: int = 6) -> Trial | None:
    """Take a few steps of a run; return what they cost, or None where it fails: the run itself will tell why."""
    short, long = (replace(job, changes={**job.changes, "steps": count}) for count in (1, steps))
    try:
        shared = read_sources(sources) if isinstance(sources, str) else sources
        sizes: dict[int, int] = {}
        seconds: dict[int, float] = {}
        for one in (long, short, long, short, long):  # the first pays for what is imported on the way
            began = time.perf_counter()
            made = perform_run(shared, one)
            count = one.changes["steps"]
            sizes[count] = sum(len(encode(labelled(table, one))) for table in made.values())
            seconds[count] = min(seconds.get(count, math.inf), time.perf_counter() - began)
    except Exception:
        return None
    more = steps - 1
    per_step = max(sizes[steps] - sizes[1], 0) / more
    return Trial(max(seconds[steps] - seconds[1], 1e-9) / more, sizes[1] - per_step, per_step)
