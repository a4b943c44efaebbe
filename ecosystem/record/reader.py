"""Reading a run back as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.record.manifest import CONFIG, read_manifest
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    import pyarrow as pa


class RunTables:
    """A finished run: its tables as data frames, read when first used.

    Parameters
    ----------
    path : str or Path
        The run's folder.
    scenario : Scenario, optional
        The scenario that was run, where it is known; read from ``config.yaml`` otherwise.

    Raises
    ------
    InputError
        The folder is not a finished run.
    """

    def __init__(self, path: str | Path, scenario: Scenario | None = None) -> None:
        self.path = Path(path)
        self.manifest: dict[str, Any] = read_manifest(self.path)
        if scenario is not None:
            self.scenario = scenario

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was run, with its parameters."""
        return load_scenario(self.path / CONFIG)

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem run --json`` prints: where the run is, what it was, how it ended."""
        last = self.metrics.iloc[-1].to_dict()
        return {
            "run": str(self.path),
            "report": str(self.path / "report.html"),
            "scenario": self.manifest["scenario"],
            "seed": self.manifest["seed"],
            "steps": int(last.pop("step")),
            "metrics": {
                name: value if isinstance(value, str) or value == value else None for name, value in last.items()
            },
        }

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a step: the measures of the catalogue."""
        return self._read("metrics")

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """A row an utterance: who said what, who weighed it, who accepted it."""
        return self._read("utterances")

    @cached_property
    def affinity(self) -> pd.DataFrame:
        """A row a step, speaker and listener: forecast, observed, cosine."""
        return self._read("affinity")

    @cached_property
    def alignment(self) -> pd.DataFrame:
        """A row a step and pair: the edge's weight."""
        return self._read("alignment")

    @cached_property
    def memberships(self) -> pd.DataFrame:
        """A row a step and agent: its coalition, negative for an agent alone, and whether it takes part."""
        return self._read("memberships")

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row an event: what happened to which coalition, and its cause."""
        return self._read("events")

    @cached_property
    def opinions(self) -> pd.DataFrame:
        """A row a step, agent and topic: its opinion, in [-1, 1]."""
        return self._read("opinions")

    @cached_property
    def defections(self) -> pd.DataFrame:
        """A row a step and agent who would gain by moving if entry were free, with where to and the gain."""
        return self._read("defections")

    @cached_property
    def interventions(self) -> pd.DataFrame:
        """A row an intervention that took place: whom it concerned, and who took a message over."""
        return self._read("interventions")

    @cached_property
    def statements(self) -> pd.DataFrame:
        """A row a statement: topic, text, holders, support, latent."""
        return self._read("statements")

    @cached_property
    def importance(self) -> pd.DataFrame:
        """A row a pair of statements of the two least aligned personas: affinity, attribution, legacy."""
        return self._read("importance")

    @cached_property
    def latents(self) -> pd.DataFrame:
        """A row a step and agent: the mean latent of what it holds."""
        return self._read("latents")

    def arrow(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table, or some of its columns, as Arrow has it; much faster than a data frame of strings.

        Raises
        ------
        InputError
            The table is missing or is none.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path / f"{table}.parquet"
        try:
            found = pq.read_table(path, columns=None if columns is None else list(columns))
        except (OSError, KeyError, pa.ArrowInvalid) as error:
            raise InputError(str(path), f"cannot be read as a table ({error})") from None
        missing = [name for name in columns or () if name not in found.column_names]
        if missing:
            raise InputError(str(path), f"cannot be read as a table (it has no column {missing[0]!r})")
        return found

    def _read(self, table: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.arrow(table).to_pandas()
        return frame
