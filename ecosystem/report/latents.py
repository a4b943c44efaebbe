"""Where agents and utterances lie in the plane of the statements' first two principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import (
    agent_keys,
    agent_names,
    index_of,
    partitions,
    project,
    read_columns,
    vectors,
)  # fmt: skip
from ecosystem.report.labels import label_points
from ecosystem.report.prose import count
from ecosystem.report.style import (
    FAINT,
    INK,
    WIDTH,
    coalition_colours,
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

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#222222")
_MARKERS = "os^Dv<>"
_MAX_LEGEND = 28
_MAX_STEPS = 200


@styled
def plot_trajectories(run: RunTables, ax: Axes | None = None) -> Axes:
    """Draw how the mean latent of what each agent holds moves, in the fixed plane of all statements.

    Parameters
    ----------
    run : RunTables
        A finished run.
    ax : Axes, optional
        Where to draw; a new figure by default. Its limits are set; labels find room in them.
    """
    from matplotlib.collections import LineCollection

    axes = own_axes(ax, 7.5, 6)
    paths, share = trajectories(run)
    colours, last = _last_coalitions(run)
    final = [colours.get(int(label), FAINT) for label in last]
    starts, ends = _ends(paths)
    axes.add_collection(
        LineCollection(
            list(paths.transpose(1, 0, 2)), colors=final, linewidths=1.1 if len(final) <= 40 else 0.5, alpha=0.75
        )
    )
    axes.scatter(
        starts[:, 0], starts[:, 1], s=22, facecolor="white", edgecolor=final, linewidth=1.1, zorder=3, label="start"
    )
    axes.scatter(ends[:, 0], ends[:, 1], s=34, color=final, edgecolor="white", linewidth=0.6, zorder=4, label="end")
    figure = axes.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    _set_limits(axes, paths.reshape(-1, 2), 0.1)
    _name_components(axes, share)
    came = np.flatnonzero(~np.isnan(ends).any(1))
    names = [shorten(name, 32) for name in agent_names(run)]
    if len(names) <= 40:
        label_points(axes, ends[came], [names[agent] for agent in came])
    return axes


def trajectories(run: RunTables) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions of the agents in the statements' plane, and the shares of variance it shows.

    Returns
    -------
    paths : (n_steps, n_agents, 2) float
        Of at most 200 steps, evenly spaced; NaN while an agent is absent.
    share : (2,) float
    """
    mean, directions, share = project(vectors(read_columns(run, "statements", "latent")["latent"]))
    table = read_columns(run, "latents", "step", "agent", "latent")
    steps, row = np.unique(table["step"].to_numpy(), return_inverse=True)
    keys = agent_keys(run)
    paths = np.full((len(steps), len(keys), 2), np.nan)
    paths[row, index_of(table["agent"], keys)] = (vectors(table["latent"]) - mean) @ directions
    paths[~partitions(run).present] = np.nan
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MAX_STEPS)).round().astype(int))
    return paths[chosen], share


def _ends(paths: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and the last known position of each agent, ``(n_agents, 2)``; NaN for one who never came."""
    known = np.isfinite(paths[:, :, 0])
    agents = np.arange(paths.shape[1])
    return paths[known.argmax(0), agents], paths[len(paths) - 1 - known[::-1].argmax(0), agents]


def _last_coalitions(run: RunTables) -> tuple[dict[int, str], NDArray[np.int64]]:
    """Return the colours of coalitions, and the label of each agent at the end, or when it was last there."""
    found = partitions(run)
    last = len(found.steps) - 1 - found.present[::-1].argmax(0)
    return coalition_colours(found.labels), found.labels[last, np.arange(found.labels.shape[1])]


@styled
def draw_trajectories(run: RunTables) -> Figure:
    """Return the figure of the agents' trajectories."""
    from matplotlib.lines import Line2D

    figure = new_figure(
        6.9,
        "How the agents' positions moved",
        "Mean latent of the statements each agent holds, step by step, in the plane of all statements",
    )
    plot_trajectories(run, panel(figure, 0.75, 0.5, WIDTH - 2.5, 5.75))
    colours, last = _last_coalitions(run)
    final = [(colours[int(label)], f"coalition {label}") for label in np.unique(last) if label >= 0]
    final = final[:20] + ([(FAINT, "alone")] if (last < 0).any() else [])
    handles = [Line2D([], [], ls="", marker="o", mfc="white", mec=INK, label="start"),
               Line2D([], [], ls="", marker="o", color=INK, label="end"),
               Line2D([], [], ls="", label="colour, at the end:"),
               *(Line2D([], [], color=colour, lw=2, label=name) for colour, name in final)]  # fmt: skip
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(1 - 1.7 / WIDTH, 0.92), labelspacing=0.6)
    return figure


@styled
def draw_utterances(run: RunTables) -> Figure:
    """Return the figure of all that was said, in the plane of all statements, by persona."""
    from matplotlib.lines import Line2D

    said = read_columns(run, "utterances", "speaker", "statement")
    keys, names = agent_keys(run), agent_names(run)
    speaker = index_of(said["speaker"], keys)
    table = vectors(read_columns(run, "statements", "latent")["latent"])
    mean, directions, share = project(table)
    pairs, times = np.unique(np.stack([speaker, said["statement"].to_numpy()], 1), axis=0, return_counts=True)
    background = (table - mean) @ directions
    places = background[pairs[:, 1]] + _side_by_side(pairs[:, 1], np.ptp(background, axis=0).max() * 0.007)
    per_agent = np.bincount(speaker, minlength=len(keys))
    told = _told_apart(per_agent)
    texts = [f"{shorten(names[agent], 30)} ({per_agent[agent]})" for agent in told]
    legend = text_width([*texts, "never said", "100 others"], 8) + 0.55
    figure = new_figure(
        6.3,
        "What was said",
        "Each mark is a statement said, at its latent; larger: said more often; one said by several: side by side. "
        "In brackets: utterances",
    )
    ax = panel(figure, 0.75, 0.5, WIDTH - legend - 1.0, 5.2)
    ax.scatter(background[:, 0], background[:, 1], s=5, color="#e4e4e4", zorder=1, label="never said")
    area = 24 + 14 * np.sqrt(times - 1)
    handles = []
    rest = ~np.isin(pairs[:, 0], told)
    if rest.any():
        ax.scatter(
            places[rest, 0], places[rest, 1], s=10, color=FAINT, alpha=0.5, linewidth=0, zorder=2, label="others"
        )
        handles.append(Line2D([], [], ls="", marker=".", color=FAINT, label=count(len(keys) - len(told), "other")))
    for k, agent in enumerate(told):
        mine = pairs[:, 0] == agent
        n = len(_COLOURS)
        look: dict[str, Any] = {"marker": _MARKERS[(k + k // n) % n], "color": _COLOURS[k % n]}
        ax.scatter(
            places[mine, 0], places[mine, 1], s=area[mine], alpha=0.8, edgecolor="white", linewidth=0.4, zorder=3,
            label=keys[agent], **look,
        )  # fmt: skip
        handles.insert(k, Line2D([], [], ls="", markersize=6, markeredgecolor="white", label=texts[k], **look))
    handles.append(Line2D([], [], ls="", marker=".", color="#cccccc", label="never said"))
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1 - (legend + 0.2) / WIDTH, 0.92), labelspacing=0.55
    )
    _set_limits(ax, np.vstack([places, background]), 0.04)
    _name_components(ax, share)
    return figure


def _side_by_side(statements: NDArray[np.int64], radius: float) -> NDArray[np.float64]:
    """Return shifts that put marks of the same statement on a small circle, ``(n, 2)``; none for a lone mark."""
    _, index, count = np.unique(statements, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    place = np.empty(len(index), np.int64)
    place[order] = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    turn = 2 * np.pi * place / count[index]
    shifts: NDArray[np.float64] = np.stack([np.cos(turn), np.sin(turn)], 1)
    return shifts * np.where(count[index] > 1, radius, 0.0)[:, None]


def _told_apart(per_agent: NDArray[np.int64]) -> list[int]:
    """Return the agents who get a mark of their own: all, or those who said most."""
    spoke = np.flatnonzero(per_agent > 0)
    if len(spoke) <= _MAX_LEGEND:
        return [int(agent) for agent in spoke]
    return sorted(int(agent) for agent in np.argsort(-per_agent, kind="stable")[:_MAX_LEGEND])


def _set_limits(ax: Axes, points: NDArray[np.float64], margin: float) -> None:
    points = points[~np.isnan(points).any(1)]
    low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(2), np.ones(2))
    room = np.maximum(high - low, 1e-3) * margin
    middle, half = (low + high) / 2, (high - low) / 2 + room
    # Both axes on one scale: widen the one that has space left in the box.
    box = np.array([ax.bbox.width, ax.bbox.height])
    half = (half / box).max() * box
    ax.set(xlim=(middle[0] - half[0], middle[0] + half[0]), ylim=(middle[1] - half[1], middle[1] + half[1]))


def _name_components(ax: Axes, share: NDArray[np.float64]) -> None:
    for axis, name, part in ((ax.xaxis, "First", share[0]), (ax.yaxis, "Second", share[-1])):
        axis.set_label_text(f"{name} principal component ({part:.0%} of the statements' variance)")
