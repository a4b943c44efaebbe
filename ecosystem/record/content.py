"""What tables hold: whether two files hold the same, and rows as plain values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecosystem.errors import InputError
from ecosystem.record.manifest import file_hash


def same_content(one: Path, other: Path) -> bool:
    """Return whether two Parquet files hold the same table: bytes first, then names, types and values; NaN equals NaN.

    Raises
    ------
    InputError
        A file cannot be read as a table.
    """
    if one.stat().st_size == other.stat().st_size and file_hash(one) == file_hash(other):
        return True
    with _opened(one) as left, _opened(other) as right:
        if left.schema_arrow != right.schema_arrow or left.metadata.num_rows != right.metadata.num_rows:
            return False
        # Column by column: tables that differ mostly do so in one of the first.
        return all(_same(_column(left, name, one), _column(right, name, other)) for name in left.schema_arrow.names)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, fit for JSON; what is missing is None."""
    return [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    """Return a value as JSON has it; NaN, infinities and what is missing are None.

    Examples
    --------
    >>> plain({"a": np.float64(0.5), "b": [np.int64(1), float("nan")], "c": pd.NA})
    {'a': 0.5, 'b': [1, None], 'c': None}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def column_names(path: Path) -> list[str]:
    """Return the names of the columns in a Parquet file.

    Raises
    ------
    InputError
        The file cannot be read as a table.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None


def _column(file: pq.ParquetFile, name: str, path: Path) -> pa.Array:
    try:
        return file.read([name], use_threads=False)[name].combine_chunks()
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(str(path), f"cannot be read as a table ({error})")


def _same(one: Any, other: Any) -> bool:
    """Return whether two Arrow arrays of one type hold the same."""
    if not one.is_null().equals(other.is_null()):
        return False
    if pa.types.is_list(one.type) or pa.types.is_fixed_size_list(one.type):
        lengths = (pc.list_value_length(array) for array in (one, other))
        return next(lengths).equals(next(lengths)) and _same(one.flatten(), other.flatten())
    if pa.types.is_floating(one.type):
        left, right = (array.to_numpy(zero_copy_only=False) for array in (one, other))
        return np.array_equal(left, right, equal_nan=True)
    return bool(one.equals(other))
