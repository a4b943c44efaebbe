"""The summaries of a sweep: bands over the replicates at every step, and how each outcome is spread over them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.progress import Progress, silent
from ecosystem.sweep import modes, replication
from ecosystem.sweep.dataset import columns_of, read_points
from ecosystem.sweep.plan import SCENARIO, Job, read_plan
from ecosystem.sweep.spread import ENDINGS, SPREAD, endings, spread_of

Array = NDArray[np.float64]

BANDS, OUTCOMES = "bands.parquet", "outcomes.parquet"
COUNTS = frozenset({"coalitions", "defectors"})
SHARES = frozenset({"largest", "alone", "churn", "unstable"})
"""Measures that move in whole agents or coalitions: one more or fewer is no second mode."""

_NOT_MEASURES = frozenset({"point", "replicate", "seed", "step", "topic", "cycle"})
_ROW_GROUP = 20_000
_KEPT = (*SPREAD, "noise", "bimodal")
_SPREAD_FIELDS = [(name, pa.int32() if name == "n" else pa.float64()) for name in SPREAD]
_BANDS_SCHEMA = pa.schema([("point", pa.int32()), ("step", pa.int32()), ("measure", pa.string()), *_SPREAD_FIELDS])


def summarise(folder: Path, tell: Progress = silent) -> None:
    """Write ``bands.parquet`` and ``outcomes.parquet`` of a sweep, from the runs that are on disk.

    Design points are read one by one, so that memory does not grow with their number. A point without a finished run
    has no rows. The same runs give the same bytes, whatever the order in which they were made.

    ``bands``: a row a point, measure and step, with the numbers of `spread.spread_of` over the runs in which the
    measure is defined then.

    ``outcomes``: a row a point, outcome (`ENDINGS`) and measure, with the point's parameters; the same numbers, and
    ``enough`` and ``needed`` from `replication.runs_needed`, ``bimodal`` from `modes.two_modes`, null where the runs
    are too few to say.

    Settled or not, and each kind of stability, count as 0 or 1: their mean is a share.

    Raises
    ------
    InputError
        The folder is not a sweep, or a file of it cannot be used.
    """
    plan = read_plan(folder)
    total, agents = len(plan["points"]), _agents(folder)
    design, points = _Design(), []
    with tempfile.TemporaryFile() as kept:
        with write_atomic(folder / BANDS) as file, _Writer(file, _BANDS_SCHEMA) as writer:
            for point, rows in read_points(folder, "metrics"):
                tell("summarise", point, total)
                runs = _Runs.of(point, rows, _parameters(plan))
                writer.write(_bands(runs))
                # How much is enough depends on the whole design: until that is known, on disk.
                _outcomes(runs, agents).tofile(kept)
                design.add(runs)
                points.append(point)
        kept.seek(0)
        with write_atomic(folder / OUTCOMES) as file:
            _write_outcomes(file, kept, plan, points, design)
    tell("summarise", total, total)


@dataclass(frozen=True)
class _Runs:
    """The finished runs of a design point.

    Attributes
    ----------
    point : int
        Its number.
    measures : list of str
        Columns of the metrics that are numbers.
    flags : frozenset of str
        Those that are true or false.
    steps : (n_steps,) int32
        The steps recorded.
    values : (n_runs, n_steps, n_measures) float64
        NaN where a measure is not defined.
    """

    point: int
    measures: list[str]
    flags: frozenset[str]
    steps: NDArray[np.int32]
    values: Array

    @classmethod
    def of(cls, point: int, rows: pa.Table, parameters: Sequence[str]) -> _Runs:
        """Arrange the rows of a point's runs."""
        kinds = {column.name: column.type for column in rows.schema}
        measures = [name for name, kind in kinds.items() if _counts(name, kind) and name not in parameters]
        replicate = rows["replicate"].to_numpy()
        n_runs = 1 + int((np.diff(replicate) != 0).sum())
        step = rows["step"].to_numpy()
        if len(step) % n_runs or (step.reshape(n_runs, -1) != step[: len(step) // n_runs]).any():
            raise InputError(
                f"metrics of design point {point}", "holds runs of different steps; those of a point are alike"
            )
        columns = [rows[name].cast(pa.float64()).to_numpy() for name in measures]
        values = np.stack(columns, -1).reshape(n_runs, -1, len(measures))
        flags = frozenset(name for name in measures if pa.types.is_boolean(kinds[name]))
        return cls(point, measures, flags, step[: values.shape[1]].astype(np.int32), values)

    def outcomes(self) -> Array:
        """Return the outcomes of each run, (n_runs, len(ENDINGS) * n_measures)."""
        return endings(self.values).reshape(len(self.values), -1)


@dataclass
class _Design:
    """What a design spreads each outcome, gathered point by point.

    Attributes
    ----------
    measures : list of str
        What is measured, at every point.
    n, mean, squares : (n_outcomes,) float64
        Runs so far, their mean, and the sum of their squared distances to it.
    """

    measures: list[str] = field(default_factory=list)
    n: Array = field(default_factory=lambda: np.zeros(1))
    mean: Array = field(default_factory=lambda: np.zeros(1))
    squares: Array = field(default_factory=lambda: np.zeros(1))

    def add(self, runs: _Runs) -> None:
        """Take a point's runs in (Chan, Golub & LeVeque 1983, The American Statistician 37:242-247)."""
        if self.measures not in ([], runs.measures):
            raise InputError(f"metrics of design point {runs.point}", "has other columns than the points before it")
        self.measures = runs.measures
        values = np.sort(runs.outcomes(), axis=0)
        known = np.isfinite(values)
        n = known.sum(0)
        mean = np.where(known, values, 0).sum(0) / np.maximum(n, 1)
        squares = (np.where(known, values - mean, 0) ** 2).sum(0)
        both = np.maximum(self.n + n, 1)
        self.squares = self.squares + squares + (mean - self.mean) ** 2 * self.n * n / both
        self.mean = self.mean + (mean - self.mean) * n / both
        self.n = self.n + n

    def sd(self) -> Array:
        """Return the standard deviation over all runs, (n_outcomes,); NaN where there is one run or none."""
        return np.sqrt(np.where(self.n > 1, self.squares, np.nan) / np.maximum(self.n - 1, 1))


def _counts(name: str, kind: pa.DataType) -> bool:
    numeric = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return numeric and name not in _NOT_MEASURES


def _parameters(plan: dict[str, Any]) -> list[str]:
    return [axis["name"] for axis in plan["axes"]]


def _bands(runs: _Runs) -> pa.Table:
    spread = spread_of(runs.values.transpose(0, 2, 1))
    n_rows = len(runs.measures) * len(runs.steps)
    columns = [
        pa.array(np.full(n_rows, runs.point, np.int32)),
        pa.array(np.tile(runs.steps, len(runs.measures))),
        pa.array(np.repeat(runs.measures, len(runs.steps))),
        *(_column(name, values.ravel()) for name, values in spread.items()),
    ]
    return pa.table(columns, schema=_BANDS_SCHEMA)


def _outcomes(runs: _Runs, agents: int) -> Array:
    """Return what is kept of a point's outcomes until the whole design is known, (len(_KEPT), n_outcomes)."""
    values = np.sort(runs.outcomes(), axis=0)
    one = {**dict.fromkeys(COUNTS | runs.flags, 1.0), **dict.fromkeys(SHARES, 1 / agents if agents else 0.0)}
    unit = [one.get(name, 0.0) for name in runs.measures] * len(ENDINGS)
    return np.stack([*spread_of(values).values(), replication.noise(values), modes.bimodal(values, unit)])


def _agents(folder: Path) -> int:
    """Return how many agents a sweep's scenario has."""
    try:
        return len(json.loads((folder / SCENARIO).read_bytes())["personas"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(folder / SCENARIO), f"is not the scenario of a sweep ({error})") from None


def _write_outcomes(file: Any, kept: Any, plan: dict[str, Any], points: Sequence[int], design: _Design) -> None:
    """Write the outcomes of all points, a row group each, judged by what the design spreads them."""
    names = _parameters(plan)
    columns_there = columns_of(Job(0, 0, 0, plan["points"][0]))
    schema = _outcomes_schema({name: columns_there[name][1] for name in names})
    n_outcomes = len(ENDINGS) * len(design.measures)
    scale = design.sd()
    with _Writer(file, schema) as writer:
        for point in points:
            told = np.fromfile(kept, np.float64, len(_KEPT) * n_outcomes).reshape(len(_KEPT), n_outcomes)
            row = dict(zip(_KEPT, told, strict=True))
            needed = replication.runs_for(row["noise"], replication.allowance(scale, row["mean"]))
            unknown = np.isnan(needed)
            columns = [
                pa.array(np.full(n_outcomes, point, np.int32)),
                *(pa.array([plan["points"][point][name]] * n_outcomes, schema.field(name).type) for name in names),
                pa.array(np.repeat(ENDINGS, len(design.measures))),
                pa.array(design.measures * len(ENDINGS)),
                *(_column(name, row[name]) for name in SPREAD),
                pa.array(needed <= row["n"], mask=unknown),
                pa.array(np.where(unknown, 0, needed).astype(np.int32), mask=unknown),
                pa.array(row["bimodal"] == 1, mask=np.isnan(row["bimodal"])),
            ]
            writer.write(pa.table(columns, schema))


def _column(name: str, values: Array) -> pa.Array:
    return pa.array(values.astype(np.int32)) if name == "n" else pa.array(values, from_pandas=True)


def _outcomes_schema(parameters: dict[str, pa.DataType]) -> pa.Schema:
    judged = [("enough", pa.bool_()), ("needed", pa.int32()), ("bimodal", pa.bool_())]
    named = [("outcome", pa.string()), ("measure", pa.string())]
    return pa.schema([("point", pa.int32()), *parameters.items(), *named, *_SPREAD_FIELDS, *judged])


class _Writer:
    """Writes tables to a Parquet file; small ones share a row group, whose description would outgrow them."""

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        self._to = pq.ParquetWriter(file, schema, compression="zstd")
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Take a table; write what has come together."""
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._to.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._flush()
            self._to.close()
        else:  # the file goes; a writer left open would complain when it is collected
            self._to.is_open = False
