"""Figures of a comparison: who agrees with whom, on what, and which statements say so."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecosystem.comparison.result import Comparison
from ecosystem.report.prose import count
from ecosystem.report.style import (
    DIVERGING,
    FAINT,
    INK,
    WIDTH,
    fit,
    new_figure,
    panel,
    shorten,
    styled,
    text_width,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

_MOST_ROWS = 900
_NAMED_ROWS = 40
_WRITTEN = 16


@styled
def draw_speakers(found: Comparison) -> Figure:
    """Return the figure of the mean affinity of listeners (columns) to speakers (rows)."""
    names = [shorten(name, 30) for name in found.corpora.speakers]
    order = speaker_order(found)
    mean = found.affinity[np.ix_(order, order)]
    size = float(np.clip(150 / len(names), 4.5, 8.0))
    margin = text_width(names, size) + 0.2
    side = min(WIDTH - margin - 1.2, max(2.2, 0.4 * len(names) + 0.6), 6.2)
    figure = new_figure(
        margin + side + 1.0, "Who agrees with whom", "Mean affinity of listeners (columns) to speakers (rows)"
    )
    ax = panel(figure, margin + 0.15, margin + 0.25, side, side)
    image = _heat(ax, mean, _limit(mean))
    _name(ax, [names[k] for k in order], [names[k] for k in order], size)
    ax.set(xlabel="Listener", ylabel="Speaker")
    if len(names) <= _WRITTEN:
        _write_values(ax, mean, _limit(mean), 6.5 if len(names) > 10 else 8.0)
    _scale(figure, image, (margin + 0.15 + side + 0.15, margin + 0.25, side), "Mean affinity")
    return figure


def speaker_order(found: Comparison) -> Rows:
    """Return the speakers so that those who agree stand together: the order of a hierarchy of mean affinity."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    n = len(found.corpora.speakers)
    if n < 3:
        return np.arange(n)
    both = np.stack([found.affinity, found.affinity.T])
    known = ~np.isnan(both)
    mean = np.where(known, both, 0).sum(0) / np.maximum(known.sum(0), 1)
    apart = 1 - mean
    np.fill_diagonal(apart, 0)
    return np.asarray(leaves_list(linkage(squareform(apart, checks=False), "average")), np.int64)


@styled
def draw_topics(found: Comparison) -> Figure:
    """Return the figure of how each speaker stands to the others, topic by topic."""
    order = speaker_order(found)
    names = [shorten(found.corpora.speakers[k], 30) for k in order]
    means = np.array([_mean_row(area.between)[order] for area in found.areas]).reshape(len(found.areas), len(names))
    titles = [shorten(found.titles[area.topic], 44) for area in found.areas]
    size = float(np.clip(260 / max(len(titles), 1), 5.0, 8.0))
    left, bottom = text_width(titles, size) + 0.25, text_width(names, size) + 0.3
    across = min(WIDTH - left - 1.2, 0.42 * len(names) + 0.5)
    up = max(0.21 * len(titles), 0.6)
    figure = new_figure(
        bottom + up + 0.75,
        "Where each speaker stands to the others",
        "Mean affinity with the other speakers on a topic; topics from the most agreed to the most disputed",
    )
    ax = panel(figure, left, bottom, across, up)
    image = _heat(ax, means, _limit(means), aspect="auto")
    _name(ax, names, titles, size)
    _scale(figure, image, (left + across + 0.15, bottom, up), "Mean affinity")
    if len(names) <= _WRITTEN and len(titles) <= 2 * _WRITTEN:
        _write_values(ax, means, _limit(means), 6.2)
    return figure


@styled
def draw_statements(found: Comparison) -> Figure:
    """Return the heatmap of the affinity of statements, by topic, speaker and meaning."""
    two = len(found.corpora.speakers) == 2
    speaker = found.corpora.speaker_of[found.order]
    down, across = (found.order[speaker == 0], found.order[speaker == 1]) if two else (found.order, found.order)
    thinned = max(len(down), len(across)) > _MOST_ROWS
    down, across = _thin(down), _thin(across)
    grid = found.scores.affinity[np.ix_(down, across)].astype(float)
    if not two:
        own = found.corpora.speaker_of
        grid[own[down][:, None] == own[across]] = np.nan
    names = [_bands(found, rows) for rows in (down, across)]
    labels = [fit(title, 2.6, 7) for title, _, _ in names[0]]
    left, bottom = max(text_width(labels, 7) + 0.45, 1.0), max(text_width(labels, 7) + 0.45, 1.0)
    side = WIDTH - left - 1.1
    up = side * min(max(len(down) / max(len(across), 1), 0.35), 1.15)
    one, other = (shorten(name, 40) for name in found.corpora.speakers[:2])
    who = f"{one} (rows) and {other} (columns)" if two else "All speakers; grey: statements of one speaker"
    part = "; evenly thinned" if thinned else ""
    figure = new_figure(
        bottom + up + 0.75,
        "Which statements agree",
        f"{who}. Statements by topic, the most agreed first, then by speaker and meaning{part}",
    )
    ax = panel(figure, left, bottom, side, up)
    image = _heat(ax, grid, _limit(grid), aspect="auto")
    _band_axis(ax, names[0], "y", up)
    _band_axis(ax, names[1], "x", side)
    _scale(figure, image, (left + side + 0.12, bottom, min(up, 3.5)), "Affinity")
    return figure


@styled
def draw_exhibit(found: Comparison) -> Figure:
    """Return affinity beside attribution for the statements of two speakers, one a topic."""
    exhibit = found.exhibit
    assert exhibit is not None
    rows_a, rows_b = exhibit.rows_a, exhibit.rows_b
    titles = [fit(found.titles[int(found.topic_of[row])], 2.0, 7) for row in rows_a]
    one, other = (shorten(found.speaker(int(rows[0])), 40) for rows in (rows_a, rows_b))
    margin = text_width(titles, 7) + 0.5
    side = (WIDTH - margin - 2.0) / 2
    figure = new_figure(
        margin + side + 0.95,
        "What the predictions weigh",
        f"{one} (rows) and {other} (columns), one statement a topic, in the same order",
    )
    affinity = found.scores.affinity[np.ix_(rows_a, rows_b)].astype(float)
    for k, (grid, title) in enumerate(
        ((affinity, "Affinity"), (exhibit.importance.astype(float), "Attribution: how far a pair moves the logit"))
    ):
        left = margin + k * (side + 1.0)
        ax = panel(figure, left, margin, side, side)
        if k == 0:
            image = _heat(ax, grid, _limit(grid), aspect="auto")
        else:
            image = ax.imshow(grid, cmap="cividis", aspect="auto", interpolation="nearest", vmin=0)
        _name(ax, titles, titles if k == 0 else [], 7)
        ax.set_title(title, size=8.5)
        ax.set_xlabel(fit(other, side, 8))
        if k == 0:
            ax.set_ylabel(fit(one, side, 8))
        _scale(figure, image, (left + side + 0.08, margin, side), "")
    return figure


def _mean_row(between: Array) -> Array:
    known = ~np.isnan(between)
    total = np.where(known, between, 0).sum(1)
    mean = np.full(len(between), np.nan)
    np.divide(total, known.sum(1), out=mean, where=known.any(1))
    return mean


def _thin(rows: Rows) -> Rows:
    kept: Rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(int))]
    return kept


def _bands(found: Comparison, rows: Rows) -> list[tuple[str, int, int]]:
    """Return the topics along an axis: name, first place, place after the last."""
    topics = found.topic_of[rows]
    edges = [0, *(np.flatnonzero(np.diff(topics)) + 1).tolist(), len(rows)]
    return [
        (found.titles[topics[start]] if topics[start] >= 0 else "no topic", start, end)
        for start, end in pairwise(edges)
        if end > start
    ]


def _band_axis(ax: Axes, bands: list[tuple[str, int, int]], which: str, inches: float) -> None:
    """Name the topics along an axis and draw thin lines between them; narrow topics go without a name."""
    total = max(bands[-1][2], 1) if bands else 1
    line, ticks = (ax.axhline, ax.set_yticks) if which == "y" else (ax.axvline, ax.set_xticks)
    places, names, free = [], [], -1.0
    for title, start, end in bands:
        middle = (start + end - 1) / 2
        if start and len(bands) <= 60:
            line(start - 0.5, color=FAINT, lw=0.4)
        at = middle / total * inches
        if at - free >= 0.115:
            places.append(middle)
            names.append(fit(title, 2.6, 7))
            free = at
    ticks(places, names, size=7, rotation=90 if which == "x" else 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _heat(ax: Axes, grid: Array, limit: float, aspect: Literal["equal", "auto"] = "equal") -> Any:
    from matplotlib import colormaps

    colours = colormaps[DIVERGING].with_extremes(bad="#cfcfcf")
    smooth = "nearest" if max(grid.shape) <= 300 else "antialiased"
    return ax.imshow(grid, cmap=colours, vmin=-limit, vmax=limit, aspect=aspect, interpolation=smooth)


def _limit(grid: Array) -> float:
    """Return where the colour scale ends: the 99th percentile of size, in twentieths, at most 1."""
    values = np.abs(grid[~np.isnan(grid)])
    return float(np.clip(np.ceil(np.percentile(values, 99) * 20) / 20, 0.1, 1.0)) if len(values) else 1.0


def _write_values(ax: Axes, grid: Array, limit: float, size: float) -> None:
    for (row, column), value in np.ndenumerate(grid):
        if np.isnan(value):
            continue
        shown = f"{value:.2f}".replace("-", "−").replace("0.", ".", 1)
        colour = "white" if abs(value) > 0.62 * limit else INK
        ax.text(
            column,
            row,
            ".00" if shown.strip("−") == ".00" else shown,
            ha="center",
            va="center",
            size=size,
            color=colour,
        )


def _name(ax: Axes, across: list[str], down: list[str], size: float) -> None:
    ax.set_xticks(range(len(across)), across, rotation=90, size=size)
    ax.set_yticks(range(len(down)), down, size=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _scale(figure: Figure, image: Any, place: tuple[float, float, float], label: str) -> None:
    """Draw a colour scale at left, bottom and height in inches."""
    left, bottom, height = place
    axes = panel(figure, left, bottom, 0.13, height)
    bar = figure.colorbar(image, cax=axes, label=label)
    bar.outline.set_visible(False)
    axes.tick_params(length=2)


def alt_of_speakers(found: Comparison) -> str:
    """Return the figure of speakers in a sentence: the pair most and the pair least in agreement."""
    mean = found.affinity
    if np.isnan(mean).all():
        return "No two speakers speak on one topic."
    names = found.corpora.speakers
    ends = [np.unravel_index(int(end(mean)), mean.shape) for end in (np.nanargmax, np.nanargmin)]
    said = [f"{names[t]} hearing {names[s]} ({mean[s, t]:+.2f})" for s, t in ends]
    return f"{count(len(names), 'speaker')}; highest {said[0]}, lowest {said[1]}."
