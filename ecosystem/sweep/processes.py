"""Jobs in worker processes of this machine.

One thread of the parent starts the workers and talks to each over a pipe of its own. So a worker that dies takes
nothing with it but its job: no lock or queue is shared, the end of its pipe tells, and another process replaces it.
The workers end with their parent, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, ParamSpec, TypeVar

from ecosystem.sweep.executors import SweepExecutor, WorkerLost

P = ParamSpec("P")
R = TypeVar("R")

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Set in a worker before it imports anything that reads them: workers share the cores, and sums keep their order."""

_SPAWN = get_context("spawn")
_STARTING = threading.Lock()


@dataclass(eq=False)
class _Call:
    """A job and its future."""

    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(eq=False)
class _Worker:
    """A worker process as its parent knows it."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    call: _Call | None = None
    done: int = 0


class Processes(SweepExecutor):
    """Does jobs in spawned processes, each with one thread for linear algebra.

    Neither the caller's main module is imported in them, so scripts need no guard and notebooks work, nor does
    Ctrl-C reach them: it is their parent's business.

    Parameters
    ----------
    workers : int
        How many, from 1. They are started when there is work, or by `warm`.
    recycle : int
        Jobs after which a worker gives way to a fresh process, so that memory stays flat.
    """

    kind = "processes"

    def __init__(self, workers: int, recycle: int = 500) -> None:
        self._workers, self._recycle = workers, recycle
        self._prepare = bytes(ForkingPickler.dumps(None))
        self._waiting: deque[_Call] = deque()
        self._crew: list[_Worker] = []
        self._early = 0
        self._closing = self._ending = False
        self._lock = threading.Lock()
        self._heard, self._bell = _SPAWN.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._manage, name="ecosystem-workers", daemon=True)

    @property
    def workers(self) -> int:
        """Number of processes."""
        return self._workers

    def warm(self, prepare: Callable[[], object]) -> None:
        """Start all workers now, in the background; each calls ``prepare`` before its first job.

        What that raises is dropped: the job that needs what is missing says so.
        """
        self._prepare, self._early = bytes(ForkingPickler.dumps(prepare)), self._workers
        self._wake()

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a job done by the next worker that is free."""
        future: Future[R] = Future()
        with self._lock:
            if self._closing:
                raise RuntimeError("cannot submit after shutdown")
            self._waiting.append(_Call(future, function, args, kwargs))
        self._wake()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; end the workers when those submitted are done, or at least those that run."""
        with self._lock:
            self._closing = True
            for call in tuple(self._waiting) if cancel_futures else ():
                call.future.cancel()
        if self._thread.ident is not None:
            self._wake()
            if wait:
                self._thread.join()

    def end(self) -> None:
        """Kill the workers; what they do fails with `WorkerLost`, what waits is cancelled."""
        self._ending = True
        self.shutdown(cancel_futures=True)

    def _wake(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._bell.send_bytes(b"")

    def _manage(self) -> None:
        """Start workers, hand out jobs and take answers, until all is done; nothing else touches the workers."""
        if hasattr(signal, "pthread_sigmask"):
            # Workers inherit the mask, and ignore Ctrl-C as soon as they can: it must not hit them before.
            resource_tracker.ensure_running()  # starting it, with the first process, would lift the mask
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while not self._ending:
                self._hire()
                self._hand_out()
                if self._closing and not self._waiting and not self._busy():
                    return
                of_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._crew}
                for ready in wait([self._heard, *of_pipe]):
                    if ready is self._heard:
                        self._heard.recv_bytes()
                    else:
                        self._hear(of_pipe[ready])
        finally:
            with self._lock:
                self._closing = True
            self._dismiss(*self._crew)
            for call in self._waiting:
                call.future.cancel()
                call.future.set_running_or_notify_cancel()

    def _busy(self) -> int:
        return sum(worker.call is not None for worker in self._crew)

    def _hire(self) -> None:
        """Start as many workers as there is work for, or as `warm` asked for."""
        wanted = max(self._early, min(self._workers, self._busy() + len(self._waiting)))
        while len(self._crew) < wanted:
            try:
                self._crew.append(_start(self._prepare))
            except OSError as error:  # too many processes, or no memory
                if not self._crew and self._waiting:
                    _settle(self._waiting.popleft(), error)
                    continue
                return

    def _hand_out(self) -> None:
        """Give each worker that is ready and free a job, while there are any."""
        for worker in self._crew:
            while self._waiting and worker.ready and worker.call is None:
                call = self._waiting.popleft()
                if not call.future.set_running_or_notify_cancel():
                    continue
                worker.call = call
                try:
                    worker.pipe.send((call.function, call.args, call.kwargs))
                except OSError:
                    break  # it has died, which its pipe will tell
                except Exception as error:  # what cannot be pickled
                    worker.call = None
                    call.future.set_exception(error)

    def _hear(self, worker: _Worker) -> None:
        """Take what a worker says: that it is ready, how its job went, or nothing any more."""
        try:
            message = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._lose(worker)
            return
        if not worker.ready:
            worker.ready = True
            return
        call, worker.call = worker.call, None
        assert call is not None
        try:
            well, value = ForkingPickler.loads(message)
        except Exception as error:
            well, value = False, error
        worker.done += 1
        if worker.done >= self._recycle:
            self._dismiss(worker)
        if well:
            call.future.set_result(value)
        else:
            call.future.set_exception(value)

    def _lose(self, worker: _Worker) -> None:
        """Bury a worker that has died; its job fails, or the next one where it died before it was ready."""
        call, worker.call = worker.call, None
        self._dismiss(worker)
        lost = WorkerLost("the process that worked on it died")
        if call is not None:
            call.future.set_exception(lost)
        elif not worker.ready:
            self._early = 0
            if self._waiting:
                _settle(self._waiting.popleft(), lost)

    def _dismiss(self, *workers: _Worker) -> None:
        """Kill workers, all before waiting for any: what they have said, they have done."""
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()
            self._crew.remove(worker)
            if worker.call is not None:
                worker.call.future.set_exception(WorkerLost("it was stopped"))


def _settle(call: _Call, error: BaseException) -> None:
    """Fail a job that has not begun, unless it has been cancelled."""
    if call.future.set_running_or_notify_cancel():
        call.future.set_exception(error)


def _start(prepare: bytes) -> _Worker:
    """Start a worker process, and tell it what to call first."""
    ours, theirs = _SPAWN.Pipe()
    try:
        process = _SPAWN.Process(target=_work, args=(theirs,), daemon=True)
        with _without_main():
            process.start()
    finally:
        theirs.close()
    with suppress(OSError):  # where it has died already, its pipe tells
        ours.send_bytes(prepare)
    return _Worker(process, ours)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide where the main module comes from, so that a process that starts meanwhile does not import it."""
    names = vars(sys.modules["__main__"])
    with _STARTING:
        hidden: dict[str, Any] = {name: names.pop(name) for name in ("__file__", "__spec__") if name in names}
        names["__spec__"] = None
        try:
            yield
        finally:
            del names["__spec__"]
            names.update(hidden)


def _work(pipe: Connection) -> None:
    """Do jobs until the pipe ends: the whole life of a worker."""
    os.environ.update(ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        _get_ready(pipe.recv_bytes())
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _end_with_parent() -> None:
    """End this process as soon as its parent has ended, whatever it does."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _get_ready(message: bytes) -> None:
    """Call what is to be called before the first job, then hold the libraries it loaded to one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with suppress(Exception):
        prepare = ForkingPickler.loads(message)
        if prepare is not None:
            prepare()
    threadpool_limits(1)


def _answer(message: bytes) -> Any:
    """Do the job of a message; return the message that tells its result, or what it raised."""
    try:
        function, args, kwargs = ForkingPickler.loads(message)
        return ForkingPickler.dumps((True, function(*args, **kwargs)))
    except BaseException as error:
        return ForkingPickler.dumps((False, portable(error)))
    finally:
        with suppress(AttributeError, OSError, ValueError):  # a worker may have no standard output
            sys.stdout.flush()


def portable(error: BaseException) -> Exception:
    """Return an error as it can travel to another process, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    travelled: Exception = RuntimeError(f"{type(error).__name__}: {error}")
    if isinstance(error, Exception):  # others, such as that of `sys.exit`, would end more than a job
        with suppress(Exception):
            travelled = ForkingPickler.loads(ForkingPickler.dumps(error))
    travelled.add_note(f"In a worker:\n{trace}")
    return travelled
