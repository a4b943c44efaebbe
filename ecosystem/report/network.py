"""The alignment graph at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import agent_names, last_alignment, order_by_coalition, partitions
from ecosystem.report.style import (
    FAINT,
    NEGATIVE,
    POSITIVE,
    WIDTH,
    coalition_colours,
    fit,
    new_figure,
    own_axes,
    panel,
    styled,
    text_width,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONE_NODE, _NO_NODE = "#bdbdbd", "#ffffff"
_MAX_LEGEND = 14
_MAX_UPRIGHT = 30


@styled
def draw_network(run: RunTables) -> Figure:
    """Return the figure of the alignment graph at the last step, with its legend."""
    last = partitions(run)
    n_agents = last.labels.shape[1]
    upright = n_agents <= _MAX_UPRIGHT
    tall = 5.1 if upright else 7.2
    figure = new_figure(
        tall + 0.7,
        f"Who is aligned with whom at the end (step {last.steps[-1]})",
        "Agents on a circle by coalition; lines join agents with those they are most aligned with or opposed to",
    )
    ax = panel(figure, 0.05, 0.05, WIDTH - 1.75, tall)
    plot_network(run, ax)
    _draw_legend(figure, run)
    return figure


@styled
def plot_network(run: RunTables, ax: Axes | None = None) -> Axes:
    """Draw agents on a circle by coalition, and between them the alignments that matter.

    Parameters
    ----------
    run : RunTables
        A finished run.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    from matplotlib.patches import Wedge

    axes = own_axes(ax, 7.5, 6)
    found = partitions(run)
    labels = found.labels
    order = order_by_coalition(labels)
    colours = coalition_colours(labels)
    now, present = labels[-1], found.present[-1]
    angle = np.zeros(len(order))
    angle[order], spacing = _angles(now[order])
    points = np.stack([np.cos(angle), np.sin(angle)], 1)
    for label in np.unique(now[now >= 0]):
        arc = np.degrees(np.unwrap(angle[order][now[order] == label]))
        reach = min(np.degrees(spacing) * 0.45, 18.0)
        axes.add_patch(
            Wedge((0, 0), 1.09, arc.min() - reach, arc.max() + reach, width=0.18, color=colours[int(label)],
                  alpha=0.28, lw=0)
        )  # fmt: skip
    _draw_edges(axes, last_alignment(run), points)
    area = float(np.clip(2200 / len(order), 14, 150))
    fill = [colours.get(int(v), _LONE_NODE) if here else _NO_NODE for v, here in zip(now, present, strict=True)]
    edge = ["white" if here else _LONE_NODE for here in present]
    axes.scatter(points[:, 0], points[:, 1], s=area, c=fill, edgecolor=edge, linewidth=1, zorder=4)
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
    if len(order) <= _MAX_UPRIGHT:
        axes.set(xlim=_draw_names(axes, agent_names(run), angle), ylim=(-1.22, 1.22))
    else:
        _draw_names(axes, agent_names(run), angle)
    axes.axis("off")
    return axes


def _per_agent(n_agents: int) -> int:
    """Return how many alignments of either sign are drawn of each agent, so that lines stay apart."""
    return 3 if n_agents <= 20 else 2 if n_agents <= 40 else 1


def strongest(alignment: NDArray[np.float64], per_agent: int) -> NDArray[np.int64]:
    """Return the pairs that are among the strongest of either sign for one of their agents, ``(n, 2)``.

    Pairs weaker than a tenth of the strongest are left out.
    """
    floor = 0.1 * np.abs(alignment).max(initial=0.0)
    chosen: set[tuple[int, int]] = set()
    for agent, row in enumerate(alignment):
        for signed in (row, -row):
            for other in np.argsort(-signed, kind="stable")[:per_agent]:
                if signed[other] > max(floor, 1e-9):
                    chosen.add((min(agent, int(other)), max(agent, int(other))))
    return np.array(sorted(chosen), np.int64).reshape(-1, 2)


def _angles(now: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Return the angles of agents in order, clockwise from the top with a gap between coalitions."""
    breaks = np.r_[False, now[1:] != now[:-1]] & ~(np.r_[False, now[:-1] < 0] & (now < 0))
    gap = 0.6
    slots = np.arange(len(now)) + gap * np.cumsum(breaks)
    total = len(now) + gap * (breaks.sum() + 1)
    start = np.pi / 2 if len(now) > 3 else np.pi
    angles: NDArray[np.float64] = start - 2 * np.pi * (slots + (0.5 if len(now) > 3 else 0)) / total
    if len(now) == 2:
        angles = np.array([np.pi, 0.0])
    return angles, 2 * np.pi / total


def _draw_edges(ax: Axes, alignment: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Draw each pair as a curve bent towards the centre: solid blue for, dashed orange against."""
    from matplotlib.collections import LineCollection

    pairs = strongest(alignment, _per_agent(len(points)))
    if not len(pairs):
        return
    t = np.linspace(0, 1, 17)[None, :, None]
    one, other = points[pairs[:, 0], None], points[pairs[:, 1], None]
    middle = (one + other) / 2 * 0.45
    curves = (1 - t) ** 2 * one + 2 * t * (1 - t) * middle + t**2 * other
    weight = alignment[pairs[:, 0], pairs[:, 1]]
    size = np.abs(weight) / np.abs(alignment).max()
    thin = 1.0 if len(points) <= 40 else 0.45
    for sign, colour, dashes in ((1, POSITIVE, "solid"), (-1, NEGATIVE, (0, (3, 1.6)))):
        of = weight * sign > 0
        if of.any():
            lines = LineCollection(
                list(curves[of]), colors=colour, linewidths=thin * (0.4 + 3.4 * size[of]), linestyles=[dashes],
                alpha=0.35 + 0.5 * size[of], capstyle="butt", zorder=2, label="for" if sign > 0 else "against",
            )  # fmt: skip
            ax.add_collection(lines)


def _draw_names(ax: Axes, names: list[str], angle: NDArray[np.float64]) -> tuple[float, float]:
    """Write names around the circle and return the limits between which upright ones have room."""
    upright = len(names) <= _MAX_UPRIGHT
    size = 8.5 if upright else 7.0 if len(names) <= 80 else 5.0
    names = [fit(name, 2.4 if upright else 1.1, size) for name in names]
    for name, at in zip(names, angle, strict=True):
        right = np.cos(at) >= 0
        rotation = 0.0 if upright else np.degrees(at) + (0 if right else 180)
        ax.text(
            1.13 * np.cos(at), 1.13 * np.sin(at), name, size=size, rotation=rotation, rotation_mode="anchor",
            ha="left" if right else "right", va="center",
        )  # fmt: skip
    return _limits(np.array([text_width([name], size) for name in names]) + 0.1, 1.13 * np.cos(angle), ax)


def _limits(widths: NDArray[np.float64], x: NDArray[np.float64], ax: Axes) -> tuple[float, float]:
    """Return limits of the horizontal axis that hold the circle, and texts of some widths in inches beside it.

    The circle is drawn as large as the axes and the widest pair of texts to the left and the right allow.
    """
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    inches = np.array([box.width, box.height]) / dpi
    sides = [(-x[x < 0], widths[x < 0]), (x[x >= 0], widths[x >= 0])]
    (left, left_text), (right, right_text) = ((np.r_[1.15, at], np.r_[0.0, text]) for at, text in sides)
    room = inches[0] - left_text[:, None] - right_text
    unit = max(min(inches[1] / 2.44, float((room / (left[:, None] + right)).min())), 0.1)
    return -float((left + left_text / unit).max()), float((right + right_text / unit).max())


def _draw_legend(figure: Figure, run: RunTables) -> None:
    from matplotlib.lines import Line2D

    found = partitions(run)
    colours = coalition_colours(found.labels)
    absent = int((~found.present[-1]).sum())
    values, counts = np.unique(found.labels[-1], return_counts=True)
    alone = int(counts[values < 0].sum()) - absent
    together = sorted(((int(c), int(v)) for v, c in zip(values, counts, strict=True) if v >= 0), reverse=True)
    dot: dict[str, Any] = {"ls": "", "marker": "o", "markersize": 8, "markeredgecolor": "white"}
    handles: list[Any] = [
        Line2D([], [], color=colours[label], label=f"coalition {label} ({count})", **dot)
        for count, label in together[:_MAX_LEGEND]
    ]
    if len(together) > _MAX_LEGEND:
        handles.append(Line2D([], [], ls="", label=f"and {len(together) - _MAX_LEGEND} smaller ones"))
    if alone:
        handles.append(Line2D([], [], color=_LONE_NODE, label=f"alone ({alone})", **dot))
    if absent:
        look = {**dot, "markerfacecolor": _NO_NODE, "markeredgecolor": _LONE_NODE}
        handles.append(Line2D([], [], label=f"absent ({absent})", **look))
    top = float(np.abs(last_alignment(run)).max(initial=0.0))
    handles += [
        Line2D([], [], color=POSITIVE, lw=2.5, label="aligned"),
        Line2D([], [], color=NEGATIVE, lw=2.5, ls=(0, (3, 1.6)), label="opposed"),
        Line2D([], [], color=FAINT, lw=3.8, label=f"widest: ±{top:.2f}"),
    ]
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.99, 0.9), handlelength=2.2)
