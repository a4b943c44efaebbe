"""Heatmaps: observed affinity over time, and how much pairs of statements weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import (
    Partitions,
    agent_names,
    heard,
    numbers,
    order_by_coalition,
    partitions,
    read_columns,
)  # fmt: skip
from ecosystem.report.marks import find_marks, letters_until, note_height, write_note
from ecosystem.report.style import (
    ALONE,
    DIVERGING,
    WIDTH,
    coalition_colours,
    fit,
    new_figure,
    own_axes,
    panel,
    shorten,
    styled,
    text_width,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_TOPICS = 40


def window_around(step: int, n_steps: int) -> tuple[int, int]:
    """Return the first and last step of the few steps around one: five, fewer in a short run.

    Examples
    --------
    >>> window_around(1, 50), window_around(25, 50), window_around(50, 50)
    ((1, 5), (23, 27), (46, 50))
    """
    width = min(5, max(1, n_steps // 3))
    first = min(max(step - width // 2, 1), max(n_steps - width + 1, 1))
    return first, first + width - 1


@styled
def plot_affinity(run: RunTables, ax: Axes | None = None, step: int | None = None) -> Axes:
    """Draw the mean observed affinity of listeners (columns) to speakers (rows) around a step.

    Parameters
    ----------
    run : RunTables
        A finished run.
    ax : Axes, optional
        Where to draw; a new figure by default.
    step : int, optional
        Number of the step; the last by default. The mean is over the (at most five) steps around it.
    """
    axes = own_axes(ax, 6.5, 5.5)
    membership = partitions(run)
    table, n_steps = heard(run), int(membership.steps[-1])
    at = n_steps if step is None else min(max(int(step), 1), n_steps)
    order = order_by_coalition(membership.labels, int(np.searchsorted(membership.steps, at)))
    first, last = window_around(at, n_steps)
    mean = table.mean_observed(first, last, len(order))[np.ix_(order, order)]
    image = _draw_affinity(axes, mean, _limit([mean]))
    names = [shorten(agent_names(run)[agent], 30) for agent in order]
    _name_axis(axes, names, "yx")
    axes.set(xlabel="Listener", ylabel="Speaker", title=_steps_text(first, last))
    axes.figure.colorbar(image, ax=axes, label="Observed affinity", shrink=0.8)
    return axes


@styled
def draw_affinity(run: RunTables) -> Figure:
    """Return the figure of observed affinity at the start, in the middle and at the end."""
    membership = partitions(run)
    labels, n_steps = membership.labels, int(membership.steps[-1])
    order = order_by_coalition(labels)
    windows = list(dict.fromkeys(window_around(step, n_steps) for step in (1, (n_steps + 1) // 2, n_steps)))
    table = heard(run)
    means = [table.mean_observed(*window, len(order))[np.ix_(order, order)] for window in windows]
    limit = _limit(means)
    names = [shorten(agent_names(run)[agent], 30) for agent in order]
    size = min(8.0, 135 / len(names))
    shown = size >= 5
    margin = text_width(names, size) + 0.15 if shown else 0.35
    gap, bar = 0.3, 0.8
    side = min((WIDTH - margin - bar - gap * 3) / 3, 3.0)
    marks = find_marks(run)
    bottom = margin + 0.3 + note_height(marks)
    figure = new_figure(
        bottom + side + 1.35,
        "How far listeners agreed with what was said",
        "Mean observed affinity of listeners (columns) to speakers (rows); strips show coalitions at the time",
    )
    write_note(figure, marks, "in brackets above a panel, those that had taken place by its end")
    for k, (window, mean) in enumerate(zip(windows, means, strict=True)):
        left = margin + 0.15 + k * (side + gap)
        ax = panel(figure, left, bottom, side, side)
        image = _draw_affinity(ax, mean, limit)
        _name_axis(ax, names if shown else [], "yx" if k == 0 else "x", size)
        topics = _topics_text(run, *window, side + gap - 0.1)
        ax.set_title(
            f"{_steps_text(*window)}{letters_until(marks, window[1])}\n{topics}", size=8.5, pad=15, linespacing=1.3
        )
        ax.set_xlabel("Listener" if shown else f"{len(names)} listeners")
        if not shown and k == 0:
            ax.set_ylabel(f"{len(names)} speakers")
        _draw_strip(figure, ax, membership, order, int(np.searchsorted(membership.steps, window[1])))
    colour_axes = panel(figure, margin + 0.15 + len(windows) * (side + gap) - 0.1, bottom, 0.14, side)
    figure.colorbar(image, cax=colour_axes, label="Observed affinity")
    colour_axes.tick_params(length=2)
    return figure


@styled
def draw_importance(run: RunTables) -> Figure:
    """Return the figure of how much pairs of statements of the two least aligned personas weigh."""
    columns = ("persona_a", "persona_b", "statement_a", "statement_b", "attribution", "legacy")
    table = read_columns(run, "importance", *columns)
    rows, row = np.unique(table["statement_a"].to_numpy(), return_inverse=True)
    across, column = np.unique(table["statement_b"].to_numpy(), return_inverse=True)
    topics = _statement_topics(run)
    names = run.manifest["agents"]
    persona_a, persona_b = (
        shorten(str(names.get(table[side][0].as_py(), "")), 40) if len(row) else "" for side in columns[:2]
    )
    down_names = [shorten(topics.get(int(statement), ""), 30) for statement in rows]
    across_names = [shorten(topics.get(int(statement), ""), 30) for statement in across]
    shown = max(len(rows), len(across)) <= _MAX_TOPICS
    size = 8.0 if max(len(rows), len(across)) <= 20 else 6.0
    left = (text_width(down_names, size) if shown else 0.0) + 0.5
    bottom = (text_width(across_names, size) if shown else 0.0) + 0.5
    side = (WIDTH - left - 2.1) / 2
    tall = side * min(max(len(rows), 1) / max(len(across), 1), 1.4)
    figure = new_figure(
        bottom + tall + 1.0,
        "Which pairs of statements weigh most in the prediction",
        f"{persona_a} (rows) and {persona_b} (columns): the pair least aligned at the end; one statement a topic",
    )
    persona_a, persona_b = fit(persona_a, tall, 8.5), fit(persona_b, side, 8.5)
    titles = {"attribution": "Attribution (integrated gradients)", "legacy": "Legacy reading: mean |W z|"}
    for k, (name, title) in enumerate(titles.items()):
        grid = np.full((len(rows), len(across)), np.nan)
        grid[row, column] = numbers(table[name])
        ax = panel(figure, left + k * (side + 0.95), bottom, side, tall)
        image = ax.imshow(grid, cmap="cividis", aspect="auto", interpolation="nearest", **_range(grid))
        _name_axis(ax, [], "yx")
        if shown:
            ax.set_xticks(range(len(across)), across_names, rotation=90, size=size)
        if shown and k == 0:
            ax.set_yticks(range(len(rows)), down_names, size=size)
        ax.set(title=title, xlabel=persona_b, ylabel=persona_a if k == 0 else "")
        bar = panel(figure, left + k * (side + 0.95) + side + 0.08, bottom, 0.12, tall)
        figure.colorbar(image, cax=bar).outline.set_visible(False)
        bar.set_title("logit" if k == 0 else "", size=7.5)
        bar.tick_params(length=2)
    return figure


def _draw_affinity(ax: Axes, mean: NDArray[np.float64], limit: float) -> Any:
    from matplotlib import colormaps

    colours = colormaps[DIVERGING].with_extremes(bad="#cfcfcf")
    return ax.imshow(mean, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest")


def _limit(means: list[NDArray[np.float64]]) -> float:
    """Return where the colour scale ends: the 99th percentile of size, in twentieths, at most 1."""
    values = np.abs(np.concatenate([mean.ravel() for mean in means]))
    values = values[~np.isnan(values)]
    return float(np.clip(np.ceil(np.percentile(values, 99) * 20) / 20, 0.1, 1.0)) if len(values) else 1.0


def _range(grid: NDArray[np.float64]) -> dict[str, Any]:
    top = np.nanmax(grid) if grid.size and not np.isnan(grid).all() else 1.0
    low = min(0.0, float(np.nanmin(grid))) if grid.size and not np.isnan(grid).all() else 0.0
    return {"vmin": low, "vmax": float(top) if top > low else low + 1.0}


def _name_axis(ax: Axes, names: list[str], which: str, size: float = 8.0) -> None:
    ax.set_xticks(range(len(names)) if "x" in which else [], names if "x" in which else [], rotation=90, size=size)
    ax.set_yticks(range(len(names)) if "y" in which else [], names if "y" in which else [], size=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_strip(figure: Figure, ax: Axes, membership: Partitions, order: NDArray[np.int64], step: int) -> None:
    """Draw the coalitions at a step as a strip above a heatmap; nothing for those who are absent."""
    from matplotlib.colors import to_rgb

    colours, here = coalition_colours(membership.labels), membership.present[step][order]
    now = [to_rgb(colours.get(int(label), ALONE)) for label in membership.labels[step][order]]
    shades = np.where(here[:, None], now, 1.0)[None]
    box = ax.get_position()
    tall = 0.09 / figure.get_size_inches()[1]
    strip = figure.add_axes((box.x0, box.y1 + tall * 0.35, box.width, tall))
    strip.imshow(shades, aspect="auto", interpolation="nearest")
    strip.set_xticks([])
    strip.set_yticks([])
    strip.spines[:].set_visible(False)


def _steps_text(first: int, last: int) -> str:
    return f"Step {first}" if first == last else f"Steps {first}–{last}"


def _topics_text(run: RunTables, first: int, last: int, inches: float) -> str:
    """Return the topics under debate at some steps, on two lines of some width."""
    table = read_columns(run, "metrics", "step", "topic")
    steps = table["step"].to_numpy()
    said = [topic for topic, step in zip(table["topic"].to_pylist(), steps, strict=True) if first <= step <= last]
    titles = [str(run.manifest["topics"].get(topic, topic)) for topic in dict.fromkeys(said)]
    rest = f" +{len(titles) - 2}" if len(titles) > 2 else ""
    lines = [fit(title, inches - text_width([rest], 8), 8) for title in titles[:2]]
    return "\n".join(lines) + rest


def _statement_topics(run: RunTables) -> dict[int, str]:
    table = read_columns(run, "statements", "statement", "topic")
    titles = run.manifest["topics"]
    pairs = zip(table["statement"].to_pylist(), table["topic"].to_pylist(), strict=True)
    return {statement: str(titles.get(topic, topic)) for statement, topic in pairs}
