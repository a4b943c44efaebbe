"""Figures of a fork: the branches' coalitions side by side, how far apart they are, and their measures over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import agent_names, numbers, order_over_time, partitions, read_columns
from ecosystem.report.experiments.fork_effects import BAND, by_replicate
from ecosystem.report.style import (
    ALONE,
    FAINT,
    INK,
    PALETTE,
    WIDTH,
    coalition_colours,
    fit,
    new_figure,
    panel,
    shorten,
    styled,
    text_width,
)  # fmt: skip
from ecosystem.sweep.branches import BRANCHES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

COLOURS = (PALETTE[0], PALETTE[5])
"""Of the branch as it was and of the changed one."""

PREFERRED = (
    "coalitions", "largest", "distance_variance", "frustration", "forecast_correlation", "churn", "opinion_variance",
    "alone", "modularity", "mean_alignment",
)  # fmt: skip
"""Measures to draw: the first six that are defined."""

APART = {
    "company": ("In other company", "share of the agents who stand with others than in the other branch", 0.0),
    "agreement": ("Agreement of the partitions", "adjusted Rand index: 1 the same, 0 as alike as by chance", 1.0),
    "said": ("Say something else", "share of the agents whose words differ between branches", 0.0),
    "alignment": ("Difference of alignment", "mean absolute difference over pairs of agents", 0.0),
}
"""Columns of ``divergence.parquet``: title, meaning, and value where nothing differs."""

_DRAWN = 6
_NAMED = 52
_PART = 17  # a number fits a block of this part of the steps


@dataclass(frozen=True)
class Sources:
    """What the figures of a fork draw.

    Attributes
    ----------
    parent, changed : RunTables
        The branches under the run's own random numbers.
    at : int
        The last step that they share.
    branches, divergence : DataFrame
        The tables of the comparison.
    """

    parent: RunTables
    changed: RunTables
    at: int
    branches: pd.DataFrame
    divergence: pd.DataFrame

    @property
    def replicates(self) -> int:
        """How many replicates there are."""
        return int(self.divergence["replicate"].nunique())

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps after the fork."""
        steps: NDArray[np.int64] = np.unique(self.divergence["step"].to_numpy()).astype(np.int64)
        return steps


@dataclass(frozen=True)
class ForkFigure:
    """A figure of a fork: stem of its files, title, how to read it, and what draws it."""

    name: str
    title: str
    caption: str
    draw: Callable[[Sources], Figure]


@styled
def draw_timelines(sources: Sources) -> Figure:
    """Return the figure of who stood with whom in both branches, an agent a row, in the same order."""
    found = [partitions(run) for run in (sources.parent, sources.changed)]
    names = [shorten(name, 30) for name in agent_names(sources.parent)]
    order = order_over_time(np.vstack([one.labels for one in found])) if len(names) > 1 else np.zeros(1, np.int64)
    named = len(names) <= _NAMED
    size = 8.0 if len(names) <= 26 else 6.5
    left = text_width(names, size) + 0.25 if named else 0.45
    wide, rows = (WIDTH - left - 0.4) / 2, min(max(len(names) * 0.25, 0.9), 7.0)
    figure = new_figure(
        rows + 1.3, "Who stood with whom, as it was and changed",
        "The run’s own random numbers; an agent a row, a coalition a colour and a number; grey: alone",
    )  # fmt: skip
    for column, (branch, one) in enumerate(zip(BRANCHES, found, strict=True)):
        ax = panel(figure, left + column * (wide + 0.2), 0.45, wide, rows)
        _draw_bands(ax, one.steps, one.labels[:, order], one.present[:, order], sources.at)
        ax.axvline(sources.at + 0.5, color=INK, lw=1.2)
        ax.set_title(branch.capitalize(), size=9, weight="bold", color=COLOURS[column], pad=5)
        ticks = named and column == 0
        ax.set_yticks(range(len(names)) if ticks else [], [names[k] for k in order] if ticks else [], size=size)
        ax.set_xlabel("Step (line: the fork)")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        _whole_steps(ax)
    return figure


@styled
def draw_divergence(sources: Sources) -> Figure:
    """Return the figure of how far apart the branches are at each step, over replicates."""
    n_steps, tall, above = len(sources.steps), 1.25, 0.62
    wide = (WIDTH - 1.5) / 2
    own = "; dashed: the run’s own random numbers" if sources.replicates > 1 else ""
    figure = new_figure(0.9 + 2 * (tall + above), "How far the branches drift apart", f"{_subtitle(sources)}{own}")
    table = sources.divergence.sort_values(["replicate", "step"], kind="stable")
    steps = np.append(sources.at, sources.steps)
    for k, (name, (title, meaning, same)) in enumerate(APART.items()):
        row, column = divmod(k, 2)
        ax = panel(figure, 0.6 + column * (wide + 0.65), 0.45 + (1 - row) * (tall + above), wide, tall)
        values = table[name].to_numpy(np.float64).reshape(-1, n_steps)
        values = np.hstack([np.full((len(values), 1), same), values])
        _draw_band(ax, steps, values, INK)
        if sources.replicates > 1:
            ax.plot(steps, values[0], color=INK, lw=0.9, ls=(0, (3, 2)))
        _head(ax, title, meaning, wide)
        known = values[~np.isnan(values)]
        if (known == same).all():
            ax.text(0.5, 0.5, "the same in both branches", transform=ax.transAxes, ha="center", color="#555555")
        bottom, top = min(float(known.min(initial=0.0)), 0.0), float(known.max(initial=0.0))
        ax.set_ylim(bottom * 1.08, top * 1.08 if top > 0 else 1.0)
        _finish(ax, steps, bottom=row == 1)
    return figure


@styled
def draw_measures(sources: Sources) -> Figure:
    """Return the figure of measures in both branches over replicates, after the run's own course up to the fork."""
    unthought = sources.parent.scenario.affinity is not None  # nothing is said, and no one has an opinion
    known = [name for name in PREFERRED if not (unthought and name.startswith("opinion_"))]
    chosen = [name for name in known if not np.isnan(by_replicate(sources.branches, name)).all()][:_DRAWN]
    rows, tall, above, aside = -(-len(chosen) // 2), 1.15, 0.62, 0.8
    wide = (WIDTH - 1.3) / 2 - aside
    figure = new_figure(
        0.9 + rows * (tall + above), "Measures in both branches", f"{_subtitle(sources)}; dashed: the fork"
    )
    for k, name in enumerate(chosen):
        row, column = divmod(k, 2)
        bottom = 0.45 + (rows - 1 - row) * (tall + above)
        ax = panel(figure, 0.6 + column * (wide + aside + 0.6), bottom, wide, tall)
        before = numbers(read_columns(sources.parent, "metrics", name)[name])[: sources.at]
        values = by_replicate(sources.branches, name)
        ax.plot(np.arange(1, sources.at + 1), before, color=FAINT, lw=1.1)
        for branch, colour, width in zip(values, COLOURS, (2.4, 1.4), strict=True):
            joined = np.hstack([np.full((len(branch), 1), before[-1] if len(before) else np.nan), branch])
            _draw_band(ax, np.append(sources.at, sources.steps), joined, colour, width)
        ax.axvline(sources.at + 0.5, color=INK, lw=0.8, ls=(0, (4, 2)))
        _limits(ax, np.append(before, values))
        _name_ends(ax, sources.steps[-1], values)
        _head(ax, CATALOGUE[name].title, CATALOGUE[name].meaning.split(";")[0].split(" (")[0], wide + aside)
        _finish(ax, np.array([1, sources.steps[-1]]), bottom=k >= len(chosen) - 2, whole=name == "coalitions")
    return figure


FIGURES = (
    ForkFigure(
        "timelines",
        "Who stood with whom",
        "Left of the line the branches are the same. Right of it a coalition that was there at the fork keeps its "
        "colour and number in both; later ones are numbered in each branch by itself.",
        draw_timelines,
    ),
    ForkFigure(
        "divergence",
        "How far the branches drift apart",
        "Both branches of a replicate draw the same random numbers: what differs between them follows from the change. "
        "Replicates differ in what is drawn after the fork.",
        draw_divergence,
    ),
    ForkFigure(
        "measures",
        "Measures in both branches",
        "Grey: the run up to the fork. Bands of the two branches may overlap although the difference within replicates "
        "is clear: the table below counts within replicates.",
        draw_measures,
    ),
)
"""The figures of a fork, in the page's order."""


def _subtitle(sources: Sources) -> str:
    if sources.replicates == 1:
        return "The run’s own random numbers"
    return f"Median and 5–95 % band over {sources.replicates} replicates"


def _draw_bands(
    ax: Axes, steps: NDArray[np.int64], labels: NDArray[np.int64], present: NDArray[np.bool_], at: int
) -> None:
    """Draw membership as bands: agents as rows, coalitions as colours; white where an agent is absent.

    Numbers stand in bands that are wide enough, on one side of the fork.
    """
    from matplotlib.colors import to_rgb

    colours = coalition_colours(labels)
    values, index = np.unique(labels, return_inverse=True)
    shades = np.array([to_rgb(colours.get(int(value), ALONE)) for value in values])
    image = np.where(present[..., None], shades[index.reshape(labels.shape)], 1.0).transpose(1, 0, 2)
    extent = (steps[0] - 0.5, steps[-1] + 0.5, labels.shape[1] - 0.5, -0.5)
    ax.imshow(image, aspect="auto", interpolation="nearest", extent=extent)
    if labels.shape[1] > _NAMED:
        return
    ax.hlines(np.arange(labels.shape[1] - 1) + 0.5, *extent[:2], color="white", lw=1.0)
    for row, path in enumerate(labels.T):
        cuts = np.union1d(np.flatnonzero(np.diff(path)) + 1, np.array([at] if at else [], np.int64))
        for first, last in zip(np.append(0, cuts), np.append(cuts, len(path)), strict=True):
            if path[first] >= 0 and last - first >= len(steps) / _PART:
                ax.text((steps[first] + steps[last - 1]) / 2, row, str(path[first]), ha="center", va="center", size=6.5,
                        weight="bold", color=_readable(colours[int(path[first])]))  # fmt: skip


def _readable(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 125 else INK


def _draw_band(ax: Axes, steps: NDArray[np.int64], values: Array, colour: str, width: float = 1.8) -> None:
    """Draw the median of replicates (rows) as a line within their band; where none is defined, nothing."""
    known = ~np.isnan(values).all(0)
    if not known.any():
        return
    low, middle, high = (np.full(len(steps), np.nan) for _ in range(3))
    low[known], middle[known], high[known] = np.nanquantile(values[:, known], [BAND[0], 0.5, BAND[1]], axis=0)
    ax.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(steps, middle, color=colour, lw=width, marker="o" if known.sum() < 3 else "", ms=3)


def _limits(ax: Axes, values: Array) -> None:
    known = values[~np.isnan(values)]
    low, high = float(known.min()), float(known.max())
    rim = (high - low) * 0.08 or 0.05
    ax.set_ylim(0.0 if low >= 0 else low - rim, high + rim)


def _name_ends(ax: Axes, last: int, values: Array) -> None:
    """Write the names of the branches beside the ends of their medians, none over the other."""
    if np.array_equal(values[0], values[1], equal_nan=True):
        known = values[0, :, -1][~np.isnan(values[0, :, -1])]
        place = float(np.median(known)) if len(known) else float(np.mean(ax.get_ylim()))
        ax.annotate("both alike", (last + 0.5, place), (4, 0), textcoords="offset points", va="center", size=7.5,
                    annotation_clip=False)  # fmt: skip
        return
    ends = [float(np.nanmedian(branch[:, -1])) if not np.isnan(branch[:, -1]).all() else np.nan for branch in values]
    low, high = ax.get_ylim()
    gap = 0.16 * (high - low)
    places = [min(max(end, low + gap / 2), high - gap / 2) for end in ends]
    if abs(places[0] - places[1]) < gap:
        middle, up = sum(places) / 2, 0 if places[0] > places[1] else 1
        middle = min(max(middle, low + gap), high - gap)
        places[up], places[1 - up] = middle + gap / 2, middle - gap / 2
    for name, end, place, colour in zip(BRANCHES, ends, places, COLOURS, strict=True):
        if not np.isnan(end):
            ax.annotate(name, (last + 0.5, place), (4, 0), textcoords="offset points", va="center", size=7.5,
                        color=colour, weight="bold", annotation_clip=False)  # fmt: skip


def _head(ax: Axes, title: str, meaning: str, inches: float) -> None:
    ax.annotate(title, (0, 1), (0, 15), xycoords="axes fraction", textcoords="offset points", size=8.5,
                weight="bold")  # fmt: skip
    ax.annotate(fit(meaning, inches, 7), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", size=7,
                color="#666666")  # fmt: skip


def _finish(ax: Axes, steps: NDArray[np.int64], bottom: bool, whole: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    _whole_steps(ax)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=whole, min_n_ticks=2))
    ax.grid(axis="y", color="#eeeeee", lw=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelbottom=bottom)
    if bottom:
        ax.set_xlabel("Step")


def _whole_steps(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
