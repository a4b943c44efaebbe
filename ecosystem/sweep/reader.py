"""Reading a sweep back as data frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ecosystem.errors import InputError, nearest
from ecosystem.record.manifest import read_manifest
from ecosystem.scenario import Scenario
from ecosystem.sweep.dataset import FAILURES, finished, read_points
from ecosystem.sweep.plan import PLAN, SCENARIO, TABLES, read_plan


class SweepTables:
    """A sweep, finished or not: its tables as data frames, read when first used.

    Parameters
    ----------
    path : str or Path
        The sweep's folder, or a folder with one sweep somewhere in it.

    Raises
    ------
    InputError
        There is no sweep.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = _find(Path(path))
        self.plan: dict[str, Any] = read_plan(self.path)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the sweep came about: software, status, cost."""
        return read_manifest(self.path)

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario, with the parameters that do not vary."""
        return Scenario.model_validate(json.loads((self.path / SCENARIO).read_bytes()))

    @property
    def parameters(self) -> list[str]:
        """The parameters that vary, in the plan's order."""
        return [axis["name"] for axis in self.plan["axes"]]

    @property
    def replicates(self) -> int:
        """Runs planned at each design point."""
        return int(self.plan["replicates"])

    @cached_property
    def points(self) -> pd.DataFrame:
        """A row a design point: its number, and its value of each parameter that varies."""
        frame = pd.DataFrame(self.plan["points"], columns=self.parameters)
        frame.insert(0, "point", np.arange(len(frame)))
        return frame

    @property
    def done(self) -> int:
        """How many runs are on disk."""
        return len(finished(self.path))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a run and step: point, replicate, seed, the parameters that vary, and the measures of the step."""
        return self.read("metrics")

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row an event of a run: point, replicate, seed, the parameters that vary, and the ledger's columns."""
        return self.read("events")

    @cached_property
    def failures(self) -> pd.DataFrame:
        """A row a run that failed: point, replicate, seed, the parameters that vary, the error and its trace."""
        return self.read(FAILURES)

    @cached_property
    def bands(self) -> pd.DataFrame:
        """A row a design point, step and measure: median and 5 to 95 % band over the replicates."""
        return self._summary("bands")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """A row a design point, outcome and measure: how it is spread over the replicates, and whether they suffice."""
        return self._summary("outcomes")

    def read(
        self, table: str, points: Sequence[int] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return a table (``metrics``, ``events``, ``failures``), perhaps of some design points and columns alone."""
        if table not in (*TABLES, FAILURES):
            raise InputError(table, f"is not a table of a sweep{nearest(table, (*TABLES, FAILURES))}")
        wanted = None if columns is None else [name for name in columns if name != "point"]
        parts = [
            rows.add_column(0, "point", pa.array(np.full(len(rows), point)))
            for point, rows in read_points(self.path, table, points, wanted)
        ]
        if not parts:
            leading = ["point", "replicate", "seed", *self.parameters]
            return pd.DataFrame(columns=list(columns or [*leading, *(("error", "trace") if table == FAILURES else ())]))
        frame: pd.DataFrame = pa.concat_tables(parts).to_pandas()
        return frame if columns is None else frame[list(columns)]

    def _summary(self, name: str) -> pd.DataFrame:
        import pyarrow.parquet as pq

        path = self.path / f"{name}.parquet"
        try:
            frame: pd.DataFrame = pq.read_table(path).to_pandas()
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                str(path), f"cannot be read as a table ({error}); running the sweep again writes it"
            ) from None
        return frame


def is_sweep(path: Path) -> bool:
    """Return whether a folder is a sweep's."""
    return (path / PLAN).is_file()


def _find(path: Path) -> Path:
    if is_sweep(path) or not path.is_dir():
        return path
    inside = [*path.glob(f"*/{PLAN}"), *path.glob(f"*/*/{PLAN}")]
    return inside[0].parent if len(inside) == 1 else path
