"""Jobs on a real scheduler of dask with real worker processes, which are killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecosystem.errors import InputError
from ecosystem.sweep.cluster import Cluster, dask_executor
from ecosystem.sweep.dispatch import WorkerDied, dispatch
from ecosystem.sweep.executors import open_executor

pytestmark = pytest.mark.statistical

KILLER = 17


# What workers do; they import this module.


def weigh(shared: dict[str, bytes], number: int) -> tuple[int, int]:
    time.sleep(0.01)
    return len(shared["ballast"]) + number, os.getpid()


def cube(number: int) -> int:
    return number**3


def perilous(number: int) -> int:
    if number == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail() -> None:
    raise InputError("here", "is nothing")


class Site:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        where = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(where))
        deadline = time.monotonic() + 30
        while not where.exists() or not where.read_text().endswith("}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address: str = json.loads(where.read_text())["address"]

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", *(options or ("--no-nanny",))))
        return self.workers[-1]

    def wait_for_workers(self, count: int) -> None:
        deadline = time.monotonic() + 60
        with dask_executor(self.address, timeout=30) as executor:
            while executor.workers != count:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what a nanny has started
            process.wait(30)

    def _start(self, role: str, *options: str) -> subprocess.Popen[bytes]:
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--host", "127.0.0.1", "--no-dashboard"]
        with (self.folder / f"{role}.log").open("a") as log:
            return subprocess.Popen(
                [*command, *options],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Site]:
    """A scheduler without workers."""
    pytest.importorskip("distributed")
    site = Site(tmp_path)
    yield site
    site.end()


@pytest.fixture
def site(bare: Site) -> Site:
    """A scheduler with two workers of one thread."""
    bare.add_worker()
    bare.add_worker()
    bare.wait_for_workers(2)
    return bare


def collect(
    executor: Cluster,
    submit: Callable[[int], Future[Any]],
    count: int,
    during: Callable[[int], object] = lambda done: None,
) -> dict[int, Any]:
    """Dispatch jobs; return the outcome of each, told once. ``during`` hears how many are done."""
    outcomes: dict[int, Any] = {}

    def finished(job: int, outcome: Any) -> None:
        assert job not in outcomes
        outcomes[job] = outcome
        during(len(outcomes))

    dispatch(range(count), submit, finished, in_flight=lambda: 2 * executor.workers)
    return outcomes


def test_jobs_share_a_value_and_the_work(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with open_executor(1, site.address) as executor:
        assert isinstance(executor, Cluster)
        assert executor.workers == 2
        shared = executor.share({"ballast": bytes(20_000_000)})
        outcomes = collect(executor, partial(executor.submit, weigh, shared), 60)
        with pytest.raises(Exception, match="here: is nothing") as caught:
            executor.submit(fail).result()
    assert [outcomes[job][0] for job in range(60)] == [20_000_000 + job for job in range(60)]
    assert min(Counter(pid for _, pid in outcomes.values()).values()) >= 12
    assert "Traceback" in caught.value.__notes__[0]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(cube, 1)


def test_results_are_those_of_processes(site: Site) -> None:
    with open_executor(2) as here, open_executor(2, site.address) as there:
        assert isinstance(there, Cluster)
        for executor in (here, there):
            outcomes: dict[int, Any] = {}
            dispatch(range(300), partial(executor.submit, cube), outcomes.__setitem__, in_flight=8)
            assert outcomes == {job: job**3 for job in range(300)}


@pytest.mark.parametrize("victims", [1, 2])
def test_killed_workers_cost_nothing_but_time(victims: int, site: Site) -> None:
    """With both, all that held what is shared are gone; the one that joins late makes it again."""

    def during(done: int) -> None:
        if done == 20:
            for worker in site.workers[:victims]:
                worker.kill()
            site.add_worker()

    with dask_executor(site.address) as executor:
        shared = executor.share({"ballast": bytes(1_000_000)})
        outcomes = collect(executor, partial(executor.submit, weigh, shared), 200, during)
        later = collect(executor, partial(executor.submit, weigh, shared), 20)
    assert [outcomes[job][0] for job in range(200)] == [1_000_000 + job for job in range(200)]
    assert len(later) == 20


def test_job_that_kills_its_workers_is_given_up(bare: Site) -> None:
    """A nanny starts each worker anew."""
    for _ in range(2):
        bare.add_worker("--nanny")
    bare.wait_for_workers(2)
    with dask_executor(bare.address) as executor:
        outcomes = collect(executor, partial(executor.submit, perilous), 40)
    died = outcomes.pop(KILLER)
    assert isinstance(died, WorkerDied)
    assert str(died).startswith("the worker died 8 times")
    assert outcomes == {job: job for job in range(40) if job != KILLER}


LOST = """
import os, signal, sys, time
from ecosystem.errors import InputError
from ecosystem.sweep.cluster import dask_executor
from ecosystem.sweep.dispatch import dispatch
def finished(job, outcome):
    if job == 10:
        os.kill(int(sys.argv[2]), signal.SIGKILL)
try:
    with dask_executor(sys.argv[1]) as executor:
        dispatch(range(200), lambda job: executor.submit(time.sleep, 0.02), finished, in_flight=4)
except InputError as error:
    print(error)
"""


def test_lost_scheduler_ends_the_work_with_a_line(site: Site) -> None:
    """In a process of its own, as under pytest nothing is logged to the terminal."""
    command = [sys.executable, "-W", "error", "-c", LOST, site.address, str(site.scheduler.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = f"--scheduler: {site.address}: the scheduler no longer knows this work (scheduler-connection-lost)\n"
    assert (done.stdout, done.stderr) == (told, "")


def test_interrupt_drops_what_runs(site: Site) -> None:
    def during(done: int) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        with dask_executor(site.address) as executor:
            executor.submit(time.sleep, 20)
            collect(executor, partial(executor.submit, cube), 50, during)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert time.monotonic() - began < 5


def enter(address: str, timeout: float) -> None:
    with dask_executor(address, timeout):
        pass


def test_scheduler_without_workers_is_told(bare: Site) -> None:
    with pytest.raises(InputError, match=r"no workers after 0\.5 s; `dask worker tcp://.*` starts one"):
        enter(bare.address, 0.5)


def test_other_versions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of dask they do not matter, though it warns; of this package they do."""
    from distributed import versions

    told = versions.get_versions()
    told["packages"]["dask"] = "2001.1.1"
    monkeypatch.setattr(versions, "get_versions", lambda *_: told)
    with dask_executor(site.address) as executor:
        assert executor.submit(cube, 2).result() == 8
    monkeypatch.setattr("ecosystem.__version__", "9.9")
    with pytest.raises(InputError, match=r"needs Ecosystem 9\.9 everywhere; tcp://.* has 0\."):
        enter(site.address, 5)


def test_what_is_no_scheduler_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed = socket.create_server(("127.0.0.1", 0))
        addresses = [f"tcp://127.0.0.1:{server.getsockname()[1]}" for server in (silent, closed)]
        closed.close()
        for address in addresses:
            began = time.monotonic()
            with pytest.raises(InputError, match=f"--scheduler: {address}: no scheduler of dask answers"):
                enter(address, 1)
            assert time.monotonic() - began < 5
    assert capfd.readouterr() == ("", "")
