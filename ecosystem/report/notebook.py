"""A run as a notebook shows it. Importing this loads no drawing library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.record.reader import RunTables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ecosystem.report.explain import Explainer, Explanation


class Run(RunTables):
    """A finished run: its tables as data frames, its figures as methods."""

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        manifest = self.manifest
        steps = manifest.get("steps_done", manifest["parameters"]["steps"])
        rows = [
            ("Scenario", escape(str(manifest.get("title", manifest["scenario"])))),
            ("Steps, seed", escape(f"{steps}, {manifest['seed']}")),
            (f"Coalitions at step {escape(str(steps))}", "<br>".join(self._coalition_lines())),
            ("Report", escape(str(self.path / "report.html"))),
        ]
        body = "".join(f"<tr><th style='text-align:left'>{name}</th><td>{text}</td></tr>" for name, text in rows)
        return f"<table>{body}</table>"

    def _coalition_lines(self) -> list[str]:
        """Return the coalitions of the last step as lines of escaped HTML, the largest first."""
        from ecosystem.report.style import shorten

        now = self.memberships[self.memberships["step"] == self.memberships["step"].max()]
        now = now[now["present"].ne(False)]
        names = self.manifest["agents"]
        together: dict[int, list[str]] = {}
        for agent, label in zip(now["agent"], now["coalition"], strict=True):
            together.setdefault(max(int(label), -1), []).append(shorten(str(names.get(agent, agent)), 40))
        alone = together.pop(-1, [])
        lines = [f"{label}: {_list(members)}" for label, members in sorted(together.items(), key=lambda x: -len(x[1]))]
        return [escape(line) for line in [*lines, *([f"alone: {_list(alone)}"] if alone else [])]]

    def explain(self, event: int | Mapping[str, Any] | pd.Series[Any]) -> Explanation:
        """Return why an event happened: what alignment did, since when, and after which words.

        Parameters
        ----------
        event : int, mapping or Series
            A row of `events`, or its position there.

        Raises
        ------
        InputError
            It is not an event of the run.
        """
        return self._explainer.explain(event)

    @cached_property
    def _explainer(self) -> Explainer:
        from ecosystem.report.explain import Explainer

        return Explainer(self)

    def plot_trajectories(self, ax: Axes | None = None) -> Axes:
        """Draw how the agents' positions moved, in the plane of all statements; return the axes."""
        from ecosystem.report.latents import plot_trajectories

        return plot_trajectories(self, ax)

    def plot_timeline(self, ax: Axes | None = None) -> Axes:
        """Draw who was in which coalition when; return the axes."""
        from ecosystem.report.timeline import plot_timeline

        return plot_timeline(self, ax)

    def plot_affinity(self, ax: Axes | None = None, step: int | None = None) -> Axes:
        """Draw the mean observed affinity around a step (the last by default); return the axes."""
        from ecosystem.report.heatmaps import plot_affinity

        return plot_affinity(self, ax, step)


def read_run(path: str | Path) -> Run:
    """Return a finished run from its folder.

    Raises
    ------
    InputError
        The folder is not a run.
    """
    return Run(path)


def _list(names: list[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
