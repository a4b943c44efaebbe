"""Handing jobs to an executor: a few at a time, each to its end, whatever becomes of the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")


class WorkerDied(RuntimeError):
    """The worker process died each time that it tried a job, at least once with nothing else under way."""


@dataclass
class _Attempt(Generic[J]):
    """A job on its way.

    Attributes
    ----------
    job : J
        The job.
    tries : int
        How often a worker has died of it, or beside it.
    alone : bool
        Whether nothing else is under way.
    """

    job: J
    tries: int
    alone: bool


def dispatch(
    jobs: Iterable[J],
    submit: Callable[[J], Future[R]],
    finished: Callable[[J, R | BaseException], None],
    *,
    in_flight: int | Callable[[], int],
    attempts: int = 3,
) -> None:
    """Have jobs done, and tell of each in the order in which they end.

    Jobs are taken as they can be submitted, so what is held does not grow with their number. One whose worker died
    may not be to blame: it is tried again with nothing else under way, before more are taken.

    Parameters
    ----------
    jobs : iterable
        The jobs.
    submit : callable
        Has one done, and returns its future. What it raises ends everything.
    finished : callable
        Called in this thread, once for each job, with its result or with what it raised; with `WorkerDied` where
        it has been given up.
    in_flight : int or callable
        How many are submitted at a time, at least one; a callable is asked anew each time.
    attempts : int
        How often a job is tried in all before it is given up. One that was not alone is tried once more at least.

    Raises
    ------
    BaseException
        What ``jobs``, ``submit`` or ``finished`` raise, and Ctrl-C, after what has not begun has been cancelled.
    """
    source = iter(jobs)
    running: dict[Future[R], _Attempt[J]] = {}
    lost: deque[_Attempt[J]] = deque()
    ended: SimpleQueue[Future[R]] = SimpleQueue()

    def start(attempt: _Attempt[J]) -> None:
        future = submit(attempt.job)
        running[future] = attempt
        future.add_done_callback(ended.put)

    try:
        while True:
            limit = max(in_flight() if callable(in_flight) else in_flight, 1)
            while not lost and len(running) < limit and ended.empty():
                try:
                    job = next(source)
                except StopIteration:
                    break
                start(_Attempt(job, 0, limit == 1))
            if not running:
                if not lost:
                    return
                start(lost.popleft())
            future = ended.get()
            attempt = running.pop(future)
            outcome = _outcome(future)
            if not worker_died(outcome):
                finished(attempt.job, outcome)
                continue
            attempt.tries += getattr(outcome, "tries", 1)
            if attempt.alone and attempt.tries >= attempts:
                times = "once" if attempt.tries == 1 else f"{attempt.tries} times"
                finished(attempt.job, WorkerDied(f"the worker died {times} (killed, out of memory, or a crash)"))
            else:
                lost.append(_Attempt(attempt.job, attempt.tries, alone=True))
    finally:
        for future in running:
            future.cancel()


def worker_died(outcome: object) -> bool:
    """Return whether a job ended because its worker did, and not by itself."""
    return isinstance(outcome, BrokenExecutor | CancelledError)


def _outcome(future: Future[R]) -> R | BaseException:
    try:
        return future.exception() or future.result()
    except CancelledError as error:
        return error
