"""Carrying a plan out: what is missing is run, kept as it comes in, and counted."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError
from ecosystem.jepa import PRETRAINED
from ecosystem.progress import Progress, silent
from ecosystem.sweep.plan import PLAN, SCENARIO, TABLES, Job, Plan, settle

if TYPE_CHECKING:
    from ecosystem.sweep.executors import SweepExecutor
    from ecosystem.sweep.sources import Sources
    from ecosystem.sweep.work import Outcome, Perform, Trial

FAILED = "complete with failures"
"""The manifest's status once everything is written and some runs have failed."""


@dataclass
class Estimate:
    """What a sweep is about to do.

    Attributes
    ----------
    plan : Plan
        Its plan.
    folder : Path
        Where it goes.
    missing : int
        Runs that are not on disk yet.
    steps : int
        Steps these take in all.
    trial : Trial or None
        What a step costs here; None where that could not be tried.
    workers : int
        Processes or threads at work.
    """

    plan: Plan
    folder: Path
    missing: int
    steps: int
    workers: int
    trial: Trial | None = None

    @property
    def seconds(self) -> float | None:
        """Estimated wall time of the missing runs, in seconds."""
        return None if self.trial is None else self.steps * self.trial.step_s / max(min(self.workers, self.missing), 1)

    @property
    def bytes(self) -> float | None:
        """Estimated size of their tables."""
        return None if self.trial is None else self.missing * self.trial.run_bytes + self.steps * self.trial.step_bytes

    def describe(self) -> dict[str, Any]:
        """Return the plan as ``--dry-run --json`` prints it."""
        plan = self.plan
        return {
            "sweep": str(self.folder),
            "scenario": plan.scenario.name,
            "design": plan.design,
            "axes": plan.describe()["axes"],
            "points": len(plan.points),
            "replicates": plan.replicates,
            "runs": plan.runs,
            "done": plan.runs - self.missing,
            "steps": self.steps,
            "workers": self.workers,
            "seconds": self.seconds,
            "bytes": self.bytes,
        }


@dataclass
class _Tally:
    """What has been done of a sweep."""

    done: int
    total: int
    tell: Progress
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, error: str | None) -> None:
        """Count a run that is finished, or that failed."""
        self.done += 1
        if error is not None:
            self.failures.append(error)
            self.tell("failed", len(self.failures), self.total)
        self.tell("runs", self.done, self.total)


def estimate(plan: Plan, folder: Path, *, workers: int | None = None, weights: str | Path | None = None) -> Estimate:
    """Return what a sweep would do and cost, after a few steps of its first run; nothing is written."""
    from ecosystem.sweep.work import try_out

    expected, jobs = _expect(plan, folder, _workers(workers))
    if jobs:
        expected.trial = try_out(jobs[0], _read(plan, weights, silent))
    return expected


def carry_out(
    plan: Plan,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    weights: str | Path | None = None,
    perform: Perform | None = None,
    progress: Progress | None = None,
    announce: Callable[[Estimate], None] | None = None,
    finish: Callable[[Path, Progress], None] | None = None,
) -> list[str]:
    """Perform the runs of a plan that its folder does not have yet; return the errors of those that failed.

    Parameters
    ----------
    plan : Plan
        The plan.
    folder : Path
        Where it goes.
    workers, scheduler, weights, progress, announce
        As in `run_sweep`.
    perform : callable, optional
        Makes a run's tables, in a worker; `ecosystem.sweep.work.perform_run` by default.
    finish : callable, optional
        Writes what follows from the runs, when all are there.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from ecosystem.record.lock import LOCK, locked
    from ecosystem.record.manifest import COMPLETE
    from ecosystem.sweep.dataset import sweep_up
    from ecosystem.sweep.executors import open_executor
    from ecosystem.sweep.sources import drop_sources

    tell = progress or silent
    began = time.time()
    workers = _workers(workers)
    if folder.exists() and not folder.is_dir():
        raise InputError("--out", f"{folder} is a file; a folder is accepted")
    existed = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            plan = settle(plan, folder)
            sweep_up(folder)
            expected, jobs = _expect(plan, folder, workers)
            tally = _Tally(plan.runs - len(jobs), plan.runs, tell)
            if jobs:
                # One BLAS thread, as in any run: sums keep their order.
                with threadpool_limits(1, "blas"), open_executor(workers, scheduler) as executor:
                    expected.workers = executor.workers
                    _dispatch(executor, jobs, plan, folder, weights, perform, expected, tally, announce)
            elif announce is not None:
                announce(expected)
            _write_manifest(folder, plan, tally, began, "summarising")
            if finish is not None:
                finish(folder, tell)
            drop_sources(folder)
            _write_manifest(folder, plan, tally, began, FAILED if tally.failures else COMPLETE)
    except InputError:
        if not existed:
            _discard(folder)
        raise
    (folder / LOCK).unlink(missing_ok=True)
    return tally.failures


def _workers(asked: int | None) -> int:
    """Return how many processes are to run: as many as asked for, else one a core."""
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked < 1:
        raise InputError("--workers", f"found {asked}; a whole number from 1 is accepted")
    return asked


def _expect(plan: Plan, folder: Path, workers: int) -> tuple[Estimate, list[Job]]:
    """Return what is to be done, and the jobs that are missing."""
    from ecosystem.sweep.dataset import finished

    there = finished(folder)
    jobs = [job for job in plan.jobs() if (job.point, job.replicate) not in there]
    return Estimate(plan, folder, len(jobs), sum(plan.steps(job.changes) for job in jobs), workers), jobs


def _dispatch(
    executor: SweepExecutor,
    jobs: list[Job],
    plan: Plan,
    folder: Path,
    weights: str | Path | None,
    perform: Perform | None,
    expected: Estimate,
    tally: _Tally,
    announce: Callable[[Estimate], None] | None,
) -> None:
    """Hand the jobs to an executor, and keep what comes back."""
    from ecosystem.sweep.dispatch import dispatch
    from ecosystem.sweep.sources import write_sources
    from ecosystem.sweep.work import perform_run, try_out, work, work_on_one_thread

    executor.warm(_prepare)
    sources: Any = _read(plan, weights, tally.tell)
    if executor.kind == "processes":
        write_sources(sources, folder)
        sources = str(folder)
    shared = executor.share(sources)
    # Workers elsewhere may not see this folder: theirs comes back, and is written here.
    away = executor.kind == "dask"
    do, reachable = (work_on_one_thread, None) if away else (work, str(folder))
    if announce is not None:
        with suppress(BrokenExecutor):  # its worker died; the runs begin all the same
            expected.trial = executor.submit(try_out, jobs[0], shared).result()
        announce(expected)
    tally.tell("runs", tally.done, tally.total)

    def submit(job: Job) -> Future[Outcome]:
        future: Future[Outcome] = executor.submit(do, job, shared, reachable, perform or perform_run)
        return future

    # One waits for each that runs, so that no worker is idle while results are kept.
    at_once = (lambda: 1) if executor.kind == "in-process" else (lambda: 2 * executor.workers)
    began = time.perf_counter()
    dispatch(jobs, submit, partial(_keep, folder, tally), in_flight=at_once)
    tally.seconds = time.perf_counter() - began


def _keep(folder: Path, tally: _Tally, job: Job, outcome: Outcome | BaseException) -> None:
    """Write what a worker handed back, and count the run."""
    from ecosystem.sweep.dataset import FAILURES, encode, store
    from ecosystem.sweep.dispatch import WorkerDied
    from ecosystem.sweep.work import failure_line, failure_row

    if isinstance(outcome, WorkerDied):
        error = failure_line(outcome)
        store(folder, job, {FAILURES: encode(failure_row(job, error, ""))})
        tally.count(error)
    elif isinstance(outcome, BaseException):
        raise outcome  # what a run itself raises is in its outcome: this is a disk that is full, or a defect
    else:
        if outcome.tables:
            store(folder, job, outcome.tables)
        tally.count(outcome.error)


def _prepare() -> None:
    """Import what a run needs, in a worker, while this process still prepares."""
    import sklearn.metrics  # noqa: F401

    import ecosystem.model
    import ecosystem.record.tables
    import ecosystem.sweep.work  # noqa: F401

    # What is imported stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()


def _read(plan: Plan, weights: str | Path | None, tell: Progress) -> Sources:
    """Let the affinity model read the scenario's statements, if it has not done so for an earlier sweep."""
    from ecosystem.sweep.readings import read_statements
    from ecosystem.sweep.sources import Sources

    path = Path(weights) if weights is not None else PRETRAINED
    reading = read_statements(plan.scenario, path, plan.weights, tell)
    return Sources(plan.scenario, reading, str(path.resolve()))


def _write_manifest(folder: Path, plan: Plan, tally: _Tally, began: float, status: str) -> None:
    from ecosystem.record.manifest import command_line, corpora_hash, provenance, write_manifest
    from ecosystem.sweep.dataset import finished

    content = {
        "kind": "sweep",
        "status": status,
        "scenario": plan.scenario.name,
        "title": plan.scenario.title or plan.scenario.name,
        "runs": plan.runs,
        "done": len(finished(folder)),
        "failed": len(tally.failures),
        "corpora_sha256": corpora_hash(plan.scenario),
        "weights_sha256": plan.weights,
        "runs_s": round(tally.seconds, 3),
        "wall_s": round(time.time() - began, 3),
        "finished_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **provenance(),
    }
    write_manifest(folder, content)


def _discard(folder: Path) -> None:
    """Remove a folder in which no run has been made."""
    from ecosystem.record.lock import LOCK
    from ecosystem.sweep.dataset import FAILURES
    from ecosystem.sweep.sources import drop_sources

    drop_sources(folder)
    if not any((folder / table).exists() for table in (*TABLES, FAILURES)):
        for name in (LOCK, PLAN, SCENARIO):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            folder.rmdir()
