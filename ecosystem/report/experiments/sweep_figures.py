"""Figures of a sweep: how outcomes respond to what varies, phase diagrams, and measures over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.report.experiments.sweep_arrays import (
    Headline,
    Spread,
    Varied,
    View,
    evenly,
    named,
)
from ecosystem.report.experiments.sweep_effects import ranked
from ecosystem.report.experiments.sweep_panels import (
    cells_have_room,
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
    scale_ends,
)
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.prose import count
from ecosystem.report.style import INK, WIDTH, fit, new_figure, panel, styled, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAIN = ("coalitions", "distance_variance", "forecast_correlation")
"""What phase diagrams and paths over time show: coalition count, polarization, forecast skill."""

_ACROSS = 4
LINES = 6
_COLUMNS = 6
_PATHS = 3
_CROWDED = 0.4


@dataclass(frozen=True)
class SweepFigure:
    """A figure of a sweep: stem of its files, title, and what draws it, or nothing where there is nothing to draw."""

    name: str
    title: str
    draw: Callable[[Response], Figure | None]


@styled
def draw_responses(response: Response) -> Figure | None:
    """Return the figure of the headline outcomes along what varies: curves, dots, or points of a sampled design."""
    if not response.headlines or not response.changing or response.is_still:
        return None
    return _responses_of_grid(response) if response.is_grid else _responses_of_sample(response)


@styled
def draw_phases(response: Response) -> Figure | None:
    """Return coalition count, polarization and forecast skill in the plane of two parameters."""
    shown = main(response)
    chosen = response.plane if response.is_grid else [one for one in ranked(response) if one.numeric][:2]
    if len(chosen) < 2 or not shown or response.is_still:
        return None
    x, y = chosen
    view = response.view(x.name, y.name) if response.is_grid else None
    left, gap = text_width([fit(text, 1.5, 8) for text in y.labels], 8) + 0.5, 0.3
    wide = (WIDTH - left - 0.15 - gap * (len(shown) - 1)) / max(len(shown), 2)
    tall = min(max(0.3 * len(y.values), 1.2), 2.6) if view is not None else 2.2
    spreads = {of.measure: response.spread(of) for of in shown}
    scaled = view is None or not all(
        cells_have_room(x, y, view.points, spreads[of.measure], of, (wide, tall)) for of in shown
    )
    below = 0.95 if scaled else 0.5
    dim = any(crowded(spread) for spread in spreads.values())
    words, held = _phase_in_words(response, view, list(spreads.values()))
    figure = new_figure(tall + below + 0.85, f"Phase diagram of {x.name} and {y.name}{held}", words)
    for k, of in enumerate(shown):
        ax = panel(figure, left + k * (wide + gap), below, wide, tall)
        spread = spreads[of.measure]
        if view is not None:
            draw_cells(ax, x, y, view.points, spread, of, dim)
        else:
            draw_plane(ax, x, y, spread)
        ax.set_title(fit(f"{of.title}, {of.when}", wide / 1.1, 8.5), weight="bold", size=8.5)
        ax.set_xlabel(x.name)
        ax.tick_params(labelleft=k == 0)
        if k == 0:
            ax.set_ylabel(y.name)
        if scaled:
            points = view.points if view is not None else np.arange(response.n_points)
            _scale(figure, ax, of, scale_ends(spread, points))
    return figure


@styled
def draw_over_time(response: Response) -> Figure | None:
    """Return measures over the steps: a column a value of the first parameter, a line a value of the second."""
    alone = response.n_points == 1
    shown = list(response.headlines) if alone else main(response)
    if not shown:
        return None
    columns, series, lines = time_columns(response)
    paths = response.over_time([of.measure for of in shown], [point for _, points in columns for point in points])
    colours, widths = line_colours(series, lines), line_widths(len(lines))
    across = _ACROSS if alone else len(columns)
    down = -(-len(shown) // across) if alone else len(shown)
    tall, above, left, gap = 1.0, 0.36, 0.68, 0.5 if alone else 0.12
    heads = 0 if alone else 0.06 + 0.15 * (1 + columns[0][0].count("\n"))
    height = 0.55 + (0.24 if series is not None else 0) + heads + down * (tall + above) + 0.45
    figure = new_figure(height, _time_title(response, columns), runs_in_words(response))
    if series is not None:
        _key(figure, series, lines, colours)
    wide = (WIDTH - left - 0.12 + gap) / across
    for k, (of, (words, points)) in enumerate(product(shown, columns)):
        row, column = divmod(k, across)
        ax = panel(figure, left + column * wide, 0.45 + (down - 1 - row) * (tall + above), wide - gap, tall)
        for point, colour, width in zip(points, colours, widths, strict=True):
            if (point, of.measure) in paths:
                draw_path(ax, paths[point, of.measure], colour, width)
        finish_path(ax, [band for (_, name), band in paths.items() if name == of.measure], of, interventions(response))
        if alone or column == 0:
            ax.set_title(of.title, weight="bold", size=8.5, pad=4)
        if row == 0 and words:
            look: dict[str, Any] = {
                "xycoords": "axes fraction",
                "textcoords": "offset points",
                "size": 8.5,
                "va": "bottom",
            }
            ax.annotate(words, (0, 1), (0, 18), linespacing=1.25, **look)
        lowest = k + across >= len(shown) * len(columns)
        ax.tick_params(labelleft=alone or column == 0, labelbottom=lowest)
        if lowest:
            ax.set_xlabel("Step")
    return figure


FIGURES: tuple[SweepFigure, ...] = (
    SweepFigure("responses", "How outcomes respond", draw_responses),
    SweepFigure("phases", "Phase diagrams", draw_phases),
    SweepFigure("over-time", "Measures over time", draw_over_time),
)
"""The figures of a sweep, in the page's order."""


def main(response: Response) -> list[Headline]:
    """Return the outcomes that the figures with few panels show: three at most."""
    chosen = [of for of in response.headlines if of.measure in MAIN]
    return chosen or list(response.headlines[:3])


def time_columns(response: Response) -> tuple[list[tuple[str, list[int]]], Varied | None, list[int]]:
    """Return which points are shown over time, in columns with their heads, and what tells lines apart.

    Of a grid at most six values of the first parameter and three of the second; of sampled points those where the
    main outcomes are least and greatest.
    """
    if response.n_points == 1:
        return [("", [0])], None, [0]
    if response.is_grid:
        view = response.view()
        lines = evenly(view.points.shape[1], _PATHS)
        chosen = evenly(len(view.x.values), _COLUMNS)
        heads = [f"{view.x.name} = {view.x.labels[k]}" for k in chosen]
        points = [[int(view.points[k, line]) for line in lines] for k in chosen]
        return list(zip(heads, points, strict=True)), view.series, lines
    found: list[int] = []
    for of in main(response)[:2]:
        median = response.spread(of).median
        known = np.flatnonzero(~np.isnan(median))
        found += [int(known[pick(median[known])]) for pick in (np.argmin, np.argmax)]
    wanted = sorted(set(found))
    return [(_stacked(response.at(point)), [point]) for point in wanted], None, [0]


def _responses_of_grid(response: Response) -> Figure:
    view = response.view()
    shown = evenly(view.points.shape[1], LINES)
    colours = line_colours(view.series, shown)
    curves = view.x.numeric
    names = 0.68 if curves else text_width([fit(text, 2.2, 8) for text in view.x.labels], 8) + 0.3
    tall, above = (1.1, 0.5) if curves else (max(0.75, len(view.x.values) * max(0.2, 0.11 * len(shown))), 0.66)
    down = -(-len(response.headlines) // _ACROSS)
    height = 0.5 + (0.24 if view.series is not None else 0) + down * (tall + above) + 0.35
    words = runs_in_words(response) if curves else runs_in_words(response, "Dot", "whisker")
    figure = new_figure(height, _along(view), _marks_in_words(response, view, words))
    if view.series is not None:
        _key(figure, view.series, shown, colours)
    gap = 0.62 if curves else 0.4
    wide = (WIDTH - names - 0.15 + gap) / _ACROSS
    for k, of in enumerate(response.headlines):
        row, column = divmod(k, _ACROSS)
        ax = panel(figure, names + column * wide, 0.45 + (down - 1 - row) * (tall + above), wide - gap, tall)
        if curves:
            draw_curves(ax, view, response.spread(of), shown, colours, response.runs(of))
            _outer(ax, k, len(response.headlines), view.x.name)
        else:
            draw_dots(ax, view, response.spread(of), shown, colours, named=column == 0)
        few_ticks(ax, "y" if curves else "x", whole=of.kind == "count")
        _head(ax, of, wide - 0.1)
    return figure


def _responses_of_sample(response: Response) -> Figure:
    shown = ranked(response)[:_ACROSS]
    outcomes = [*main(response), *(of for of in response.headlines if of not in main(response))][:_ACROSS]
    tall, above, left = 1.0, 0.36, 0.6
    wide = (WIDTH - left - 0.05) / len(shown)
    few = f", the {len(shown)} that matter most" if len(shown) < len(response.changing) else ""
    figure = new_figure(
        0.7 + len(outcomes) * (tall + above) + 0.3,
        f"Outcomes against {_listed([one.name for one in shown])}{few}", sampled_in_words(response),
    )  # fmt: skip
    for k, (of, one) in enumerate(product(outcomes, shown)):
        row, column = divmod(k, len(shown))
        bottom = 0.45 + (len(outcomes) - 1 - row) * (tall + above)
        ax = panel(figure, left + column * wide, bottom, wide - 0.15, tall)
        draw_cloud(ax, one, response.spread(of))
        few_ticks(ax, "y", whole=of.kind == "count")
        ax.tick_params(labelleft=column == 0, labelbottom=row == len(outcomes) - 1)
        if column == 0:
            ax.set_title(f"{of.title}, {of.when}", weight="bold", size=8.5, pad=4)
        if row == len(outcomes) - 1:
            ax.set_xlabel(one.name)
    return figure


def _along(view: View) -> str:
    held = f", at {view.holding}" if view.holding else ""
    return f"How outcomes respond to {view.x.name}{held}"


def interventions(response: Response) -> list[int]:
    """Return the steps at which something intervenes in every run."""
    return sorted({event.step for event in response.sweep.scenario.interventions})


def runs_in_words(response: Response, median: str = "Line", band: str = "band") -> str:
    """Return how a figure of medians and bands is read."""
    runs = response.sweep.replicates
    if runs == 1:
        return f"One run at each point, so there is no {band}"
    return f"{median}: median over {count(runs, 'run')} that differ by seed; {band}: 5 to 95 % of them"


def sampled_in_words(response: Response) -> str:
    """Return how a figure of sampled points is read."""
    runs, points = count(response.sweep.replicates, "run"), count(response.n_points, "design point")
    line = "running median over a fifth of the points"
    return f"Each point: median over {runs} at one of {points}; line: {line}; bars: medians of the points beside them"


def _marks_in_words(response: Response, view: View, words: str) -> str:
    spreads = [response.spread(of) for of in response.headlines]
    if any(spread.bimodal[view.points].any() for spread in spreads):
        words += "; hollow: the runs fall in two clusters (small dots)" if view.x.numeric else "; hollow: two clusters"
    if any(~spread.known[view.points].all() for spread in spreads):
        words += "; ×: no run"
    return words


def _phase_in_words(response: Response, view: View | None, spreads: Sequence[Spread]) -> tuple[str, str]:
    """Return how a phase diagram is read, and at which values of other parameters it is."""
    words = f"Colour: median over {count(response.sweep.replicates, 'run')} at each point, brighter is more"
    if view is None:
        return words, ""
    dim = any(crowded(spread) for spread in spreads)
    marks = [
        (any(spread.bimodal[view.points].any() for spread in spreads), "ring: two clusters"),
        (dim, "at many points the runs are too few to be sure"),
        (not dim and any(spread.short[view.points].any() for spread in spreads), "dash: too few runs"),
        (any(not spread.known[view.points].all() for spread in spreads), "×: no run"),
    ]
    words += "".join(f"; {meaning}" for there, meaning in marks if there)
    return words, f", at {view.holding}" if view.holding else ""


def crowded(spread: Spread) -> bool:
    """Return whether so many points have too few runs that marking each would hide the rest."""
    return bool(spread.short.mean() > _CROWDED)


def _key(figure: Figure, series: Varied, shown: Sequence[int], colours: Sequence[str]) -> None:
    """Write what the colours of lines stand for under the subtitle, in one line."""
    from matplotlib.lines import Line2D

    wide, height = figure.get_size_inches()
    up = 1 - 0.66 / height
    left = 0.12
    some = "" if len(shown) == len(series.values) else f" ({len(shown)} of {len(series.values)} values)"
    head = f"{series.name}{some}:"
    figure.text(left / wide, up, head, size=8.5, va="center", weight="bold")
    left += text_width([head], 8.5) * 1.13 + 0.12
    room = (wide - left) / len(shown) - 0.45
    for k, colour in zip(shown, colours, strict=True):
        label = fit(series.labels[k], room, 8.5)
        figure.add_artist(Line2D([left / wide, (left + 0.22) / wide], [up, up], color=colour, lw=2.2))
        figure.text((left + 0.28) / wide, up, label, size=8.5, va="center", color=INK)
        left += 0.28 + text_width([label], 8.5) + 0.2


def _head(ax: Axes, of: Headline, inches: float) -> None:
    ax.set_title(fit(of.title, inches, 9), weight="bold", pad=13)
    ax.annotate(of.when, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", size=7, color="#666666")


def _outer(ax: Axes, k: int, total: int, name: str) -> None:
    """Keep what the axis along x says at the lowest panels."""
    lowest = k + _ACROSS >= total
    ax.tick_params(labelbottom=lowest)
    if lowest:
        ax.set_xlabel(name)


def _scale(figure: Figure, ax: Axes, of: Headline, ends: tuple[float, float]) -> None:
    """Draw a colour scale below axes, with its ends."""
    across, up = figure.get_size_inches()
    left, bottom, wide, _ = (ax.get_position().bounds[k] * (across, up)[k % 2] for k in range(4))
    bar = panel(figure, left + 0.25 * wide, bottom - 0.62, 0.5 * wide, 0.1)
    bar.imshow(np.linspace(0, 1, 64)[None], cmap="viridis", aspect="auto")
    bar.set_axis_off()
    for place, value, side in ((-0.03, ends[0], "right"), (1.03, ends[1], "left")):
        bar.text(place, 0.5, of.shown(value), transform=bar.transAxes, ha=side, va="center", size=7.5)


def _time_title(response: Response, columns: Sequence[tuple[str, list[int]]]) -> str:
    if response.n_points == 1:
        values = named(response.at(columns[0][1][0]).items())
        return f"Measures over time, at {values}"
    if not response.is_grid:
        ends = _listed([of.title.lower() for of in main(response)[:2]])
        return f"Measures over time, at the points where {ends} end lowest and highest"
    view = response.view()
    some = f" ({len(columns)} of {len(view.x.values)} values)" if len(columns) < len(view.x.values) else ""
    return f"Measures over time along {view.x.name}{some}" + (f", at {view.holding}" if view.holding else "")


def _stacked(values: dict[str, Any]) -> str:
    """Return the values of a point as a head of a column, a line each, four at most."""
    lines = [fit(named([item]), 1.6, 8) for item in values.items()]
    return "\n".join(lines if len(lines) <= 4 else [*lines[:3], "…"])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
