"""The first steps of a run taken over from another run, which is the same up to there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.record.checkpoint import checkpoint_path, stem


def inherit(folder: Path, parent: Path, checkpoints: Sequence[int], schemas: dict[str, pa.Schema]) -> None:
    """Give a partial folder the rows and the checkpoints of a finished run, as if it had written them itself.

    Rows go first, so that a folder never has a checkpoint without the rows before it.

    Parameters
    ----------
    folder : Path
        Of the run to be written, empty.
    parent : Path
        Of the finished run.
    checkpoints : sequence of int
        The steps of its first checkpoints, in order: a part of every table goes up to each.
    schemas : dict of str to Schema
        Of the tables.

    Raises
    ------
    InputError
        A table of the parent is missing, is none, or has other columns than this version writes.
    """
    for name, schema in schemas.items():
        pieces = _parts(parent / f"{name}.parquet", schema, checkpoints)
        for step, part in zip(checkpoints, pieces, strict=False):
            with write_atomic(folder / "parts" / name / f"{stem(step)}.parquet") as file:
                pq.write_table(part, file, compression="zstd")
    for step in checkpoints:
        content = checkpoint_path(parent, step).read_bytes()
        with write_atomic(checkpoint_path(folder, step)) as file:
            file.write(content)


def _parts(path: Path, schema: pa.Schema, checkpoints: Sequence[int]) -> Iterator[pa.Table]:
    """Yield the rows up to each checkpoint; a row group of a table never reaches beyond one."""
    try:
        table = pq.ParquetFile(path)
        if not table.schema_arrow.equals(schema):
            raise InputError(str(path), "has other columns than this version of ecosystem writes")
        groups = (table.read_row_group(number) for number in range(table.num_row_groups))
        waiting = next(groups, None)
        for step in checkpoints:
            part = [schema.empty_table()]
            while waiting is not None and (not len(waiting) or waiting["step"][0].as_py() <= step):
                part.append(waiting)
                waiting = next(groups, None)
            yield pa.concat_tables(part).combine_chunks()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(str(path), f"cannot be read as a table ({error})") from None
