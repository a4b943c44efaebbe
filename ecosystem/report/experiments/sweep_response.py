"""What came of a sweep at each design point: outcomes, paths, and which points lie along which parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecosystem.errors import InputError, nearest
from ecosystem.measures import CATALOGUE
from ecosystem.report.experiments.sweep_arrays import HEADLINES, Array, Band, Headline, Labels, Spread, Varied, View
from ecosystem.report.prose import label
from ecosystem.sweep.dataset import DONE, FAILURES, finished, read_points
from ecosystem.sweep.design import SAMPLED
from ecosystem.sweep.reader import SweepTables

_FEWEST, _MOST = 4, 8
_EVEN = 1e-6
_GEOMETRIC = 0.02


@dataclass(frozen=True)
class Response:
    """What came of a sweep at each design point."""

    sweep: SweepTables

    @property
    def n_points(self) -> int:
        """Number of design points."""
        return len(self.sweep.plan["points"])

    @cached_property
    def varied(self) -> tuple[Varied, ...]:
        """The parameters that vary, in the plan's order."""
        return tuple(_varied(axis, self.sweep.plan["points"]) for axis in self.sweep.plan["axes"])

    @cached_property
    def changing(self) -> tuple[Varied, ...]:
        """Those of them that have more than one value."""
        return tuple(one for one in self.varied if len(one.values) > 1)

    @cached_property
    def counts(self) -> tuple[Labels, Labels]:
        """Runs done, and runs failed, (n_points,) each."""
        done, failed = np.zeros(self.n_points, np.int64), np.zeros(self.n_points, np.int64)
        for found, tally in ((finished(self.sweep.path), done), (finished(self.sweep.path, FAILURES), failed)):
            for point, _ in found:
                tally[point] += 1
        return done, failed

    @cached_property
    def is_grid(self) -> bool:
        """Whether the points are every combination of the values, each once."""
        combinations = math.prod(len(one.values) for one in self.varied)
        distinct = {tuple(int(one.place[k]) for one in self.varied) for k in range(self.n_points)}
        return self.sweep.plan.get("design") not in SAMPLED and len(distinct) == self.n_points == combinations

    @cached_property
    def headlines(self) -> tuple[Headline, ...]:
        """The outcomes to show, at most eight: the count of coalitions, and those that differ from run to run."""
        moving = [one for one in self._defined if one.measure == HEADLINES[0].measure or one not in self.constant]
        return tuple(moving if len(moving) >= _FEWEST else self._defined)[:_MOST]

    @cached_property
    def constant(self) -> tuple[Headline, ...]:
        """The outcomes that are the same in all runs."""
        return tuple(one for one in self._defined if _is_constant(self.spread(one)))

    @property
    def is_still(self) -> bool:
        """Whether every outcome is the same in all runs."""
        return bool(self._defined) and len(self.constant) == len(self._defined)

    @cached_property
    def _defined(self) -> tuple[Headline, ...]:
        # Where affinity is given no one says anything, and opinions are 0 for want of any.
        spoken = self.sweep.scenario.affinity is None
        wanted = (one for one in HEADLINES if spoken or not one.measure.startswith("opinion"))
        return tuple(one for one in wanted if self.spread(one).known.any())

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Any]:
        groups: Any = self.sweep.outcomes.groupby(["measure", "outcome"], sort=False)
        return dict(list(groups))

    @cached_property
    def _spreads(self) -> dict[tuple[str, str], Spread]:
        return {}

    def spread(self, of: Headline) -> Spread:
        """Return an outcome over the replicates of each design point."""
        key = (of.measure, of.outcome)
        if key not in self._spreads:
            self._spreads[key] = _spread(self._rows.get(key), self.n_points)
        return self._spreads[key]

    def runs(self, of: Headline) -> Array:
        """Return a headline outcome of every run, (n_points, n_replicates); NaN where it is missing or not defined."""
        return self._of_runs[of]

    @cached_property
    def _of_runs(self) -> dict[Headline, Array]:
        wanted = self._defined
        found = {of: np.full((self.n_points, self.sweep.replicates), np.nan) for of in wanted}
        columns = ["replicate", *dict.fromkeys(of.measure for of in wanted)]
        for point, rows in read_points(self.sweep.path, DONE, None, columns) if wanted else ():
            replicate, first = np.unique(rows["replicate"].to_numpy(), return_index=True)
            for of in wanted:
                steps = rows[of.measure].to_numpy().astype(np.float64).reshape(len(first), -1)
                found[of][point, replicate] = steps[:, -1] if of.outcome == "end" else mean_of_known(steps)
        return found

    def outcome(self, measure: str) -> Headline:
        """Return any measure as an outcome: those that are no headline at the end of a run.

        Raises
        ------
        InputError
            It is not a measure of the sweep.
        """
        for one in HEADLINES:
            if one.measure == measure:
                return one
        measures = sorted({str(name) for name, _ in self._rows})
        if measure not in measures:
            raise InputError(measure, f"is not a measure of this sweep{nearest(measure, measures)}")
        title = CATALOGUE[measure].title if measure in CATALOGUE else label(measure).capitalize()
        return Headline(measure, "end", title, title.lower())

    def at(self, point: int) -> dict[str, Any]:
        """Return the varied parameters at a design point."""
        return {one.name: one.values[one.place[point]] for one in self.varied}

    def find(self, name: str) -> Varied:
        """Return a parameter that varies by its name.

        Raises
        ------
        InputError
            It does not vary.
        """
        for one in self.varied:
            if one.name == name:
                return one
        raise InputError(name, f"does not vary in this sweep{nearest(name, [one.name for one in self.varied])}")

    def grid(self, *axes: Varied) -> Labels:
        """Return the points of a grid, an axis for each parameter named, the others flattened at the end.

        Returns
        -------
        (n_1, ..., n_others) int
        """
        others = [one for one in self.varied if one not in axes]
        numbers = np.full([len(one.values) for one in (*axes, *others)], -1, np.int64)
        numbers[tuple(one.place for one in (*axes, *others))] = np.arange(self.n_points)
        return numbers.reshape(*numbers.shape[: len(axes)], -1)

    def view(self, x: str | None = None, series: str | None = None) -> View:
        """Return the points of a grid along two parameters, those that tell most where none is named.

        The first is the first number that varies, the second what has other values or else the fewest. Others are held
        at the scenario's own value where it is among theirs, else at the middle one.
        """
        first = self.find(x) if x is not None else self.along
        rest = [one for one in self.changing if one is not first]
        second = self.find(series) if series is not None else next(iter(sorted(rest, key=_by_fewness)), None)
        held = [one for one in self.varied if one is not first and one is not second]
        places = [self._own(one) for one in held]
        shown = self.grid(first, *([] if second is None else [second]), *held)
        chosen = shown[(slice(None), *(() if second is None else (slice(None),)), *places, 0)]
        fixed = tuple((one.name, one.values[place]) for one, place in zip(held, places, strict=True) if one in rest)
        return View(first, second, chosen.reshape(len(first.values), -1), fixed)

    @property
    def along(self) -> Varied:
        """The parameter that curves are drawn along."""
        ranked = self.changing or self.varied
        return next((one for one in ranked if one.numeric), None) or max(ranked, key=lambda one: len(one.values))

    @property
    def plane(self) -> list[Varied]:
        """The parameters of a phase diagram: the two numbers with most values, else what else has."""
        return sorted(self.changing, key=lambda one: (not one.numeric, -len(one.values)))[:2]

    def _own(self, one: Varied) -> int:
        own = getattr(self.sweep.scenario.parameters, one.name)
        return one.values.index(own) if own in one.values else (len(one.values) - 1) // 2

    def over_time(self, measures: Sequence[str], points: Iterable[int]) -> dict[tuple[int, str], Band]:
        """Return measures over the steps of design points, by point and measure; those never known are left out."""
        import pyarrow.parquet as pq

        wanted = sorted({int(point) for point in points})
        chosen = [("point", "in", wanted), ("measure", "in", list(measures))]
        columns = ["point", "step", "measure", "low", "median", "high"]
        table = pq.read_table(self.sweep.path / "bands.parquet", columns=columns, filters=chosen)
        of, measure = table["point"].to_numpy(), np.array(table["measure"].to_pylist(), object)
        steps = table["step"].to_numpy()
        low, median, high = (table[name].to_numpy().astype(np.float64) for name in ("low", "median", "high"))
        found = {}
        for point in wanted:
            for name in measures:
                mine = (of == point) & (measure == name)
                if not np.isnan(median[mine]).all():
                    found[point, name] = Band(steps[mine], low[mine], median[mine], high[mine])
        return found


def _varied(axis: dict[str, Any], points: Sequence[dict[str, Any]]) -> Varied:
    name = axis["name"]
    there = [point[name] for point in points]
    numeric = all(isinstance(value, int | float) for value in there)
    # What the plan lists keeps its order; numbers are sorted, and what is no number comes last.
    values = list(dict.fromkeys([*(v for v in axis.get("values", ()) if v in there), *there]))
    numbers = sorted(value for value in values if isinstance(value, int | float))
    values = [*numbers, *(value for value in values if not isinstance(value, int | float))]
    place = np.array([values.index(value) for value in there], np.int64)
    log = axis.get("scale") == "log" or (numeric and _is_geometric(np.array(values, np.float64)))
    return Varied(name, tuple(values), place, numeric, log)


def _is_geometric(values: Array) -> bool:
    """Return whether numbers stand in equal ratios, as a logarithmic range does."""
    if len(values) < 3 or values[0] <= 0 or values[-1] < 4 * values[0]:
        return False
    ratios = np.diff(np.log(values))
    return bool(np.ptp(ratios) < _GEOMETRIC * ratios.max())


def _is_constant(spread: Spread) -> bool:
    low, high = spread.low[spread.known], spread.high[spread.known]
    return bool(np.ptp([*low, *high]) <= _EVEN * max(abs(high).max(), _EVEN))


def mean_of_known(steps: Array) -> Array:
    """Return the mean of the known values of each row."""
    known = ~np.isnan(steps)
    mean: Array = np.where(known, steps, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)
    return mean


def _by_fewness(one: Varied) -> tuple[bool, int]:
    return one.numeric, len(one.values)


def _spread(rows: Any, n_points: int) -> Spread:
    columns = {name: np.full(n_points, np.nan) for name in ("n", "low", "median", "high", "mean", "sd")}
    short, bimodal = np.zeros(n_points, bool), np.zeros(n_points, bool)
    if rows is not None:
        place = rows["point"].to_numpy()
        for name, values in columns.items():
            values[place] = rows[name].to_numpy(np.float64)
        # Null where the runs are too few to say.
        short[place] = rows["enough"].eq(False).to_numpy(bool)
        bimodal[place] = rows["bimodal"].eq(True).to_numpy(bool)
    return Spread(**columns, short=short, bimodal=bimodal)
