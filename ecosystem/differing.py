"""Two runs, or two sweeps, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecosystem.errors import InputError, shorten
from ecosystem.record.difference import RunDifference
from ecosystem.record.manifest import COMPLETE, MANIFEST
from ecosystem.record.reader import RunTables
from ecosystem.report.differences import to_html
from ecosystem.report.notebook import Run
from ecosystem.sweep.difference import SweepDifference
from ecosystem.sweep.reader import SweepTables, is_sweep


class DifferenceOfRuns(RunDifference):
    """How two runs differ, told and shown."""

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem diff A B --json`` prints; the first events that differ are explained."""
        found = super().summary()
        found["events"]["told"] = {
            side: None if row is None else str(Run(run.path).explain(row))
            for side, run, row in zip("ab", self.runs, self.first_events, strict=True)
        }
        return found

    def _repr_html_(self) -> str:
        return to_html(self.summary())


class DifferenceOfSweeps(SweepDifference):
    """How two sweeps differ, shown."""

    def _repr_html_(self) -> str:
        return to_html(self.summary())


Difference = DifferenceOfRuns | DifferenceOfSweeps


def diff(a: str | Path | RunTables | SweepTables, b: str | Path | RunTables | SweepTables) -> Difference:
    """Return how two runs differ, or two sweeps.

    Parameters
    ----------
    a, b : str, Path, Run or Sweep
        Folders of two finished runs, or of two sweeps, finished or not; or what `ecosystem.read_run` and
        `ecosystem.read_sweep` return.

    Returns
    -------
    Difference
        With ``summary()``, ``identical``, and ``parameters``, ``measures`` and more as data frames.

    Raises
    ------
    InputError
        A folder is neither a run's nor a sweep's, or one is a run's and the other a sweep's.
    """
    one, other = _open(a), _open(b)
    if isinstance(one, SweepTables) and isinstance(other, SweepTables):
        return DifferenceOfSweeps(one, other)
    if isinstance(one, RunTables) and isinstance(other, RunTables):
        return DifferenceOfRuns(one, other)
    kinds = ["a run" if isinstance(side, RunTables) else "a sweep" for side in (one, other)]
    raise InputError(str(other.path), f"is {kinds[1]}, and {one.path} is {kinds[0]}; two of a kind can be compared")


def _open(source: str | Path | RunTables | SweepTables) -> RunTables | SweepTables:
    """Return the run or the sweep that is meant."""
    if isinstance(source, RunTables | SweepTables):
        return source
    if not isinstance(source, str | Path):
        raise InputError("diff", f"found {shorten(source)}; the folder of a run or of a sweep is accepted")
    path = Path(source)
    if (path / MANIFEST).is_file() and not is_sweep(path):
        return _run(path)
    if not path.exists():
        raise InputError(str(path), "does not exist; the folder of a run or of a sweep is accepted")
    try:
        return SweepTables(path)
    except InputError:
        if is_sweep(path):
            raise
    raise InputError(str(path), "is neither a run's folder (it has no manifest.json) nor a sweep's (no plan.json)")


def _run(path: Path) -> Run:
    run = Run(path)
    kind, status = run.manifest.get("kind", "run"), run.manifest.get("status")
    if kind != "run":
        raise InputError(
            str(path), f"is a folder of kind {shorten(kind)}, not a run's; the runs that it names can be compared"
        )
    if status != COMPLETE:
        raise InputError(str(path), f"holds a run that is not finished (its status is {shorten(status)})")
    return run
