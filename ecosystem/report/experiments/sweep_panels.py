"""One panel of a sweep's figures: curves with bands, dots with whiskers, maps, clouds of points, paths over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.report.experiments.sweep_arrays import (
    Array,
    Band,
    Headline,
    Labels,
    Spread,
    Varied,
    View,
    written,
)
from ecosystem.report.style import FAINT, INK, PALETTE, fit, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SINGLE = PALETTE[0]

_BAND = 0.18
_FEW = 6
_HOLLOW: dict[str, Any] = {"ls": "", "marker": "o", "ms": 5.5, "mfc": "white", "mew": 1.2, "zorder": 4}
_DOT: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2.0, "mew": 0, "alpha": 0.6, "zorder": 3}
_SHARE = 5
_WINDOWS = 25
_RASTER = 150


def line_colours(series: Varied | None, shown: Sequence[int]) -> list[str]:
    """Return a colour for each line: along a scale where they are three numbers or more, else of the palette."""
    if series is None:
        return [SINGLE]
    if not series.numeric or len(shown) < 3:
        return [(*PALETTE[:1], *PALETTE[5:6], *PALETTE[1:5], *PALETTE[7:])[k % 11] for k in range(len(shown))]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0.0, 0.88, len(shown)))]


def line_widths(n_lines: int) -> list[float]:
    """Return the widths of lines, from wide to narrow: where they coincide, each still shows."""
    return [1.6] if n_lines < 2 else np.linspace(2.8, 1.2, n_lines).tolist()


def draw_curves(
    ax: Axes, view: View, spread: Spread, shown: Sequence[int], colours: Sequence[str], runs: Array | None = None
) -> None:
    """Draw the median and its band along a number, a line a value of the second parameter.

    Where runs fall in two clusters, each is a small dot, if ``runs``, (n_points, n_replicates), are given.
    """
    x = view.x.positions
    for column, colour, width in zip(shown, colours, line_widths(len(shown)), strict=True):
        points = view.points[:, column]
        median, low, high = spread.median[points], spread.low[points], spread.high[points]
        if (low < high).any():
            ax.fill_between(x, low, high, color=colour, alpha=_BAND, lw=0)
        ax.plot(x, median, color=colour, lw=width, marker="o" if len(x) <= 25 else "", ms=width + 2, mew=0)
        split = spread.bimodal[points]
        if split.any():
            ax.plot(x[split], median[split], mec=colour, **_HOLLOW)
            if runs is not None:
                ax.plot(x[split], runs[points[split]], color=colour, **_DOT)
        mark_missing(ax, x[~spread.known[points]], 0.04, colour)
    ax.set_ylim(*limits(spread, view.points[:, list(shown)]))
    mark_values(ax, view.x)
    ax.grid(axis="y", color="#eeeeee", lw=0.7)


def draw_dots(
    ax: Axes, view: View, spread: Spread, shown: Sequence[int], colours: Sequence[str], named: bool = True
) -> None:
    """Draw the median as a dot and the band as a whisker, a row a value; those of the second parameter side by side."""
    n_rows, n_series = len(view.x.values), len(shown)
    rows = np.arange(n_rows, dtype=np.float64)
    for k, (column, colour) in enumerate(zip(shown, colours, strict=True)):
        points, y = view.points[:, column], rows + (k - (n_series - 1) / 2) * 0.7 / n_series
        low, median, high = spread.low[points], spread.median[points], spread.high[points]
        ax.hlines(y, low, high, color=colour, alpha=0.45, lw=3.0)
        ax.plot(median, y, ls="", marker="o", ms=4.5, color=colour, mew=0)
        split = spread.bimodal[points]
        if split.any():
            ax.plot(median[split], y[split], mec=colour, **_HOLLOW)
        mark_missing(ax, y[~spread.known[points]], 0.03, colour, sideways=True)
    ax.set_xlim(*limits(spread, view.points[:, list(shown)]))
    ax.set_ylim(n_rows - 0.5, -0.5)
    ax.set_yticks(rows, [fit(text, 2.2, 8) for text in view.x.labels] if named else [""] * n_rows)
    ax.tick_params(left=False)
    for row in range(n_rows - 1):
        ax.axhline(row + 0.5, color="#eeeeee", lw=0.7, zorder=0)
    ax.grid(axis="x", color="#eeeeee", lw=0.7)


def cells_have_room(
    x: Varied, y: Varied, points: Labels, spread: Spread, of: Headline, size: tuple[float, float]
) -> bool:
    """Return whether a map of so many inches across and up has room for a number in each cell."""
    texts = [of.shown(value) for value in spread.median[points].ravel().tolist()]
    return size[1] / len(y.values) > 0.15 and text_width(texts, 7.5) < size[0] / len(x.values) - 0.06


def draw_cells(
    ax: Axes, x: Varied, y: Varied, points: Labels, spread: Spread, of: Headline, crowded: bool
) -> tuple[float, float] | None:
    """Draw the median at each pair of values as a coloured cell; return the ends of the scale if cells have no numbers.

    Parameters
    ----------
    ax : Axes
        With its place in the figure final.
    x, y : Varied
        The parameters.
    points : (n_x, n_y) int
        Numbers of the design points.
    spread : Spread
        The outcome.
    of : Headline
        What it is.
    crowded : bool
        Whether so many points have too few replicates that marking each would hide the rest.
    """
    values = spread.median[points].T
    low, high = scale_ends(spread, points)
    ax.imshow(values, origin="lower", cmap="viridis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    ax.set_facecolor("#eeeeee")
    size = (ax.bbox.width / ax.figure.dpi, ax.bbox.height / ax.figure.dpi)
    numbered = cells_have_room(x, y, points, spread, of, size)
    for (row, column), value in np.ndenumerate(values):
        ink = FAINT if value != value else "white" if (value - low) / (high - low) < 0.6 else INK
        if numbered or value != value:
            text = of.shown(value) if value == value else "×"
            ax.text(column, row, text, size=7.5, ha="center", va="center", color=ink)
        point = points[column, row]
        _mark_cell(ax, column, row, bool(spread.bimodal[point]), bool(spread.short[point]) and not crowded, ink)
    _cell_ticks(ax, x, y, *size)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return None if numbered else (low, high)


def draw_cloud(ax: Axes, one: Varied, spread: Spread) -> None:
    """Draw the median of every design point against a parameter, with a running median (medians of a list's values)."""
    x, y, known = one.positions[one.place], spread.median, spread.known
    if not one.numeric:
        # Side by side, in the order of the points: chance has no part in where a point stands.
        x = x + 0.5 * ((np.arange(len(x)) * 0.6180339887) % 1 - 0.5)
    many = bool(known.sum() > _RASTER)
    ax.plot(x[known], y[known], ls="", marker="o", ms=2.2 if many else 3.4, color=SINGLE, mew=0,
            alpha=0.3 if many else 0.5, rasterized=many)  # fmt: skip
    if one.numeric:
        at, line = running_median(x[known], y[known])
        ax.plot(at, line, color=PALETTE[5], lw=1.8)
    else:
        for place in range(len(one.values)):
            mine = known & (one.place == place)
            if mine.any():
                ax.hlines(np.median(y[mine]), place - 0.33, place + 0.33, color=PALETTE[5], lw=2.2)
    ax.set_ylim(*_padded(*_ends(y)))
    mark_values(ax, one)
    ax.grid(axis="y", color="#eeeeee", lw=0.7)


def draw_plane(ax: Axes, x: Varied, y: Varied, spread: Spread) -> tuple[float, float]:
    """Draw every design point in the plane of two parameters, coloured by an outcome; return the ends of the scale."""
    low, high = scale_ends(spread, np.arange(len(spread.median)))
    known = spread.known
    across, up = x.positions[x.place], y.positions[y.place]
    many = bool(known.sum() > _RASTER)
    ax.scatter(across[known], up[known], c=spread.median[known], s=14 if many else 34, cmap="viridis", vmin=low,
               vmax=high, linewidth=0.4, edgecolor="white", rasterized=many)  # fmt: skip
    ax.plot(across[~known], up[~known], "x", color=FAINT, ms=4)
    mark_values(ax, x)
    mark_values(ax, y, vertical=True)
    return low, high


def draw_path(ax: Axes, band: Band, colour: str, width: float) -> None:
    """Draw the median of a measure over steps, and its band."""
    if (band.low < band.high).any():
        ax.fill_between(band.steps, band.low, band.high, color=colour, alpha=_BAND, lw=0)
    ax.plot(band.steps, band.median, color=colour, lw=width, marker="o" if len(band.steps) < 3 else "", ms=4)


def finish_path(ax: Axes, bands: Sequence[Band], of: Headline, interventions: Sequence[int]) -> None:
    """Set the ends and ticks of axes of steps so that some bands fit; draw where something intervenes."""
    if not bands:
        ax.text(0.5, 0.5, "not defined", transform=ax.transAxes, ha="center", va="center", color="#555555")
        ax.set(xticks=[], yticks=[])
        return
    ax.set_ylim(*_padded(*_ends(np.concatenate([np.r_[band.low, band.high] for band in bands]))))
    last = max(int(band.steps[-1]) for band in bands)
    ax.set_xlim(0.5, last + 0.5)
    for step in interventions:
        if step <= last:
            ax.axvline(step - 0.5, color=FAINT, lw=0.8, ls=(0, (4, 2)), zorder=0)
    few_ticks(ax, "x", whole=True)
    few_ticks(ax, "y", whole=of.kind == "count")
    ax.grid(axis="y", color="#eeeeee", lw=0.7)


def running_median(x: Array, y: Array) -> tuple[Array, Array]:
    """Return where a running median is taken, and the median of the fifth of the points that is nearest in rank.

    Examples
    --------
    >>> at, line = running_median(np.arange(10.0), np.array([0.0, 0, 0, 0, 9, 0, 0, 0, 0, 0]))
    >>> float(line.max())
    0.0
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    width = min(max(len(x) // _SHARE, 5), len(x))
    if len(x) < 2:
        return x, y
    starts = np.unique(np.linspace(0, len(x) - width, _WINDOWS).round().astype(np.int64))
    windows = starts[:, None] + np.arange(width)
    return np.median(x[windows], axis=1), np.median(y[windows], axis=1)


def mark_values(ax: Axes, one: Varied, vertical: bool = False) -> None:
    """Set the ends and ticks of an axis along a parameter: its values where they have room, else round numbers."""
    axis, ends = (ax.yaxis, ax.set_ylim) if vertical else (ax.xaxis, ax.set_xlim)
    at = one.positions
    inches = (ax.bbox.height if vertical else ax.bbox.width) / ax.figure.dpi
    rim = 0.5 if not one.numeric else 0.05 * np.ptp(at) or 0.5
    low, high = at.min() - rim, at.max() + rim
    ends(low, high)
    labels = one.labels
    if not (one.numeric or vertical):
        labels = [fit(text, 0.95 * inches / len(at), 8) for text in labels]
    if not one.numeric or _have_room(at, labels, inches / (high - low), vertical):
        axis.set_ticks(at, labels)
    elif one.log:
        axis.set_ticks(*_powers(one))
    else:
        few_ticks(ax, "y" if vertical else "x", whole=all(isinstance(value, int) for value in one.values))


def few_ticks(ax: Axes, axis: str, whole: bool = False) -> None:
    """Have four intervals or fewer between the ticks of an axis."""
    from matplotlib.ticker import MaxNLocator

    most, one = (4, ax.xaxis) if axis == "x" else (3, ax.yaxis)
    one.set_major_locator(MaxNLocator(most, integer=whole, min_n_ticks=2))


def mark_missing(ax: Axes, places: NDArray[np.floating[Any]], edge: float, colour: str, sideways: bool = False) -> None:
    """Mark with a cross near the edge of the axes where no run is known."""
    if len(places):
        look: dict[str, Any] = {"ls": "", "marker": "x", "ms": 4.5, "mew": 1.3, "color": colour, "clip_on": False}
        edges = np.full(len(places), edge)
        if sideways:
            ax.plot(edges, places, transform=ax.get_yaxis_transform(), **look)
        else:
            ax.plot(places, edges, transform=ax.get_xaxis_transform(), **look)


def limits(spread: Spread, points: NDArray[np.int64]) -> tuple[float, float]:
    """Return where an axis begins and ends so that the bands of some points fit: at 0 where they come near it."""
    return _padded(*_ends(np.array([spread.low[points], spread.high[points]])))


def scale_ends(spread: Spread, points: NDArray[np.int64]) -> tuple[float, float]:
    """Return the ends of a colour scale over medians: no narrower than a usual band, so that chance has no colour."""
    low, high = _ends(spread.median[points])
    bands = (spread.high - spread.low)[points]
    usual = float(np.median(bands[~np.isnan(bands)])) if not np.isnan(bands).all() else 0.0
    rim = max(usual - (high - low), 0.0) / 2
    return low - rim, high + rim


def _padded(low: float, high: float) -> tuple[float, float]:
    if 0 <= low < 0.4 * high:
        return 0.0, high * 1.06
    rim = 0.07 * (high - low)
    return low - rim, high + rim


def _ends(values: Array) -> tuple[float, float]:
    """Return the least and the greatest known value, never the same."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if high - low > 1e-9 * max(abs(high), 1e-9):
        return low, high
    return (0.0, 2 * high or 1.0) if high >= 0 else (2 * low, 0.0)


def _have_room(at: Array, labels: list[str], per_unit: float, vertical: bool) -> bool:
    if len(at) > _FEW:
        return False
    widths = np.array([0.16 if vertical else text_width([label], 8) + 0.06 for label in labels])
    return bool((np.diff(at) * per_unit > (widths[1:] + widths[:-1]) / 2).all())


def _powers(one: Varied) -> tuple[list[float], list[str]]:
    """Return ticks along a logarithm: 1, 2 and 5 times powers of ten, the powers alone where there are many."""
    slack = 0.05 * float(np.ptp(one.positions))
    low, high = one.positions.min() - slack, one.positions.max() + slack
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    every = [m * 10.0**k for k in powers for m in (1, 2, 5) if low <= np.log10(m * 10.0**k) <= high]
    tens = [10.0**k for k in powers if low <= k <= high]
    chosen = every if len(every) <= 4 else tens
    if len(chosen) < 2:
        chosen = [one.values[0], one.values[-1]]
    return [float(np.log10(value)) for value in chosen], [written(float(value)) for value in chosen]


def _mark_cell(ax: Axes, column: int, row: int, bimodal: bool, short: bool, ink: str) -> None:
    if bimodal:
        ax.plot(column + 0.36, row + 0.33, marker="o", ms=4, mfc="none", mec=ink, mew=0.9)
    if short:
        ax.plot(column - 0.36, row + 0.33, marker="_", ms=5, mec=ink, mew=1.2)


def _cell_ticks(ax: Axes, x: Varied, y: Varied, wide: float, tall: float) -> None:
    columns = range(0, len(x.values), -(-len(x.values) // max(int(wide / (text_width(x.labels, 8) + 0.12)), 1)))
    rows = range(0, len(y.values), -(-len(y.values) // max(int(tall / 0.17), 1)))
    ax.set_xticks(columns, [fit(x.labels[k], max(wide / len(columns), 0.8), 8) for k in columns])
    ax.set_yticks(rows, [fit(y.labels[k], 1.5, 8) for k in rows])
    ax.tick_params(length=0)
