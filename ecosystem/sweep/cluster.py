"""Jobs on a cluster of ``dask.distributed`` that runs already.

The scheduler tries a job anew, elsewhere, when its worker dies. An event loop in a thread of its own talks to it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from ecosystem.errors import InputError, one_line, shorten
from ecosystem.sweep.executors import SweepExecutor, WorkerLost
from ecosystem.sweep.processes import portable

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")

OPTION = "--scheduler"

_REFRESH_S = 2.0


class Cluster(SweepExecutor):
    """Does jobs on the workers of a ``dask.distributed`` scheduler; `dask_executor` makes it.

    Parameters
    ----------
    address : str
        The scheduler's.
    client : distributed.Client
        Connected, asynchronous, of the loop.
    loop : AbstractEventLoop
        Runs in another thread.
    """

    kind = "dask"

    def __init__(self, address: str, client: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._address, self._client, self._loop = address, client, loop
        self._threads = _answer_of(loop, _threads(client))
        self._counting = asyncio.run_coroutine_threadsafe(self._count(), loop)
        self._futures: set[Future[Any]] = set()
        self._closing = False
        self._dropped = ""

    @property
    def workers(self) -> int:
        """Worker threads of the cluster, as of some seconds ago."""
        return self._threads

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a job done by a worker of the cluster; what `share` returns is an argument without a name.

        Raises
        ------
        InputError
            The scheduler has gone, or has dropped what it was given.
        RuntimeError
            The executor has been shut down.
        """
        if self._closing:
            raise RuntimeError("cannot submit after shutdown")
        if self._dropped or self._client.status in ("closing", "closed"):
            why = self._dropped or "connection lost"
            raise InputError(OPTION, f"{self._address}: the scheduler no longer knows this work ({why})")
        future = asyncio.run_coroutine_threadsafe(self._perform(function, args, kwargs), self._loop)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def share(self, value: V) -> V:
        """Put a value on the cluster; return its future there, which is an argument for any number of jobs.

        It is the result of a task: where all workers that hold it die, the scheduler makes it again.
        """
        return _answer_of(self._loop, self._place(value))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs; cancel those that have been submitted, or wait for them."""
        self._closing = True
        self._counting.cancel()
        for future in tuple(self._futures):
            if cancel_futures:
                future.cancel()
            elif wait:
                with suppress(Exception):
                    future.result()

    async def _perform(self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Wait for a job. Where nothing waits any more, its task is dropped, and the scheduler with it."""
        # A partial, as names among the arguments of `Client.submit` are its own.
        task = self._client.submit(partial(perform, function, **kwargs), *args, pure=False)
        try:
            well, value = await task
        except import_module("distributed").KilledWorker as error:
            raise WorkerLost("all workers that worked on it died", error.allowed_failures + 1) from None
        except CancelledError as error:  # not that of asyncio: it was not this side that cancelled it
            self._dropped = str(getattr(error, "reason", None) or "cancelled")
            raise WorkerLost("the scheduler dropped it", tries=0) from None
        if well:
            return value  # type: ignore[no-any-return]
        raise value

    async def _place(self, value: V) -> V:
        with import_module("dask").config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            task = self._client.submit(shared_value, value, pure=False)
        error = await task.exception()
        if error is not None:
            raise InputError(OPTION, f"{self._address}: cannot hold what all runs share ({_line(error)})")
        return task  # type: ignore[no-any-return]

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_S)
            with suppress(Exception):  # while the scheduler does not answer, the last count stands
                self._threads = await _threads(self._client)


def perform(function: Callable[..., R], *args: Any, **kwargs: Any) -> tuple[bool, R | Exception]:
    """Do a job, in a worker; return whether it went well, and its result or what it raised."""
    try:
        return True, function(*args, **kwargs)
    except (Exception, SystemExit) as error:
        return False, portable(error)


def shared_value(value: V) -> V:
    """Return a value, in a worker: as the result of a task it stays there."""
    return value


def package_version() -> str:
    """Return the version of Ecosystem, in a worker or scheduler."""
    from ecosystem import __version__

    return __version__


@contextmanager
def dask_executor(address: str, timeout: float = 10.0) -> Iterator[Cluster]:
    """Connect to a scheduler of ``dask.distributed``; what has not ended when the block ends is cancelled.

    Parameters
    ----------
    address : str
        As the scheduler prints it: ``tcp://HOST:PORT``, or ``tls://HOST:PORT``.
    timeout : float
        Seconds to wait for the scheduler, and then for a first worker.

    Raises
    ------
    InputError
        ``dask`` is not installed, the address is none, no scheduler answers, it has no workers, or they do not
        have this version of Ecosystem.
    """
    checked = check_address(address)
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        hint = 'pip install "jepa-ecosystem[dask]"'
        raise InputError(OPTION, f"dask cannot be imported ({error}); {hint} installs it") from None
    with _quiet(), _event_loop() as loop:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            client = _answer_of(loop, _connect(distributed.Client, checked, timeout))
        executor = None
        try:
            executor = Cluster(checked, client, loop)
            yield executor
        finally:
            if executor is not None:
                executor.end()
            with suppress(Exception):
                _answer_of(loop, asyncio.wait_for(client.close(), timeout))


def check_address(address: str) -> str:
    """Return the address of a scheduler, with its scheme.

    Raises
    ------
    InputError
        It is not of the form ``tcp://HOST:PORT``.

    Examples
    --------
    >>> check_address("node-7:8786")
    'tcp://node-7:8786'
    """
    full = address.strip() if "://" in address else f"tcp://{address.strip()}"
    match = re.fullmatch(r"(?:tcp|tls)://(?:\[[\w:.%]+\]|[\w.-]+):([0-9]{1,5})", full)
    if match is None or not 0 < int(match[1]) < 2**16:
        raise InputError(OPTION, f"found {shorten(address)}; tcp://HOST:PORT, as the scheduler prints it, is accepted")
    return full


async def _connect(kind: Any, address: str, timeout: float) -> Any:
    """Return a client connected to a scheduler that has workers which can do our jobs."""
    client = kind(address, asynchronous=True, timeout=timeout, set_as_default=False, name="ecosystem")
    try:
        try:
            await asyncio.wait_for(_started(client), timeout + 1)
        except Exception as error:
            raise InputError(OPTION, f"{address}: no scheduler of dask answers ({_line(error)})") from None
        try:
            await client.wait_for_workers(1, timeout=timeout)
        except TimeoutError:
            start = f"`dask worker {address}` starts one"
            raise InputError(OPTION, f"{address}: the scheduler has no workers after {timeout:g} s; {start}") from None
        await _check_versions(client, address)
    except BaseException:
        with suppress(Exception):
            await client.close()
        raise
    return client


async def _started(client: Any) -> None:
    await client
    await client.nthreads()  # what answers may be anything that listens


async def _check_versions(client: Any, address: str) -> None:
    """Have the scheduler and all workers say their version of Ecosystem: other code makes other results."""
    answers = dict(await client.run(package_version, on_error="return"))
    try:
        answers["the scheduler"] = await client.run_on_scheduler(package_version)
    except Exception as error:
        answers["the scheduler"] = error
    ours = package_version()
    for place, answer in answers.items():
        found = f"has not ({_line(answer)})" if isinstance(answer, BaseException) else f"has {answer}"
        if answer != ours:
            raise InputError(OPTION, f"{address}: needs Ecosystem {ours} everywhere; {place} {found}")


async def _threads(client: Any) -> int:
    return sum((await client.nthreads()).values())


def _answer_of(loop: asyncio.AbstractEventLoop, question: Coroutine[Any, Any, V]) -> V:
    return asyncio.run_coroutine_threadsafe(question, loop).result()


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread; end what is left in it when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="ecosystem-cluster", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        _answer_of(loop, _end_tasks())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_tasks() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what distributed logs out of the terminal: what matters comes as an error."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    loggers = [logging.getLogger(name) for name in ("asyncio", *names)]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _line(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}".removesuffix(": "), 200)
