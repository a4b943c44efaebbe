"""Figures of who ends with whom under variants of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.report.arrays import agent_names, order_over_time
from ecosystem.report.style import (
    ALONE,
    INK,
    PALETTE,
    WIDTH,
    fit,
    new_figure,
    panel,
    shorten,
    styled,
    text_width,
)  # fmt: skip
from ecosystem.report.variants_arrays import ENTRIES, KERNELS, Array, Contrast, Labels, heading, labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMED = 52
_ALIKE = 0.25


@styled
def draw_agreement(contrast: Contrast) -> Figure:
    """Return the matrix of the adjusted Rand index between the final partitions of variants."""
    labels, n = labelled(contrast.variants), len(contrast.variants)
    margin = text_width(labels, 8) + 0.25
    side = min(WIDTH - margin - 1.1, 0.42 * n + 0.4, 6.6)
    wide = min(max(margin + side + 1.1, 5.6), WIDTH)
    figure = new_figure(
        margin + side + 0.65, "Do the same agents end up together?",
        "Adjusted Rand index of the final coalitions: 1 the same, 0 as alike as by chance", wide,
    )  # fmt: skip
    ax = panel(figure, margin, margin, side, side)
    lowest = min(float(contrast.agreement.min()), 0.0)
    image = ax.imshow(contrast.agreement, cmap="Blues", vmin=lowest, vmax=1.0, interpolation="nearest")
    for (row, column), value in np.ndenumerate(contrast.agreement):
        text = f"{value:.2f}".replace("-", "−").replace("0.", ".", 1)
        ax.text(column, row, ".00" if text == "−.00" else text, ha="center", va="center",
                size=7 if n > 8 else 8, color="white" if value > 0.6 else INK)  # fmt: skip
    ax.set_xticks(range(n), labels, rotation=90)
    ax.set_yticks(range(n), labels)
    _part_kernels(ax, contrast, both=True)
    scale = panel(figure, margin + side + 0.15, margin, 0.13, min(side, 3.0))
    figure.colorbar(image, cax=scale, label="Adjusted Rand index").outline.set_visible(False)
    return figure


@styled
def draw_together(contrast: Contrast) -> Figure:
    """Return the figure of who ends in which coalition, an agent a row, a variant a column."""
    found, names = families(contrast.final), [shorten(name, 32) for name in agent_names(contrast.run)]
    order = order_over_time(contrast.final) if len(names) > 1 else np.zeros(1, np.int64)
    n = len(contrast.variants)
    named = len(names) <= _MOST_NAMED
    left = text_width(names, 8) + 0.25 if named else 0.5
    labels = [ENTRIES.get(v.entry, v.entry) for v in contrast.variants] if len(contrast.entries) > 1 else []
    foot = text_width(labels, 8) + 0.25 if labels else 0.2
    across = min(WIDTH - left - 0.2, n * 1.3)
    rows = min(len(names) * 0.255, 7.5)
    wide = min(max(left + across + 0.2, 6.2), WIDTH)
    figure = new_figure(
        foot + rows + 0.85, "Who ends with whom",
        "Columns are variants; one letter and colour: coalitions that share most members; grey: alone", wide,
    )  # fmt: skip
    ax = panel(figure, left, foot, across, rows)
    _draw_cells(ax, found[:, order].T, contrast.present[order])
    ax.set_yticks(range(len(names)) if named else [], [names[agent] for agent in order] if named else [])
    ax.set_xticks(range(n) if labels else [], labels, rotation=90)
    _part_kernels(ax, contrast, both=False)
    for kernel in contrast.kernels:
        places = contrast.under(kernel)
        title = heading(KERNELS.get(kernel, kernel))
        inches = across / n * len(places) - 0.06
        shown = title if text_width([title], 8) <= inches else kernel
        ax.annotate(fit(shown, inches, 8), (np.mean(places), 1), (0, 5), textcoords="offset points", ha="center",
                    xycoords=ax.get_xaxis_transform(), size=8, weight="bold")  # fmt: skip
    return figure


def families(final: Labels) -> Labels:
    """Return coalitions named alike where they share most members, (n_variants, n_agents); -1 for an agent alone.

    Variants are taken in order. Coalitions of a variant are matched one to one to the families so far, so that the
    total overlap with them is greatest (Jaccard index, members counted by how often they were in the family);
    one that overlaps none by a quarter founds a family. Families are numbered from 0 by how many agents they hold
    over all variants.

    Parameters
    ----------
    final : (n_variants, n_agents) int
        Coalition labels; negative for an agent alone.

    Examples
    --------
    >>> families(np.array([[1, 1, 2, 2, -5], [9, 9, 9, 4, 4]]))
    array([[ 0,  0,  1,  1, -1],
           [ 0,  0,  0,  1,  1]])
    """
    from scipy.optimize import linear_sum_assignment

    found = np.full(final.shape, -1, np.int64)
    weights: list[Array] = []
    for row, labels in enumerate(final):
        blocks = [labels == label for label in np.unique(labels[labels >= 0])]
        overlap = np.array([[_overlap(block, weight) for weight in weights] for block in blocks])
        overlap = overlap.reshape(len(blocks), len(weights))
        rows, columns = linear_sum_assignment(-overlap)
        matched: dict[int, int] = dict(zip(rows.tolist(), columns.tolist(), strict=True))
        for place, block in enumerate(blocks):
            family = matched.get(place)
            if family is None or overlap[place, family] < _ALIKE:
                family = len(weights)
                weights.append(np.zeros(final.shape[1]))
            weights[family] = weights[family] + block
            found[row, block] = family
    order = np.argsort([-weight.sum() for weight in weights], kind="stable")
    rank = np.append(np.argsort(order), -1)  # the last is that of -1, an agent alone
    numbered: Labels = rank[found].astype(np.int64)
    return numbered


def _overlap(block: NDArray[np.bool_], weight: Array) -> float:
    """Return the Jaccard index of a block with a family, each member of it weighing its share of the largest."""
    share = weight / weight.max()
    return float(np.minimum(block, share).sum() / np.maximum(block, share).sum())


def _draw_cells(ax: Axes, found: Labels, present: NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgb

    image = np.array([[to_rgb(PALETTE[k % len(PALETTE)]) if k >= 0 else to_rgb(ALONE) for k in row] for row in found])
    image[~present] = 1.0
    ax.imshow(image, aspect="auto", interpolation="nearest")
    rows, columns = found.shape
    ax.hlines(np.arange(rows - 1) + 0.5, -0.5, columns - 0.5, color="white", lw=1.2 if rows <= 26 else 0.4)
    ax.vlines(np.arange(columns - 1) + 0.5, -0.5, rows - 0.5, color="white", lw=1.2)
    if rows > _MOST_NAMED:
        return
    for (row, column), family in np.ndenumerate(found):
        if not present[row]:
            ax.text(column, row, "absent", ha="center", va="center", size=5.5, color="#666666")
        elif family >= 0:
            red, green, blue = image[row, column]
            light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.49
            ax.text(column, row, letters(int(family)), ha="center", va="center", size=7.5, weight="bold",
                    color=INK if light else "white")  # fmt: skip


def letters(number: int) -> str:
    """Return a number as letters.

    Examples
    --------
    >>> letters(0), letters(25), letters(26)
    ('A', 'Z', 'AA')
    """
    head, last = divmod(number, 26)
    return (letters(head - 1) if head else "") + chr(65 + last)


def _part_kernels(ax: Axes, contrast: Contrast, both: bool) -> None:
    """Draw lines between the kernels' variants where each has several."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if len(contrast.entries) > 1:
        for kernel in contrast.kernels[1:]:
            edge = contrast.under(kernel)[0] - 0.5
            ax.axvline(edge, color=INK if both else "white", lw=0.8 if both else 6)
            if both:
                ax.axhline(edge, color=INK, lw=0.8)
