"""The tables of a sweep: a Parquet data set each, a file a run, a folder a design point."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.sweep.design import kind_of
from ecosystem.sweep.plan import Job

FAILURES = "failures"
DONE = "metrics"
"""The table that is written last: a run that has it is done."""

_TYPES = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string()}
_PART = re.compile(r"^replicate-(\d+)\.parquet$")
_POINT = re.compile(r"^point=(\d+)$")


def point_folder(root: Path, table: str, point: int) -> Path:
    """Return where the files of a design point are; the number unpadded, so that duckdb reads it as one."""
    return root / table / f"point={point}"


def part(root: Path, table: str, point: int, replicate: int) -> Path:
    """Return where a run's rows of a table are."""
    return point_folder(root, table, point) / f"replicate-{replicate:04d}.parquet"


def finished(root: Path, table: str = DONE) -> set[tuple[int, int]]:
    """Return the (point, replicate) of the runs whose rows of a table are on disk."""
    return {(point, replicate) for point, folder in _points(root / table) for replicate in _replicates(folder)}


def columns_of(job: Job) -> dict[str, tuple[Any, pa.DataType]]:
    """Return the columns that say which run a row belongs to, with their types."""
    named: dict[str, tuple[Any, pa.DataType]] = {
        "replicate": (job.replicate, pa.int64()),
        "seed": (job.seed, pa.int64()),
    }
    for name, value in job.changes.items():
        named[name] = (value, _TYPES[kind_of(name)])
    return named


def labelled(table: pa.Table, job: Job) -> pa.Table:
    """Return a run's rows with the columns that say which run it is in front."""
    named = columns_of(job)
    arrays = [pa.array([value] * len(table), kind) for value, kind in named.values()]
    fields = [pa.field(name, kind) for name, (_, kind) in named.items()]
    schema = pa.schema([*fields, *table.schema])
    return pa.table([*arrays, *table.columns], schema)


def encode(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    # So small a file hardly gets smaller by a better compression, which takes three times as long.
    pq.write_table(table, sink, compression="snappy")
    return bytes(sink.getvalue())


def store(root: Path, job: Job, tables: Mapping[str, bytes]) -> None:
    """Write a run's tables, each under a temporary name first, the one that says that it is done last."""
    failed = part(root, FAILURES, job.point, job.replicate)
    for name in sorted(tables, key=lambda name: (name == DONE, name)):
        with write_atomic(part(root, name, job.point, job.replicate)) as file:
            file.write(tables[name])
    if FAILURES not in tables and failed.exists():
        failed.unlink()
        for parent in (failed.parent, failed.parent.parent):
            if not any(parent.iterdir()):
                parent.rmdir()


def sweep_up(root: Path) -> None:
    """Remove what writers that were killed have left behind."""
    for path in root.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def read_points(
    root: Path, table: str, points: Sequence[int] | None = None, columns: Sequence[str] | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number of each design point with its rows of a table, runs in order; points without any are left out.

    Raises
    ------
    InputError
        A file cannot be read.
    """
    wanted = None if points is None else set(points)
    for point, folder in _points(root / table):
        if wanted is None or point in wanted:
            files = [folder / f"replicate-{replicate:04d}.parquet" for replicate in _replicates(folder)]
            parts = [_read(path, columns) for path in files]
            if parts:
                yield point, pa.concat_tables(parts)


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        # The file as it is: read as a data set, its folder's name would be a column, and it would take twice as long.
        with pq.ParquetFile(path) as file:
            return file.read(columns=None if columns is None else list(columns), use_threads=False)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(str(path), f"cannot be read as a table ({error})") from None


def _points(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [(int(match[1]), Path(entry)) for entry in entries if (match := _POINT.match(entry.name))]
    return sorted(found)


def _replicates(folder: Path) -> list[int]:
    with os.scandir(folder) as entries:
        return sorted(int(match[1]) for entry in entries if (match := _PART.match(entry.name)))
