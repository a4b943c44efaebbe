"""Executors and dispatch: every job ends exactly once, whatever is killed, and no process is left behind."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from ecosystem.errors import InputError
from ecosystem.sweep.dispatch import WorkerDied, dispatch
from ecosystem.sweep.executors import InProcess, SweepExecutor, WorkerLost, open_executor
from ecosystem.sweep.processes import Processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")

KILLER = 17


# What workers do; they import this module.


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def slow_square(number: int) -> tuple[int, int]:
    time.sleep(0.004)
    return square(number)


def perilous(number: int) -> int:
    if number == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.002)
    return number


def surroundings() -> dict[str, Any]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")
    return {
        "environment": [os.environ.get(name) for name in names],
        "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "loaded": {"torch", "numpy", "mesa"} & set(sys.modules),
    }


def leave_mark(folder: Path) -> None:
    with (folder / str(os.getpid())).open("a") as file:
        file.write("x")


def leave_mark_and_die(folder: Path) -> None:
    leave_mark(folder)
    os._exit(3)


def fail(kind: str) -> object:
    if kind == "exit":
        sys.exit("done for")
    if kind == "result":
        return lambda: None
    if kind == "bad input":
        raise InputError("here", "is nothing")
    raise LookupError(kind)


def ballast(number: int) -> bytes:
    return bytes(20_000)


# Some milliseconds of work from the standard library: a worker that need not import this module starts at once.
digest = partial(hashlib.pbkdf2_hmac, "sha256", b"statement", iterations=10_000)


# Tests.


@pytest.fixture
def two() -> Iterator[Processes]:
    executor = Processes(2)
    yield executor
    executor.end()
    assert not active_children()


def collect(
    executor: SweepExecutor, function: Callable[[Any], Any], jobs: Any, attempts: int = 3
) -> tuple[dict[Any, Any], Counter[Any]]:
    """Dispatch jobs; return the outcome of each, and how often it was told."""
    outcomes: dict[Any, Any] = {}
    told: Counter[Any] = Counter()

    def finished(job: Any, outcome: Any) -> None:
        outcomes[job] = outcome
        told[job] += 1

    dispatch(jobs, partial(executor.submit, function), finished, in_flight=2 * executor.workers, attempts=attempts)
    return outcomes, told


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_ends_once(workers: int) -> None:
    with open_executor(workers) as executor:
        assert executor.workers == workers
        outcomes, told = collect(executor, square, range(300))
    assert [outcomes[job][0] for job in range(300)] == [job * job for job in range(300)]
    assert set(told.values()) == {1}
    assert {pid == os.getpid() for _, pid in outcomes.values()} == {workers == 1}
    assert not active_children()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_workers_cost_nothing_but_time(seed: int) -> None:
    draws = random.Random(seed)
    over, killed = threading.Event(), 0

    def kill_some() -> None:
        nonlocal killed
        while not over.wait(draws.uniform(0, 0.3)):
            if children := active_children():
                draws.choice(children).kill()
                killed += 1

    salts = [str(job).encode() for job in range(200)]
    executor = Processes(2, recycle=20)
    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        outcomes, told = collect(executor, digest, salts, attempts=1000)
    finally:
        over.set()
        killer.join()
        executor.end()
    assert killed >= 2
    assert outcomes == {salt: digest(salt) for salt in salts}
    assert set(told.values()) == {1}
    assert not active_children()


def test_job_that_kills_its_workers_is_given_up(two: Processes) -> None:
    outcomes, told = collect(two, perilous, range(60))
    died = outcomes.pop(KILLER)
    assert isinstance(died, WorkerDied)
    assert str(died) == "the worker died 3 times (killed, out of memory, or a crash)"
    assert outcomes == {job: job for job in range(60) if job != KILLER}
    assert set(told.values()) == {1}


def test_worker_that_cannot_start_hangs_nothing(two: Processes) -> None:
    two.warm(partial(os._exit, 3))
    outcomes, _ = collect(two, square, range(3), attempts=2)
    assert [type(outcome) for outcome in outcomes.values()] == [WorkerDied] * 3


def test_workers_that_die_at_the_start_are_not_started_forever(two: Processes, tmp_path: Path) -> None:
    two.warm(partial(leave_mark_and_die, tmp_path))
    deadline = time.monotonic() + 10
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == 2


def test_workers_are_recycled() -> None:
    executor = Processes(2, recycle=5)
    outcomes, _ = collect(executor, square, range(60))
    executor.end()
    jobs_of = Counter(pid for _, pid in outcomes.values())
    assert len(jobs_of) >= 12
    assert max(jobs_of.values()) == 5
    assert not active_children()


def test_worker_has_one_thread_and_nothing_heavy(two: Processes) -> None:
    before = dict(os.environ)
    found = two.submit(surroundings).result()
    assert found == {"environment": ["1", "1", "1", "PASSIVE"], "interrupt": True, "loaded": set()}
    assert dict(os.environ) == before


def test_warm_prepares_each_worker_once(two: Processes, tmp_path: Path) -> None:
    two.warm(partial(leave_mark, tmp_path))
    deadline = time.monotonic() + 10
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    outcomes, _ = collect(two, slow_square, range(20))
    assert {str(pid) for _, pid in outcomes.values()} == {path.name for path in tmp_path.iterdir()}
    assert [path.read_text() for path in tmp_path.iterdir()] == ["x", "x"]


def test_failing_preparation_leaves_it_to_the_jobs(two: Processes) -> None:
    two.warm(partial(fail, "at first"))
    assert two.submit(square, 3).result()[0] == 9


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("key", LookupError, "key"),
        ("bad input", Exception, "here: is nothing"),
        ("exit", RuntimeError, "SystemExit: done for"),
        ("result", Exception, "pickle"),
    ],
)
def test_errors_come_back_with_their_trace(kind: str, error: type[Exception], message: str, two: Processes) -> None:
    with pytest.raises(error, match=message) as caught:
        two.submit(fail, kind).result()
    assert any("In a worker" in note and "Traceback" in note for note in caught.value.__notes__)
    assert two.submit(square, 3).result()[0] == 9


def test_what_cannot_be_sent_fails_its_job_alone(two: Processes) -> None:
    with pytest.raises(Exception, match="pickle"):
        two.submit(len, [lambda: None]).result()
    assert two.submit(square, 3).result()[0] == 9


def test_shutdown_waits_or_cancels() -> None:
    executor = Processes(1)
    futures = [executor.submit(slow_square, job) for job in range(20)]
    executor.shutdown()
    assert [future.result()[0] for future in futures] == [job * job for job in range(20)]
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 1)
    executor = Processes(1)
    first, *rest = [executor.submit(time.sleep, seconds) for seconds in (0.3, 60, 60)]
    while not first.running():
        time.sleep(0.005)
    executor.shutdown(cancel_futures=True)
    assert first.result() is None
    assert all(future.cancelled() for future in rest)
    executor = Processes(1)
    running = executor.submit(time.sleep, 60)
    while not running.running():
        time.sleep(0.005)
    executor.end()
    assert isinstance(running.exception(), WorkerLost)
    assert not active_children()


def test_in_process_tells_each_before_the_next() -> None:
    told: list[str] = []

    def job(number: int) -> None:
        told.append(f"does {number}")

    executor = InProcess()
    dispatch(range(3), partial(executor.submit, job), lambda number, _: told.append(f"has {number}"), in_flight=8)
    assert told == ["does 0", "has 0", "does 1", "has 1", "does 2", "has 2"]
    assert executor.share(told) is told
    assert isinstance(executor.submit(fail, "key").exception(), LookupError)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_interrupt_in_process_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        InProcess().submit(interrupt)


def test_memory_is_flat_in_the_number_of_jobs(two: Processes) -> None:
    def peak(count: int) -> int:
        told = 0

        def finished(job: int, outcome: Any) -> None:
            nonlocal told
            told += len(outcome)

        tracemalloc.start()
        dispatch(iter(range(count)), partial(two.submit, ballast), finished, in_flight=4)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert told == 20_000 * count
        return most

    peak(20)
    few, many = peak(100), peak(2000)
    assert many < few + 100_000


class Later:
    """Takes jobs and ends them when told, as an executor would."""

    def __init__(self) -> None:
        self.futures: dict[int, Future[str]] = {}
        self.begun: list[int] = []

    def submit(self, job: int) -> Future[str]:
        self.begun.append(job)
        future = self.futures[job] = Future()
        return future

    def at_work(self) -> set[int]:
        return {job for job, future in self.futures.items() if not future.done()}


def test_lost_jobs_are_tried_again_alone() -> None:
    later = Later()
    seen: list[tuple[int, str]] = []
    company: list[set[int]] = []
    tries: Counter[int] = Counter()

    def submit(job: int) -> Future[str]:
        future = later.submit(job)
        tries[job] += 1
        company.append(later.at_work())
        if tries[job] > 1:
            assert later.at_work() == {job}
            if job == 1:
                future.set_exception(WorkerLost("died"))
            else:
                future.set_result("well")
        elif len(later.at_work()) == 3:
            for other in sorted(later.at_work()):
                later.futures[other].set_exception(WorkerLost("died"))
        elif job >= 3:
            future.set_result("well")
        return future

    dispatch(range(6), submit, lambda job, outcome: seen.append((job, str(outcome))), in_flight=3, attempts=3)
    assert sorted(job for job, _ in seen) == list(range(6))
    assert dict(seen)[1].startswith("the worker died 3 times")
    assert {outcome for job, outcome in seen if job != 1} == {"well"}
    assert later.begun == [0, 1, 2, 0, 1, 2, 1, 3, 4, 5]
    assert tries == {0: 2, 1: 3, 2: 2, 3: 1, 4: 1, 5: 1}
    assert max(len(others) for others in company) == 3


def test_job_that_its_executor_retried_is_given_up_once_it_was_alone() -> None:
    tries = Counter[int]()
    seen: dict[int, object] = {}

    def submit(job: int) -> Future[str]:
        tries[job] += 1
        future: Future[str] = Future()
        future.set_exception(WorkerLost("died", tries=4))
        return future

    dispatch([1, 2], submit, seen.__setitem__, in_flight=2)
    assert tries == {1: 2, 2: 2}
    assert str(seen[1]).startswith("the worker died 8 times")


def test_no_more_jobs_are_taken_than_wanted() -> None:
    later = Later()
    taken = 0
    limits = iter([1, 3, 0, *[2] * 40])
    at_once: list[int] = []

    def jobs() -> Iterator[int]:
        nonlocal taken
        for job in range(10):
            taken += 1
            yield job

    def submit(job: int) -> Future[str]:
        future = later.submit(job)
        at_once.append(len(later.at_work()))
        threading.Timer(0.01, future.set_result, ("well",)).start()
        return future

    told: list[int] = []

    def finished(job: int, _: object) -> None:
        told.append(job)
        assert taken <= len(told) + 3

    dispatch(jobs(), submit, finished, in_flight=lambda: next(limits))
    assert sorted(told) == list(range(10))
    assert at_once[0] == 1
    assert max(at_once) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_finished_raises_ends_all_and_cancels_the_rest(error: type[BaseException]) -> None:
    later = Later()

    def submit(job: int) -> Future[str]:
        future = later.submit(job)
        if job == 2:
            future.set_result("well")
        return future

    def finished(job: int, outcome: object) -> None:
        raise error

    with pytest.raises(error):
        dispatch(range(9), submit, finished, in_flight=3)
    assert later.begun == [0, 1, 2]
    assert later.futures[0].cancelled()
    assert later.futures[1].cancelled()


def test_nothing_to_do() -> None:
    dispatch([], lambda job: pytest.fail("no job"), lambda job, outcome: None, in_flight=4)


# Whole programs.

WORK = """
import os, signal, sys, time
# Whoever started the tests in the background has had Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from ecosystem.sweep.dispatch import dispatch
from ecosystem.sweep.executors import open_executor
with open("times", "a") as file:
    file.write("x")
try:
    with open_executor(2) as executor:
        print("go", flush=True)
        busy = [executor.submit(os.getpid) for _ in range(8)]
        print(*{future.result() for future in busy}, flush=True)
        dispatch(range(int(sys.argv[1])), lambda job: executor.submit(time.sleep, float(sys.argv[2])),
                 lambda job, outcome: print("has", job, outcome), in_flight=4)
except KeyboardInterrupt:
    print("interrupted")
print("over")
"""


def program(folder: Path, *arguments: str, jobs: int = 3, seconds: float = 0.01) -> subprocess.Popen[str]:
    """Start the program above in a process group of its own."""
    (folder / "work.py").write_text(WORK)
    return subprocess.Popen(
        [sys.executable, "-W", "error", *(arguments or ("work.py",)), str(jobs), str(seconds)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def members(group: int) -> list[str]:
    """Return the command lines of the living processes of a process group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, their_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(their_group) == group and state != "Z":
            found.append(command)
    return found


def assert_gone(group: int, within: float) -> None:
    deadline = time.monotonic() + within
    while (left := members(group)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed in /proc")


@needs_proc
@pytest.mark.parametrize("arguments", [("work.py",), ("-m", "work"), ("-",)])
def test_script_without_a_guard_works(arguments: tuple[str, ...], tmp_path: Path) -> None:
    parent = program(tmp_path, *arguments)
    out, err = parent.communicate(WORK if arguments == ("-",) else None, timeout=30)
    assert (parent.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "over"
    assert sorted(out.splitlines()[2:-1]) == ["has 0 None", "has 1 None", "has 2 None"]
    assert (tmp_path / "times").read_text() == "x"
    assert_gone(parent.pid, 1)


@needs_proc
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.3])
def test_workers_end_with_a_killed_parent(delay: float, tmp_path: Path) -> None:
    parent = program(tmp_path, jobs=4, seconds=60)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "go\n"
    time.sleep(delay)
    parent.kill()
    parent.communicate(timeout=10)
    assert_gone(parent.pid, 5)


@needs_proc
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.1, 0.5])
def test_interrupt_ends_all_at_once(delay: float, tmp_path: Path) -> None:
    parent = program(tmp_path, jobs=4, seconds=60)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "go\n"
    time.sleep(delay)
    began = time.monotonic()
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=10)
    assert time.monotonic() - began < 3
    assert (parent.returncode, err) == (0, "")
    assert out.splitlines()[-2:] == ["interrupted", "over"]
    assert_gone(parent.pid, 0.5)


# The cluster, as far as it needs none.


@pytest.mark.parametrize("address", ["", "tcp://", "node:0", "node:70000", "http://node:8787", "tcp://node:1/x"])
def test_address_is_checked(address: str) -> None:
    with pytest.raises(InputError, match=r"--scheduler: found .*tcp://HOST:PORT"), open_executor(2, address):
        pass


def test_missing_dask_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install \"jepa-ecosystem\[dask\]\""), open_executor(2, "node:8786"):
        pass
