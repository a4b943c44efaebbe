"""Figures of a sensitivity analysis: bars of indices with their intervals, or curves of the response."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.report.experiments.sensitivity_story import digits, ranked, what
from ecosystem.report.page import drop_figure, save_figure
from ecosystem.report.prose import count, decimal
from ecosystem.report.style import FAINT, INK, PALETTE, WIDTH, fit, new_figure, panel, styled, text_width
from ecosystem.sweep.design import Axis
from ecosystem.sweep.sensitivity import is_ordered, position
from ecosystem.sweep.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "sensitivity"
"""Stem of the figure's files."""

FIRST, TOTAL, SPREAD = PALETTE[4], PALETTE[0], PALETTE[1]
"""Colours: first order, what ranks the parameters, and sigma."""

_WHISKER: dict[str, Any] = {"fmt": "none", "ecolor": INK, "elinewidth": 1.0, "capsize": 2.5}
_ACROSS = 3


def write_figure(folder: Path, study: Study) -> bytes | None:
    """Draw the figure into ``folder/figures`` as PNG and SVG; return the PNG, or None where nothing is defined."""
    if not study.indices.defined:
        drop_figure(folder, NAME)
        return None
    return save_figure(draw(study), folder, NAME)


def draw(study: Study) -> Figure:
    """Return the figure of a study, by its method."""
    return {"sobol": draw_shares, "morris": draw_effects, "oat": draw_responses}[study.indices.samples.method](study)


@styled
def draw_shares(study: Study) -> Figure:
    """Return the figure of first and total order: two bars a parameter, the largest total effect first."""
    order = [effect.parameter for effect in ranked(study)]
    table = study.indices.table.set_index("parameter").loc[order]
    figure, ax = _bars(study, order, 0.62, f"Share of the variance of {what(study)}; whiskers: 95 % intervals")
    rows = np.arange(len(order))
    handles: list[Any] = []
    for column, offset, colour, label in (
        ("first", -0.19, FIRST, "first order: the parameter on its own"),
        ("total", 0.19, TOTAL, "total: with all its interactions"),
    ):
        values, low, high = (table[name].to_numpy(float) for name in (column, f"{column}_low", f"{column}_high"))
        handles.append(ax.barh(rows + offset, values, height=0.34, color=colour, label=label))
        ax.errorbar(values, rows + offset, xerr=np.stack([values - low, high - values]), **_WHISKER)
        _write_values(ax, rows + offset, values, high)
    if study.indices.chance > 0.01:
        line = ax.axvline(
            study.indices.chance, color=FAINT, lw=1.0, ls=(0, (3, 2)), zorder=0.5, label="chance in the means"
        )
        handles.append(line)
    left = min(float(table[["first_low", "total_low"]].min().min()), 0.0)
    ax.set_xlim(left * 1.05, max(float(table[["first_high", "total_high"]].max().max()) * 1.12, 0.1))
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_xlabel("Share of the variance between points")
    _legend(ax, handles)
    return figure


@styled
def draw_effects(study: Study) -> Figure:
    """Return the figure of elementary effects: a bar of mu* and a point of sigma a parameter, the largest first."""
    order = [effect.parameter for effect in ranked(study)]
    table = study.indices.table.set_index("parameter").loc[order]
    figure, ax = _bars(
        study, order, 0.52, f"Change of {what(study)} over a parameter’s whole range; whiskers: 95 % intervals"
    )
    rows = np.arange(len(order))
    star, low, high = (table[name].to_numpy(float) for name in ("mu_star", "mu_star_low", "mu_star_high"))
    bar = ax.barh(rows - 0.14, star, height=0.36, color=TOTAL, label="μ*: mean size of the change")
    ax.errorbar(star, rows - 0.14, xerr=np.stack([star - low, high - star]), **_WHISKER)
    sigma = table["sigma"].to_numpy(float)
    ax.hlines(rows + 0.24, 0, sigma, color=SPREAD, lw=1.4)
    point = ax.scatter(sigma, rows + 0.24, marker="D", s=26, color=SPREAD, edgecolor=INK, linewidth=0.6, zorder=4,
                       label="σ: how much the change itself varies (interactions, curves, chance)")  # fmt: skip
    _write_values(ax, rows - 0.14, star, high, digits(study))
    _write_values(ax, rows + 0.24, sigma, sigma, digits(study))
    for row in rows[np.isnan(star)]:
        ax.annotate("too few effects to tell", (0, row), (5, 0), textcoords="offset points", va="center", size=7.5)
    ax.set_xlim(0, max(float(np.nanmax(np.r_[high, sigma])) * 1.12, 1e-9))
    ax.set_xlabel(f"{study.definition.title}, over the whole range")
    _legend(ax, [bar, point])
    return figure


@styled
def draw_responses(study: Study) -> Figure:
    """Return the figure of responses: a panel a parameter, mean and 5 to 95 % band over seeds at each level."""
    responses, axes = study.indices.responses, {axis.name: axis for axis in study.indices.samples.axes}
    assert responses is not None
    order = [effect.parameter for effect in ranked(study)]
    across = min(_ACROSS, len(order))
    down = -(-len(order) // across)
    tall, above, left = 1.75, 0.55, 0.65
    wide = (WIDTH - left - 0.15) / across
    figure = new_figure(
        0.7 + down * (tall + above), _title(study),
        f"{what(study)[:1].upper() + what(study)[1:]}, one parameter at a time; line: mean over "
        f"{count(study.replicates, 'seed')}, band: 5 to 95 %, circle: the scenario’s own parameters",
    )  # fmt: skip
    known = responses[["low", "high", "mean"]].to_numpy(float)
    low, high = np.nanmin(known), np.nanmax(known)
    rim = 0.06 * (high - low) or 0.5
    for k, name in enumerate(order):
        row, column = divmod(k, across)
        bottom = 0.35 + (down - 1 - row) * (tall + above)
        ax = panel(figure, left + column * wide, bottom, wide - 0.35, tall)
        _draw_response(ax, axes[name], responses[responses["parameter"] == name], responses.iloc[0], study)
        ax.set_ylim(low - rim, high + rim)
        ax.set_title(fit(name, wide - 0.4, 9), weight="bold")
        ax.tick_params(labelleft=column == 0)
        if column == 0:
            ax.set_ylabel(fit(study.definition.title, tall, 8.5))
    return figure


def _draw_response(ax: Axes, axis: Axis, levels: Any, base: Any, study: Study) -> None:
    """Draw the response to one parameter: along a scale where it is a number, side by side where it is a word."""
    mean, low, high = (levels[name].to_numpy(float) for name in ("mean", "low", "high"))
    start = study.indices.samples.points[study.indices.samples.place[0]][axis.name]
    if is_ordered(axis.values):
        x = levels["value"].to_numpy(float)
        ax.fill_between(x, low, high, color=TOTAL, alpha=0.18, lw=0)
        ax.plot(x, mean, color=TOTAL, lw=1.6, marker="o", ms=3)
        _number_axis(ax, x, axis.scale == "log")
        inside = start is not None and x.min() <= start <= x.max()
    else:
        x = np.arange(len(levels), dtype=float)
        ax.errorbar(x, mean, yerr=np.stack([mean - low, high - mean]), fmt="o", color=TOTAL, ecolor=TOTAL, elinewidth=9,
                    alpha=0.25, ms=0)  # fmt: skip
        ax.plot(x, mean, "o", color=TOTAL, ms=5)
        room = 0.95 * (ax.bbox.width / ax.figure.dpi) / max(len(x), 1)
        ax.set_xticks(x, [fit(str(value), room, 8) for value in levels["value"]])
        ax.set_xlim(-0.5, len(x) - 0.5)
        inside = start in axis.values
        start = position(axis, start) * max(len(x) - 1, 1) if inside else 0.0
    if inside:
        ax.axvline(start, color=FAINT, lw=0.9, ls=(0, (3, 2)), zorder=0)
        ax.plot([start], [base["mean"]], marker="o", ms=7, mfc="none", mec=INK, mew=1.0, zorder=5)


def _number_axis(ax: Axes, x: NDArray[Any], log: bool) -> None:
    """Write few numbers along an axis, as they are: a power of ten would be set as mathematics."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    if log:
        ax.set_xscale("log")
        ax.set_xticks(np.geomspace(x.min(), x.max(), 3))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=bool((x == x.round()).all())))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _brief(value)))


def _brief(value: float) -> str:
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _bars(study: Study, order: list[str], each: float, subtitle: str) -> tuple[Figure, Axes]:
    """Return a figure with axes for bars, a row a parameter, with its name and what it was varied over on the left."""
    axes = {axis.name: axis for axis in study.indices.samples.axes}
    spans = [fit(span(axes[name]), 2.6, 7.5) for name in order]
    left = max(text_width(order, 9) * 1.1, text_width(spans, 7.5)) + 0.35
    tall = max(each * len(order), 0.8)
    figure = new_figure(tall + 1.55, _title(study), subtitle)
    ax = panel(figure, left, 0.95, WIDTH - left - 0.3, tall)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    for row, (name, words) in enumerate(zip(order, spans, strict=True)):
        look: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
        ax.annotate(name, (0, row), (-9, 1), va="bottom", size=9, weight="bold", **look)
        ax.annotate(words, (0, row), (-9, -1), va="top", size=7.5, color="#666666", **look)
    return figure, ax


def span(axis: Axis) -> str:
    """Return what an axis was varied over.

    Examples
    --------
    >>> span(Axis("bias", low=1, high=100, scale="log"))
    '1 to 100, logarithmic'
    >>> span(Axis("entry", ("nash", "individual")))
    'nash, individual'
    """
    if not axis.is_range:
        return ", ".join("none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
                         for value in axis.values)  # fmt: skip
    return f"{_brief(axis.low)} to {_brief(axis.high)}" + (", logarithmic" if axis.scale == "log" else "")


def _title(study: Study) -> str:
    return fit(f"What matters for “{study.definition.title}” in {study.title}", 0.92 * WIDTH, 12.5)


def _write_values(ax: Axes, rows: NDArray[Any], values: NDArray[Any], ends: NDArray[Any], places: int = 2) -> None:
    look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "size": 7.5}
    behind = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.5}
    for row, value, end in zip(rows, values, ends, strict=True):
        if np.isfinite(value):
            place = max(end if np.isfinite(end) else value, 0.0)
            ax.annotate(decimal(float(value), places), (place, row), (5, 0), bbox=behind, **look)


def _legend(ax: Axes, handles: list[Any]) -> None:
    """Write the key in one line below the axes and their label."""
    below = 0.55 / (ax.bbox.height / ax.figure.dpi)
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, -below), ncols=len(handles), handlelength=1.4,
        columnspacing=1.6, borderpad=0, borderaxespad=0,
    )  # fmt: skip
