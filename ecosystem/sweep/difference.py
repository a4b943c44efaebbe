"""Two sweeps side by side: what was planned, and what differs at the design points that both have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.record.content import column_names, plain, records, same_content
from ecosystem.record.manifest import MANIFEST
from ecosystem.record.settings import COLUMNS, Row, scenario_rows, software_rows
from ecosystem.sweep.contrast import CONTRAST, PointRuns, alike, contrast
from ecosystem.sweep.dataset import FAILURES, finished, part
from ecosystem.sweep.plan import TABLES
from ecosystem.sweep.reader import SweepTables
from ecosystem.sweep.spread import ENDINGS

KIND = "sweeps"

_COUNTS = ("n_a", "n_b", "pairs")


class SweepDifference:
    """How two sweeps differ.

    Design points are compared that both have: those with the same value of every parameter that varies in either, be it
    fixed in the other. Runs of one seed are paired, so that chance is the same on both sides of a difference.

    Parameters
    ----------
    a, b : SweepTables
        The sweeps, finished or not; differences are b less a.

    Attributes
    ----------
    a, b : SweepTables
        The sweeps.
    names : list of str
        The parameters that vary in either.
    """

    def __init__(self, a: SweepTables, b: SweepTables) -> None:
        self.a, self.b = a, b
        self.names: list[str] = list(dict.fromkeys([*a.parameters, *b.parameters]))

    @property
    def sweeps(self) -> tuple[SweepTables, SweepTables]:
        """Both sweeps."""
        return self.a, self.b

    @cached_property
    def tables(self) -> dict[str, dict[str, int]]:
        """Of each table, how many runs have it in ``a``, ``b`` and ``both``, and in how many of these it is ``same``.

        Runs are told apart by the numbers of design point and replicate.
        """
        found = {}
        for table in (*TABLES, FAILURES):
            a, b = (finished(sweep.path, table) for sweep in self.sweeps)
            files = ([part(sweep.path, table, *run) for sweep in self.sweeps] for run in a & b)
            same = sum(same_content(one, other) for one, other in files)
            found[table] = {"a": len(a), "b": len(b), "both": len(a & b), "same": same}
        return found

    @property
    def identical(self) -> bool:
        """Whether both have the same runs with the same tables, whatever was planned; none at all are not the same."""
        counts = self.tables.values()
        return any(count["same"] for count in counts) and all(len(set(count.values())) == 1 for count in counts)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """A row a setting that differs: ``what`` (plan, axis, parameter...), ``name``, its value in ``a``, in ``b``."""
        a, b = (sweep.plan for sweep in self.sweeps)
        rows = _unlike("plan", {name: (a.get(name), b.get(name)) for name in ("design", "replicates")})
        rows += _unlike("plan", {"points": (len(a["points"]), len(b["points"]))})
        rows += _unlike("axis", {name: (_axis(self.a, name), _axis(self.b, name)) for name in self.names})
        rows += scenario_rows(self.a.scenario, self.b.scenario, aside=self.names)
        return pd.DataFrame([*rows, *software_rows(*self._provenance())], columns=COLUMNS, dtype=object)

    @cached_property
    def points(self) -> pd.DataFrame:
        """A row a design point of either: its number in ``a`` and ``b``, null where it is in one alone; its values."""
        places = [self._places(sweep) for sweep in self.sweeps]
        every = list(dict.fromkeys([*places[0], *places[1]]))
        numbers = {
            side: pd.array([place.get(values) for values in every], "Int64")
            for side, place in zip("ab", places, strict=True)
        }
        return pd.concat([pd.DataFrame(numbers), pd.DataFrame(every, columns=self.names, dtype=object)], axis=1)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """A row a design point that both have runs of, an outcome and a measure.

        Columns: ``a``, ``b``, the point's number in each, and its values; ``outcome``, one of ``end``, ``mean``;
        ``measure``; those of `contrast.contrast`; ``relative``, the size of the difference as a share of the range that
        the outcome has in all these runs.
        """
        if not self._runs:
            return pd.DataFrame(columns=["a", "b", *self.names, "outcome", "measure", *CONTRAST, "relative"])
        found = [contrast(a, b) for _, a, b in self._runs]
        told = {name: np.concatenate([one[name].ravel() for one in found]) for name in CONTRAST}
        told |= {name: told[name].astype(np.int64) for name in _COUNTS}
        names, rows = self._measured, len(ENDINGS) * len(self._measured)
        points = pd.DataFrame([point for point, _, _ in self._runs]).infer_objects().astype({"a": int, "b": int})
        frame = points.loc[points.index.repeat(rows)].reset_index(drop=True)
        frame["outcome"] = np.tile(np.repeat(ENDINGS, len(names)), len(found))
        frame["measure"] = names * len(ENDINGS) * len(found)
        reach = _reach([side.values for _, *sides in self._runs for side in sides])
        told["relative"] = np.abs(told["difference"]) / np.tile(reach.ravel(), len(found))
        return pd.concat([frame, pd.DataFrame(told)], axis=1).astype({"clear": "boolean"})

    @cached_property
    def overall(self) -> pd.DataFrame:
        """A row an outcome and measure, those first that differ clearly at the most design points.

        Columns: ``points``, at how many it was judged; ``clearly``, at how many of these it differs clearly; and the
        row of `measures` where it differs most, a clear one where there is any.
        """
        rows = []
        for _, found in self.measures.groupby(["outcome", "measure"], sort=False):
            clear = found["clear"].fillna(False).astype(bool)
            among = found[clear] if clear.any() else found
            most = among.iloc[int(among["relative"].fillna(-1.0).argmax())]
            rows.append({"points": int(found["clear"].notna().sum()), "clearly": int(clear.sum()), **most.to_dict()})
        frame = pd.DataFrame(rows, columns=["points", "clearly", *self.measures.columns])
        return frame.sort_values(["clearly", "relative"], ascending=False, kind="stable", ignore_index=True)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """A row an error: how many runs it ended in ``a`` and in ``b``."""
        counts = [sweep.failures["error"].value_counts().to_dict() for sweep in self.sweeps]
        errors = list(dict.fromkeys([*counts[0], *counts[1]]))
        numbers = {side: [int(n.get(error, 0)) for error in errors] for side, n in zip("ab", counts, strict=True)}
        return pd.DataFrame({"error": errors, **numbers})

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem diff A B --json`` prints, as plain values; what is not known is None.

        ``clear`` lists the clear differences, the largest first; all comparisons are in `measures`.
        """
        pairs = [alike(a, b) for _, a, b in self._runs]
        alone = {side: self.points[self.points[other].isna()] for side, other in (("a", "b"), ("b", "a"))}
        clear = self.measures[self.measures["clear"].fillna(False).astype(bool)]
        found = {
            "kind": KIND,
            **{side: _identity(sweep) for side, sweep in zip("ab", self.sweeps, strict=True)},
            "varied": self.names,
            "identical": self.identical,
            "tables": self.tables,
            "compared": {
                "points": len(self._runs),
                "points_a": records(alone["a"][self.names]),
                "points_b": records(alone["b"][self.names]),
                "pairs": sum(pair for pair, _ in pairs),
                "alike": sum(same for _, same in pairs),
            },
            "parameters": records(self.parameters),
            "overall": records(self.overall),
            "clear": records(clear.sort_values("relative", ascending=False, kind="stable")),
            "failures": records(self.failures),
        }
        return {key: plain(value) for key, value in found.items()}

    def _places(self, sweep: SweepTables) -> dict[tuple[Any, ...], int]:
        """Return the numbers of a sweep's design points by their values of the parameters that vary in either."""
        fixed = sweep.scenario.parameters.model_dump()
        return {
            tuple({**fixed, **point}[name] for name in self.names): n for n, point in enumerate(sweep.plan["points"])
        }

    @cached_property
    def _measured(self) -> list[str]:
        """The measures that both have: an older sweep may lack some."""
        runs = [(sweep.path, "metrics", *run) for sweep in self.sweeps for run in sorted(finished(sweep.path))[:1]]
        columns = [column_names(part(*run)) for run in runs]
        return [name for name in CATALOGUE if all(name in there for there in columns)]

    @cached_property
    def _runs(self) -> list[tuple[pd.Series[Any], PointRuns, PointRuns]]:
        """The design points that both have runs of, with the outcomes of these."""
        found = []
        for _, point in self.points.dropna(subset=["a", "b"]).iterrows():
            a, b = (
                PointRuns.of(s, int(point[side]), self._measured) for s, side in zip(self.sweeps, "ab", strict=True)
            )
            if len(a.seeds) and len(b.seeds):
                found.append((point, a, b))
        return found

    def _provenance(self) -> list[dict[str, Any]]:
        """Return what is known of software, where it is of both, and of weights."""
        known = all((sweep.path / MANIFEST).exists() for sweep in self.sweeps)
        own = ("versions", "python", "platform", "git_commit")
        told = [{name: sweep.manifest.get(name) for name in own} if known else {} for sweep in self.sweeps]
        return [
            {**one, "weights_sha256": s.plan.get("weights_sha256")} for one, s in zip(told, self.sweeps, strict=True)
        ]


def _identity(sweep: SweepTables) -> dict[str, Any]:
    plan = sweep.plan
    return {
        "sweep": str(sweep.path),
        "scenario": plan["scenario"],
        "title": plan.get("title", plan["scenario"]),
        "points": len(plan["points"]),
        "replicates": sweep.replicates,
        "runs": len(plan["points"]) * sweep.replicates,
        "done": sweep.done,
        "failed": len(finished(sweep.path, FAILURES)),
    }


def _axis(sweep: SweepTables, name: str) -> Any:
    """Return the values of an axis, or its range as text; the one value of a parameter that does not vary."""
    for axis in sweep.plan["axes"]:
        if axis["name"] == name:
            return axis.get("values") or f"{axis['low']:g} to {axis['high']:g} ({axis['scale']})"
    return [getattr(sweep.scenario.parameters, name)]


def _reach(runs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the range of each outcome over runs, (len(ENDINGS), n_measures); 1 where it does not vary."""
    values = np.concatenate(runs)
    known = np.isfinite(values)
    reach = np.where(known, values, -np.inf).max(0) - np.where(known, values, np.inf).min(0)
    return np.where(np.isfinite(reach) & (reach > 0), reach, 1.0)


def _unlike(what: str, settings: Mapping[str, tuple[Any, Any]]) -> list[Row]:
    return [{"what": what, "name": name, "a": a, "b": b} for name, (a, b) in settings.items() if a != b]
