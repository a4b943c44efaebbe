"""Figures of a comparison of variants: measures and opinions over time, and who ends with whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.measures import CATALOGUE
from ecosystem.report.arrays import agent_names
from ecosystem.report.marks import draw_marks, find_marks
from ecosystem.report.style import (
    FAINT,
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
from ecosystem.report.variants_arrays import ENTRIES, KERNELS, Array, Contrast, Labels, heading, most_divided
from ecosystem.report.variants_company import draw_agreement, draw_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = ("coalitions", "opinion_variance", "largest", "mean_alignment", "modularity", "distance_variance")
"""Measures over time: coalitions left, opinions and alignment right where there are two columns."""

COLOURS = dict(zip([*KERNELS, *ENTRIES], (*PALETTE[:4], PALETTE[5], PALETTE[7], PALETTE[1], PALETTE[2]), strict=True))
"""A colour for each kernel and each entry rule, the same on every page."""

_MOST_NAMED = 26
_LINE = 0.125


@dataclass(frozen=True)
class VariantsFigure:
    """A figure of a comparison: stem of its files, title, how to read it, and what draws it."""

    name: str
    title: str
    caption: str
    draw: Callable[[Contrast], Figure]
    of_time: bool = False


@styled
def draw_measures(contrast: Contrast) -> Figure:
    """Return the figure of measures over time: a line a kernel and a column an entry rule, where there are several.

    With one entry rule the measures stand in two columns; with one kernel the lines are entry rules.
    """
    by_kernel = len(contrast.kernels) > 1
    columns = contrast.entries if by_kernel and len(contrast.entries) > 1 else []
    across, rows = (len(columns), len(MEASURES)) if columns else (2, len(MEASURES) // 2)
    tall, above, left = 0.95, 0.5, 0.65
    aside = text_width(contrast.kernels if by_kernel else contrast.entries, 7.5) + (0.3 if columns else 0.8)
    wide = (WIDTH - left + (0.0 if columns else 0.5)) / across
    height = 0.95 + (0.3 if columns else 0.0) + rows * (tall + above)
    figure = new_figure(height, "Measures over time", _subtitle(contrast, by_kernel))
    marks = find_marks(contrast.run)
    for k, name in enumerate(MEASURES):
        values = contrast.measure(name)
        for column in range(max(len(columns), 1)):
            row, place = (k, column) if columns else divmod(k, 2)
            chosen = [v for v, one in enumerate(contrast.variants) if not columns or one.entry == columns[column]]
            ax = panel(figure, left + place * wide, 0.45 + (rows - 1 - row) * (tall + above), wide - aside, tall)
            ax.set_ylim(*_limits(values))
            _draw_lines(ax, contrast, name, {_key(contrast, v, by_kernel): values[v] for v in chosen})
            draw_marks(ax, marks, letters=False)
            if column == 0:
                _head(ax, name, 6.0 if columns else wide - 0.2)
            if row == 0 and columns:
                _entry_above(ax, columns[column])
            _outer_labels(ax, left=not (columns and column), bottom=row == rows - 1)
    return figure


@styled
def draw_opinions(contrast: Contrast) -> Figure:
    """Return the figure of every agent's opinion over steps, a column a kernel: mean over topics, and one topic."""
    names, topic = [shorten(name, 30) for name in agent_names(contrast.run)], divided_topic(contrast)
    start = contrast.ends[0, 0][:, contrast.debated].mean(1)
    named = len(names) <= _MOST_NAMED
    left, gap, right = (text_width(names, 7) + 0.3 if named else 0.35), 0.14, 0.5
    wide = min((WIDTH - left - right) / len(contrast.kernels) - gap, 6.5)
    tall = max(2.1, len(names) * _LINE) if named else 2.1
    height = 0.85 + 2 * (tall + 0.45) + 0.1
    figure = new_figure(
        height, "Where opinions went", "A line an agent, from −1 (against the motion) to +1 (for it); "
        "coloured by the mean opinion at the first step, the same in every panel",
    )  # fmt: skip
    title, marks = str(list(contrast.run.manifest["topics"].values())[topic]), find_marks(contrast.run)
    for row, words in enumerate(("Mean over the topics debated", f"On the topic most divided at first: {title}")):
        bottom = 0.45 + (1 - row) * (tall + 0.45)
        paths = [_paths(contrast, kernel, None if row == 0 else topic) for kernel in contrast.kernels]
        limits = _limits(np.array(paths), low=None)
        figure.text(0.12 / WIDTH, (bottom + tall + (0.27 if row == 0 else 0.1)) / height, fit(words, WIDTH - 0.3, 9),
                    size=9, color="#555555")  # fmt: skip
        for column, kernel in enumerate(contrast.kernels):
            ax = panel(figure, left + column * (wide + gap), bottom, wide, tall)
            ax.set_ylim(*limits)
            _draw_paths(ax, contrast.steps, paths[column], start)
            draw_marks(ax, marks, letters=False)
            if row == 0:
                ax.set_title(_title(kernel, wide), size=8, weight="bold", pad=4)
            else:
                _shade_debated(ax, contrast, contrast.under(kernel)[0], topic)
            if column == 0 and named:
                _name_lines(ax, names, contrast.steps, paths[0])
            _outer_labels(ax, left=False, bottom=row == 1)
            last = column == len(contrast.kernels) - 1
            ax.tick_params(left=False, right=last, labelright=last)
            ax.spines["left"].set_visible(False)
    return figure


FIGURES: tuple[VariantsFigure, ...] = (
    VariantsFigure(
        "opinions",
        "Opinions over time",
        "Above, each agent’s opinion averaged over the topics debated; below, its opinion on the topic on which agents "
        "were most divided at the first step, shaded where it was under debate. Under argument exchange an opinion is "
        "the mean position of the statements held, under the others a number that others’ numbers move.",
        draw_opinions,
        of_time=True,
    ),
    VariantsFigure(
        "measures",
        "Measures over time",
        "Lines that coincide are drawn inside one another, from wide to narrow. The glossary says what each measure "
        "means.",
        draw_measures,
        of_time=True,
    ),
    VariantsFigure(
        "together",
        "Who ends with whom",
        "Read a column for one variant’s coalitions, a row for one agent’s company across variants. Agents who often "
        "end together stand next to one another.",
        draw_together,
    ),
    VariantsFigure(
        "agreement",
        "How alike the coalitions are",
        "The index counts pairs of agents that are together, or apart, under both variants, less what chance would "
        "give.",
        draw_agreement,
    ),
)
"""The figures of a comparison, in the page's order."""


def divided_topic(contrast: Contrast) -> int:
    """Return the topic debated on which the agents were most divided at the first step, by place."""
    return most_divided(contrast.ends[0, 0], contrast.debated)


def apart(places: Array, gap: float, low: float, high: float) -> Array:
    """Return places moved as little as it takes to lie a gap apart, within bounds where there is room.

    Examples
    --------
    >>> apart(np.array([0.5, 0.5, 0.9]), 0.2, 0.0, 1.0).round(2)
    array([0.4, 0.6, 0.9])
    """
    order = np.argsort(places, kind="stable")
    groups: list[tuple[float, int]] = []  # the sum of the places of those that touch, and how many they are

    def centre(total: float, size: int) -> float:
        half = (size - 1) / 2 * gap
        return float(min(max(total / size, low + half), max(high - half, low + half)))

    for place in places[order]:
        groups.append((float(place), 1))
        while len(groups) > 1:
            (before, many), (after, more) = groups[-2:]
            if centre(after, more) - centre(before, many) >= (many + more) / 2 * gap:
                break
            groups[-2:] = [(before + after, many + more)]
    settled = [centre(total, size) + gap * (np.arange(size) - (size - 1) / 2) for total, size in groups]
    moved = np.empty(len(places))
    moved[order] = np.concatenate(settled)
    return moved


def _subtitle(contrast: Contrast, by_kernel: bool) -> str:
    if by_kernel and len(contrast.entries) > 1:
        return "A line a kernel, a column an entry rule"
    if by_kernel:
        return f"A line a kernel; entry rule: {ENTRIES.get(contrast.entries[0], contrast.entries[0])}"
    return f"A line an entry rule; kernel: {KERNELS.get(contrast.kernels[0], contrast.kernels[0])}"


def _key(contrast: Contrast, v: int, by_kernel: bool) -> str:
    return contrast.variants[v].kernel if by_kernel else contrast.variants[v].entry


def _limits(values: Array, low: float | None = 0.0) -> tuple[float, float]:
    """Return where an axis begins and ends: at ``low`` where no value is below it."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    bottom, top = float(known.min()), float(known.max())
    if low is not None and bottom >= low:
        return low, low + (top - low) * 1.08 if top > low else low + 1.0
    rim = (top - bottom) * 0.06 or 0.05
    return bottom - rim, top + rim


def _draw_lines(ax: Axes, contrast: Contrast, name: str, lines: dict[str, Array]) -> None:
    whole: dict[str, Any] = {"drawstyle": "steps-mid"} if name == "coalitions" else {}
    widths = np.linspace(2.8, 1.0, len(lines)) if len(lines) > 1 else [1.6]
    for width, (key, values) in zip(widths, lines.items(), strict=True):
        ax.plot(contrast.steps, values, color=COLOURS.get(key, INK), lw=width, label=key,
                marker="o" if len(contrast.steps) < 3 else "", ms=4, **whole)  # fmt: skip
    _label_ends(ax, lines, contrast.steps)
    _finish(ax, contrast.steps, integer=name == "coalitions")


def _label_ends(ax: Axes, lines: dict[str, Array], steps: Labels) -> None:
    """Write the name of each line beside its last value, none over another."""
    ends = [(values[~np.isnan(values)][-1], key) for key, values in lines.items() if not np.isnan(values).all()]
    if not ends:
        ax.text(0.5, 0.5, "not defined in these runs", transform=ax.transAxes, ha="center", va="center",
                color="#555555")  # fmt: skip
        return
    low, high = ax.get_ylim()
    per_inch = (high - low) / (ax.bbox.height / ax.figure.dpi)
    values = np.array([value for value, _ in ends])
    places = apart(values, _LINE * per_inch, low, high)
    for (value, key), place in zip(ends, places, strict=True):
        ax.annotate(
            fit(key, 0.85, 7.5), (steps[-1] + 0.5, value), (11, (place - value) / per_inch * 72),
            textcoords="offset points", size=7.5, va="center", color=_dark(COLOURS.get(key, INK)),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": COLOURS.get(key, INK), "shrinkA": 0, "shrinkB": 0,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def _head(ax: Axes, name: str, inches: float) -> None:
    measure = CATALOGUE[name]
    ax.annotate(measure.title, (0, 1), (0, 14), xycoords="axes fraction", textcoords="offset points", size=8.5,
                weight="bold")  # fmt: skip
    ax.annotate(fit(measure.meaning.split(";")[0], inches, 7), (0, 1), (0, 5), xycoords="axes fraction",
                textcoords="offset points", size=7, color="#666666")  # fmt: skip


def _entry_above(ax: Axes, entry: str) -> None:
    ax.annotate(f"Entry: {ENTRIES.get(entry, entry)}", (0, 1), (0, 34), xycoords="axes fraction",
                textcoords="offset points", size=9, weight="bold", color=INK)  # fmt: skip


def _outer_labels(ax: Axes, left: bool, bottom: bool) -> None:
    """Keep tick labels at the left and the bottom of the figure only."""
    if bottom:
        ax.set_xlabel("Step")
    ax.tick_params(labelbottom=bottom, labelleft=left)


def _title(kernel: str, inches: float) -> str:
    """Return a kernel's name if its bold letters are no wider than some inches; else its short name."""
    name = heading(KERNELS.get(kernel, kernel))
    return name if 1.13 * text_width([name], 8) <= inches + 0.1 else kernel


def _paths(contrast: Contrast, kernel: str, topic: int | None) -> Array:
    """Return opinions under a kernel, with its first entry rule, on a topic or averaged over those debated."""
    opinions = contrast.opinions(contrast.under(kernel)[0]).astype(np.float64)
    paths: Array = opinions[:, :, topic] if topic is not None else opinions[:, :, contrast.debated].mean(2)
    return paths


def _draw_paths(ax: Axes, steps: Labels, paths: Array, start: Array) -> None:
    from matplotlib import colormaps

    rank = np.argsort(np.argsort(np.nan_to_num(start, nan=np.inf), kind="stable"))
    shades = colormaps["viridis"](0.92 * rank / max(len(rank) - 1, 1))
    thin = len(start) > _MOST_NAMED
    for agent in range(paths.shape[1]):
        ax.plot(steps, paths[:, agent], color=shades[agent], lw=0.6 if thin else 1.2, alpha=0.5 if thin else 0.95)
    ax.axhline(0, color=FAINT, lw=0.6, ls=(0, (2, 2)), zorder=0)
    _finish(ax, steps)


def _name_lines(ax: Axes, names: list[str], steps: Labels, paths: Array) -> None:
    """Write agents' names left of their first opinion, with a line where they had to move aside.

    Those who enter later are named where their lines begin.
    """
    look: dict[str, Any] = {"textcoords": "offset points", "size": 7, "annotation_clip": False}
    known = np.flatnonzero(~np.isnan(paths[0]))
    low, high = ax.get_ylim()
    per_inch = (high - low) / (ax.bbox.height / ax.figure.dpi)
    places = apart(paths[0, known], _LINE * 0.95 * per_inch, low, high)
    for agent, place in zip(known, places, strict=True):
        value = paths[0, agent]
        ax.annotate(
            names[agent], (ax.get_xlim()[0], value), (-12, (place - value) / per_inch * 72), ha="right", va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": FAINT, "shrinkA": 0, "shrinkB": 0, "relpos": (1, 0.5)},
            **look,
        )  # fmt: skip
    for agent in np.flatnonzero(np.isnan(paths[0]) & ~np.isnan(paths).all(0)):
        begins = int((~np.isnan(paths[:, agent])).argmax())
        ax.annotate(names[agent], (float(steps[begins]), paths[begins, agent]), (0, 3), **look)


def _shade_debated(ax: Axes, contrast: Contrast, variant: int, topic: int) -> None:
    for step in contrast.steps[contrast.topics_of(variant) == topic]:
        ax.axvspan(step - 0.5, step + 0.5, color="#eeeeee", lw=0, zorder=-1)


def _finish(ax: Axes, steps: Labels, integer: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=integer, min_n_ticks=2))
    ax.grid(axis="y", color="#eeeeee", lw=0.7)


def _dark(colour: str) -> str:
    """Return a colour dark enough for small text on white: mixed with black where it is light."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    share = min(1.0, 110 / max(0.3 * red + 0.59 * green + 0.11 * blue, 1))
    return "#" + "".join(f"{int(part * share):02x}" for part in (red, green, blue))
