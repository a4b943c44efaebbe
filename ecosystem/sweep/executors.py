"""Where the jobs of a sweep run: in this process, in worker processes, or on a cluster; all behind one protocol."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


class WorkerLost(BrokenExecutor):
    """The process that worked on a job is gone: killed, out of memory, or crashed in compiled code.

    Attributes
    ----------
    tries : int
        How often the job has been tried before its executor gave up.
    """

    def __init__(self, message: str, tries: int = 1) -> None:
        super().__init__(message)
        self.tries = tries


class SweepExecutor(Executor):
    """An executor that says how much it does at once, and how to hand all jobs what they share.

    Jobs are pure: the same arguments give the same result wherever and however often they run. They and their
    arguments travel by pickle, so functions are those of an importable module.

    Attributes
    ----------
    kind : str
        ``"in-process"``, ``"processes"`` or ``"dask"``.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many jobs run at once; on a cluster it changes as workers come and go."""

    @abstractmethod
    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a job done; return its future, which fails with `WorkerLost` when its worker dies.

        Raises
        ------
        RuntimeError
            The executor has been shut down.
        """

    def warm(self, prepare: Callable[[], object]) -> None:
        """Start workers now, and have each call ``prepare`` once, before its first job."""

    def share(self, value: V) -> V:
        """Return what stands for a large value among the arguments of jobs, so that it reaches a worker once.

        A cluster returns a stand-in that is an argument itself, not part of one.
        """
        return value

    def end(self) -> None:
        """Stop at once: what waits is cancelled, what runs is killed where that can be done."""
        self.shutdown(cancel_futures=True)


class InProcess(SweepExecutor):
    """Does each job at once, in the thread that submits it."""

    kind = "in-process"

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Do a job; return a future that is done. Ctrl-C goes through."""
        future: Future[R] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*args, **kwargs))
        except (Exception, SystemExit) as error:
            future.set_exception(error)
        return future


def open_executor(workers: int, scheduler: str | None = None) -> AbstractContextManager[SweepExecutor]:
    """Return a context manager that gives an executor and leaves no process behind.

    Parameters
    ----------
    workers : int
        From 1: one works in this process, more are processes of this machine.
    scheduler : str, optional
        Address of a ``dask.distributed`` scheduler, which has its own workers: ``workers`` does not matter.

    Raises
    ------
    InputError
        The scheduler cannot be used, on entering.
    """
    if scheduler is not None:
        from ecosystem.sweep.cluster import dask_executor

        return dask_executor(scheduler)
    if workers == 1:
        return _ended(InProcess())
    from ecosystem.sweep.processes import Processes

    return _ended(Processes(workers))


@contextmanager
def _ended(executor: SweepExecutor) -> Iterator[SweepExecutor]:
    try:
        yield executor
    finally:
        executor.end()
