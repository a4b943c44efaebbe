"""The tables of a sweep's page: design points with their outcomes, errors, and how to make and read runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.errors import InputError
from ecosystem.jepa import PRETRAINED
from ecosystem.reading import load_scenario, scenario_folders
from ecosystem.record.manifest import file_hash
from ecosystem.report.experiments.sweep_arrays import Headline, Spread, named, written
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.prose import listed
from ecosystem.scenario import Parameters
from ecosystem.sweep.plan import Plan
from ecosystem.sweep.reader import SweepTables

MOST = 50
"""Design points that the table lists; of more, it has those where an outcome is least or greatest."""

_ERRORS, _WHERE, _FAILING = 20, 3, 10


@dataclass(frozen=True)
class Cell:
    """An outcome at a design point: its median, its band where runs differ, whether they fall in two clusters."""

    median: str
    band: str
    bimodal: bool


@dataclass(frozen=True)
class Line:
    """A row of the table of design points: its number, its values, its runs, its outcomes."""

    point: int
    values: list[str]
    runs: str
    cells: list[Cell]


@dataclass(frozen=True)
class Failure:
    """An error: how many runs failed with it, where, and which was the first of them."""

    error: str
    runs: int
    where: str
    point: dict[str, Any]
    replicate: int
    seed: int


@dataclass(frozen=True)
class Maker:
    """Makes commands that run a sweep's runs one by one.

    Attributes
    ----------
    source : str
        What names the scenario on the command line; ``SCENARIO`` where nothing is known to.
    settings : dict
        Parameters that differ from what the source says, whatever the design point.
    shipped : bool
        Whether the weights of the affinity model are the shipped ones; ``WEIGHTS`` stands for others.
    """

    source: str
    settings: dict[str, Any]
    shipped: bool

    @classmethod
    def of(cls, sweep: SweepTables) -> Maker:
        """Look for the sweep's scenario among those that can be named."""
        scenario, name, base = sweep.scenario, "SCENARIO", Parameters()
        try:
            known = load_scenario(scenario.name) if scenario.name in scenario_folders() else None
        except InputError:
            known = None
        if known is not None and known.with_parameters(**scenario.parameters.model_dump()) == scenario:
            name, base = scenario.name, known.parameters
        default, own = base.model_dump(), scenario.parameters.model_dump()
        named_elsewhere = ("seed", *sweep.parameters)
        settings = {k: v for k, v in own.items() if v != default[k] and k not in named_elsewhere}
        return cls(name, settings, sweep.plan.get("weights_sha256") == file_hash(PRETRAINED))

    @property
    def known(self) -> bool:
        """Whether the scenario has a name that the command line knows."""
        return self.source != "SCENARIO"

    def command(self, point: Mapping[str, Any], seed: int) -> str:
        """Return the command that makes the run at a design point with a seed."""
        words = ["ecosystem", "run", self.source]
        for name, value in {**self.settings, **point}.items():
            words += ["--set", f"{name}={exact(value)}"]
        words += ["--seed", str(seed), *([] if self.shipped else ["--weights", "WEIGHTS"])]
        return shlex.join(words)


def lines(response: Response) -> list[Line]:
    """Return the rows of the table of design points: all, or those that stand out."""
    spreads = [response.spread(of) for of in response.headlines]
    chosen = range(response.n_points) if response.n_points <= MOST else _extremes(response, spreads)
    done, failed = (counts.tolist() for counts in response.counts)
    return [
        Line(
            point,
            [written(value) for value in response.at(point).values()],
            _runs(done[point], failed[point], response.sweep.replicates),
            [_cell(of, spread, point) for of, spread in zip(response.headlines, spreads, strict=True)],
        )
        for point in chosen
    ]


def failures(sweep: SweepTables) -> list[Failure]:
    """Return the errors of failed runs, that of the most runs first, at most twenty."""
    table = sweep.failures
    if not len(table):
        return []
    found = []
    for error, rows in table.groupby("error", sort=False):
        first = rows.iloc[0]
        numbers = list(dict.fromkeys(int(number) for number in rows["point"]))
        point, replicate, seed = sweep.plan["points"][numbers[0]], int(first["replicate"]), int(first["seed"])
        where = "".join(listed([named(sweep.plan["points"][k].items()) for k in numbers], _WHERE, joint="; "))
        found.append(Failure(str(error), len(rows), where, point, replicate, seed))
    return sorted(found, key=lambda one: -one.runs)[:_ERRORS]


def seeds(sweep: SweepTables) -> list[int]:
    """Return the seed of each replicate, which is the same at every design point."""
    return Plan(sweep.scenario, (), (), sweep.replicates, "given", "").seeds


def reading(sweep: SweepTables) -> tuple[str, str]:
    """Return a line of pandas and a line of duckdb that read an outcome by design point from a sweep's folder."""
    names = sweep.parameters
    measure = "coalitions"
    if "steps" in names:
        keys, chosen, where = [*names, "step"], "", ""
    else:
        last = sweep.scenario.parameters.steps
        keys, chosen, where = names, f".query('step == {last}')", f" WHERE step = {last}"
    missing = ", dropna=False" if any(value is None for p in sweep.plan["points"] for value in p.values()) else ""
    pandas = f"pandas.read_parquet('metrics'){chosen}.groupby({keys}{missing})['{measure}'].median()"
    query = f"SELECT {', '.join(keys)}, median({measure}) FROM 'metrics/**/*.parquet'{where} GROUP BY ALL ORDER BY ALL"  # noqa: S608
    return pandas, f"duckdb.sql('''{query}''').df()"


def exact(value: Any) -> str:
    """Return a value as the command line reads it back, to the last digit.

    Examples
    --------
    >>> exact(9.0), exact(0.1), exact(1 / 3), exact(None), exact("nash")
    ('9', '0.1', '0.3333333333333333', 'none', 'nash')
    """
    if value is None:
        return "none"
    return (f"{value:g}" if float(f"{value:g}") == value else repr(value)) if isinstance(value, float) else str(value)


def _cell(of: Headline, spread: Spread, point: int) -> Cell:
    low, median, high = (of.shown(float(values[point])) for values in (spread.low, spread.median, spread.high))
    return Cell(median, f"{low} to {high}" if low != high else "", bool(spread.bimodal[point]))


def _runs(done: int, failed: int, planned: int) -> str:
    if done == planned:
        return str(done)
    return f"{done} of {planned}" + (f", {failed} failed" if failed else "")


def _extremes(response: Response, spreads: Sequence[Spread]) -> list[int]:
    """Return the points where an outcome is least or greatest, and the first of those where runs failed."""
    chosen = set(np.flatnonzero(response.counts[1])[:_FAILING].tolist())
    for spread in spreads:
        known = np.flatnonzero(spread.known)
        chosen |= {int(known[pick(spread.median[known])]) for pick in (np.argmin, np.argmax)}
    return sorted(chosen)
