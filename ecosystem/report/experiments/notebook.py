"""A sweep as a notebook shows it. Importing this loads no drawing library."""

from __future__ import annotations

import math
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError
from ecosystem.sweep.dataset import FAILURES, finished
from ecosystem.sweep.reader import SweepTables

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ecosystem.report.experiments.sweep_response import Response


class Sweep(SweepTables):
    """A sweep, finished or not: its tables as data frames, its figures as methods."""

    def __repr__(self) -> str:
        return f"Sweep({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from ecosystem.report.experiments.sweep_story import design_in_words

        runs = len(self.plan["points"]) * self.replicates
        failed = self.failed
        rows = [
            ("Scenario", " ".join(str(self.plan.get("title") or self.plan.get("scenario")).split())),
            ("Design", design_in_words(self)),
            ("Runs", f"{self.done:,} of {runs:,} done" + (f", {failed:,} failed" if failed else "")),
            ("Report", str(self.path / "report.html")),
        ]
        body = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in rows
        )
        return f"<table>{body}</table>"

    @property
    def failed(self) -> int:
        """How many runs have failed."""
        return len(finished(self.path, FAILURES))

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem sweep --json`` prints: what was run, how it ended by design point, what failed.

        ``outcomes`` has the headline measures of each design point, at the end of a run or in the mean over its steps;
        it is empty while the sweep is unfinished.
        """
        from ecosystem.report.experiments.sweep_lines import failures

        errors = [
            {"point": one.point, "replicate": one.replicate, "seed": one.seed, "error": one.error, "runs": one.runs}
            for one in failures(self)
        ]
        return {
            "sweep": str(self.path),
            "report": str(self.path / "report.html"),
            "scenario": self.plan["scenario"],
            "design": self.plan["design"],
            "points": len(self.plan["points"]),
            "replicates": self.replicates,
            "runs": len(self.plan["points"]) * self.replicates,
            "done": self.done,
            "failed": self.failed,
            "errors": errors,
            "outcomes": self._outcome_lines(),
        }

    def plot_response(self, measure: str = "coalitions", x: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw a measure along a parameter, with median and 5 to 95 % band over seeds; return the axes.

        Parameters
        ----------
        measure : str
            Of the catalogue: at the end of a run, `forecast_correlation` and `churn` in the mean over its steps.
        x : str, optional
            The parameter; the first number that varies by default. A second one gives a line each; others are held.
        ax : Axes, optional
            Where to draw.

        Raises
        ------
        InputError
            The measure is none of the sweep's, the parameter doesn't vary, or the sweep is unfinished.
        """
        from ecosystem.report.experiments.sweep_plots import plot_response

        return plot_response(self._response, measure, x, ax)

    def plot_phase(
        self, measure: str = "coalitions", x: str | None = None, y: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the median of a measure in the plane of two parameters; return the axes.

        Parameters
        ----------
        measure, ax
            As in `plot_response`.
        x, y : str, optional
            The parameters; by default the two numbers with the most values.
        """
        from ecosystem.report.experiments.sweep_plots import plot_phase

        return plot_phase(self._response, measure, x, y, ax)

    def plot_over_time(self, measure: str = "coalitions", ax: Axes | None = None) -> Axes:
        """Draw a measure over the steps, a line and its band for each of at most six design points; return the axes."""
        from ecosystem.report.experiments.sweep_plots import plot_over_time

        return plot_over_time(self._response, measure, ax)

    @cached_property
    def _response(self) -> Response:
        from ecosystem.report.experiments.sweep_response import Response

        return Response(self)

    def _outcome_lines(self) -> list[dict[str, Any]]:
        response = self._response
        try:
            spreads = {of.measure: response.spread(of) for of in response.headlines}
        except InputError:  # the summaries come last
            return []
        return [
            {
                **self.plan["points"][point],
                **{
                    measure: {name: _plain(getattr(spread, name)[point]) for name in ("median", "low", "high")}
                    for measure, spread in spreads.items()
                },
            }
            for point in range(response.n_points)
        ]


def read_sweep(path: str | Path) -> Sweep:
    """Return a sweep from its folder, finished or not.

    Raises
    ------
    InputError
        The folder is not a sweep.
    """
    return Sweep(path)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
