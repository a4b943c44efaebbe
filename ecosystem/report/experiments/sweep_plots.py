"""One panel of a sweep's figures alone, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecosystem.errors import InputError
from ecosystem.report.experiments.sweep_arrays import Varied, evenly, named
from ecosystem.report.experiments.sweep_figures import (
    LINES,
    crowded,
    interventions,
    sampled_in_words,
    time_columns,
)
from ecosystem.report.experiments.sweep_panels import (
    draw_cells,
    draw_cloud,
    draw_curves,
    draw_dots,
    draw_path,
    draw_plane,
    few_ticks,
    finish_path,
    line_colours,
    line_widths,
)
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.prose import count
from ecosystem.report.style import PALETTE, fit, own_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def plot_response(response: Response, measure: str, x: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw an outcome along a parameter; return the axes."""
    of = response.outcome(measure)
    ax = own_axes(ax, 6.0, 3.8)
    one = response.find(x) if x is not None else response.along
    if not response.is_grid:
        draw_cloud(ax, one, response.spread(of))
        return _label(ax, one.name, f"{of.title}, {of.when}", sampled_in_words(response))
    view = response.view(x)
    shown = evenly(view.points.shape[1], LINES)
    colours = line_colours(view.series, shown)
    spread = response.spread(of)
    words = _median_in_words(response)
    words += "; hollow: two clusters" if spread.bimodal[view.points].any() else ""
    words += f"; at {view.holding}" if view.holding else ""
    if view.x.numeric:
        draw_curves(ax, view, spread, shown, colours)
        few_ticks(ax, "y", whole=of.kind == "count")
        _label(ax, one.name, f"{of.title}, {of.when}", words)
    else:
        draw_dots(ax, view, spread, shown, colours)
        few_ticks(ax, "x", whole=of.kind == "count")
        _label(ax, f"{of.title}, {of.when}", one.name, words)
    if view.series is not None:
        from matplotlib.lines import Line2D

        labels = [view.series.labels[k] for k in shown]
        handles = [Line2D([], [], color=colour, lw=2, label=text) for colour, text in zip(colours, labels, strict=True)]
        ax.legend(handles=handles, title=view.series.name, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


@styled
def plot_phase(
    response: Response, measure: str, x: str | None = None, y: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw an outcome in the plane of two parameters; return the axes."""
    of = response.outcome(measure)
    across, up = _plane(response, x, y)
    ax = own_axes(ax, 5.6, 4.2)
    spread = response.spread(of)
    held = ""
    if response.is_grid:
        view = response.view(across.name, up.name)
        held = f", at {view.holding}" if view.holding else ""
        scale = draw_cells(ax, across, up, view.points, spread, of, crowded(spread))
    else:
        scale = draw_plane(ax, across, up, spread)
    if scale is not None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        ax.figure.colorbar(ScalarMappable(Normalize(*scale), "viridis"), ax=ax).outline.set_visible(False)
    return _label(ax, across.name, up.name, f"{of.title}, {of.when}: median of the runs{held}")


@styled
def plot_over_time(response: Response, measure: str, ax: Axes | None = None) -> Axes:
    """Draw a measure over the steps, a line a design point with its band (at most six points); return the axes."""
    of = response.outcome(measure)
    ax = own_axes(ax, 6.4, 3.8)
    if response.is_grid:
        view = response.view()
        points = view.points[:, evenly(view.points.shape[1], 2)].ravel().tolist()
    else:
        points = [point for _, column in time_columns(response)[0] for point in column]
    points = [points[k] for k in evenly(len(points), LINES)]
    paths = response.over_time([measure], points)
    telling = [one for one in response.changing if len({int(one.place[point]) for point in points}) > 1]
    widths = line_widths(len(paths))
    for (point, name), colour, width in zip(paths, (PALETTE[0], PALETTE[5], *PALETTE[1:5]), widths, strict=False):
        draw_path(ax, paths[point, name], colour, width)
        ax.lines[-1].set_label(", ".join(one.labels[one.place[point]] for one in telling))
    finish_path(ax, list(paths.values()), of, interventions(response))
    if paths and telling:
        ax.legend(title=", ".join(one.name for one in telling), loc="upper left", bbox_to_anchor=(1.0, 1.0))
    held = named((one.name, one.values[one.place[points[0]]]) for one in response.varied if one not in telling)
    return _label(ax, "Step", of.title, _median_in_words(response) + (f"; at {held}" if held else ""))


def _median_in_words(response: Response) -> str:
    runs = response.sweep.replicates
    return "One run at each point" if runs == 1 else f"Median and 5 to 95 % of {count(runs, 'run')}"


def _plane(response: Response, x: str | None, y: str | None) -> tuple[Varied, Varied]:
    chosen = [response.find(name) for name in (x, y) if name is not None]
    rest = [one for one in response.plane if one not in chosen]
    rest += [one for one in response.varied if one not in chosen and one not in rest]
    if len(chosen) + len(rest) < 2:
        raise InputError("plot_phase", "takes two parameters, and one varies in this sweep")
    across = response.find(x) if x is not None else rest.pop(0)
    up = response.find(y) if y is not None else rest.pop(0)
    if across is up:
        raise InputError("plot_phase", f"found {across.name!r} twice; two parameters are accepted")
    return across, up


def _label(ax: Axes, x: str, y: str, title: str) -> Axes:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(fit(title, 5.6, 8.5), size=8.5, color="#555555")
    return ax
