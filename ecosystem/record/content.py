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
    left, right = (read_table(path) for path in (one, other))
    if left.schema != right.schema or len(left) != len(right):
        return False
    return all(_same(left[name].combine_chunks(), right[name].combine_chunks()) for name in left.column_names)


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


def read_table(path: Path) -> pa.Table:
    """Return the table in a Parquet file, by itself: what its folder's name says is no column.

    Raises
    ------
    InputError
        The file cannot be read as a table.
    """
    try:
        with path.open("rb") as file:
            return pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(str(path), f"cannot be read as a table ({error})") from None


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
