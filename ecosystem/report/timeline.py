"""Who was in which coalition when, and what happened to coalitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import (
    agent_keys,
    agent_names,
    index_of,
    order_over_time,
    partitions,
    read_columns,
)  # fmt: skip
from ecosystem.report.prose import count
from ecosystem.report.style import (
    ALONE,
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

MARKERS = {"form": "o", "join": "^", "leave": "v", "merge": "P", "split": "D", "dissolve": "X"}
"""Marker of each kind of event."""

# Events that end a membership are marked in the band that ends, the others in the band that begins.
_BEFORE = ("leave", "dissolve")
_MAX_ROWS, _MAX_COLUMNS, _MAX_TOPICS = 40, 120, 26
_SLANT = 35
_NUMBERED = 17  # a number fits a block of this part of the steps


@styled
def plot_timeline(run: RunTables, ax: Axes | None = None) -> Axes:
    """Draw membership as bands over steps: agents as rows, coalitions as colours, events as markers.

    Markers stand in the bands of a small run; in a large one they would cover the bands and are left out
    (`draw_timeline` gives them a panel of their own).

    Parameters
    ----------
    run : RunTables
        A finished run.
    ax : Axes, optional
        Where to draw; a new figure by default.
    """
    axes = own_axes(ax, 9, 5)
    membership = partitions(run)
    steps, labels = membership.steps, membership.labels
    order = order_over_time(labels)
    _draw_bands(axes, steps, labels[:, order])
    names = agent_names(run)
    size = _row_size(len(names))
    if size:
        axes.set_yticks(range(len(names)), [shorten(names[agent], 32) for agent in order], size=size)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(names)} agents")
    axes.set(xlabel="Step", xlim=(steps[0] - 0.5, steps[-1] + 0.5), ylim=(len(names) - 0.5, -0.5))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _integer_steps(axes)
    if _in_bands(len(names), len(steps)):
        row = np.argsort(order)
        for kind, (at, agents) in _agent_events(run).items():
            shift = -0.72 if kind in _BEFORE else -0.28
            _mark(axes, kind, (at + shift).astype(np.float64), row[agents])
    return axes


@styled
def draw_timeline(run: RunTables) -> Figure:
    """Return the figure of the coalition timeline, with the topics under debate and a legend."""
    membership = partitions(run)
    n_steps, n_agents = membership.labels.shape
    names = [shorten(name, 32) for name in agent_names(run)]
    left = text_width(names, _row_size(n_agents)) + 0.25 if _row_size(n_agents) else 0.45
    left = max(left, 0.85)
    rows = min(max(n_agents * 0.27, 0.9), 7.0)
    in_bands = _in_bands(n_agents, n_steps)
    topics = _topics(run)
    slant = _is_slanted(topics)
    longest = text_width([title for *_, title in topics], 7.5) if slant else 0.0
    topic_height = 0.35 + longest * np.sin(np.radians(_SLANT))
    if slant:
        left = max(left, longest * np.cos(np.radians(_SLANT)) + 0.1)
    strip = 0.0 if in_bands else 1.45
    height = 0.55 + topic_height + rows + strip + 0.85
    figure = new_figure(
        height,
        "Who stood with whom",
        "Each row is an agent, each colour (and number) a coalition; grey is standing alone",
    )
    width = WIDTH - left - 0.25
    axes = panel(figure, left, 0.85 + strip, width, rows)
    plot_timeline(run, axes)
    _draw_topics(axes, topics)
    if not in_bands:
        axes.set_xlabel("")
        below = panel(figure, left, 0.85, width, strip - 0.4, sharex=axes)
        _draw_strip(below, run)
    _draw_legend(figure)
    return figure


def _in_bands(n_agents: int, n_steps: int) -> bool:
    return n_agents <= _MAX_ROWS and n_steps <= _MAX_COLUMNS


def _row_size(n_agents: int) -> float:
    """Return the font size at which agents' names fit their rows, 0 if none does."""
    return 8.0 if n_agents <= 26 else 6.5 if n_agents <= 60 else 0.0


def _draw_bands(ax: Axes, steps: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
    from matplotlib.colors import to_rgb

    colours = coalition_colours(labels)
    values, index = np.unique(labels, return_inverse=True)
    shades = np.array([to_rgb(colours.get(int(value), ALONE)) for value in values])
    image = shades[index.reshape(labels.shape)].transpose(1, 0, 2)
    extent = (steps[0] - 0.5, steps[-1] + 0.5, labels.shape[1] - 0.5, -0.5)
    ax.imshow(image, aspect="auto", interpolation="nearest", extent=extent)
    if labels.shape[1] > _MAX_ROWS:
        return
    ax.hlines(np.arange(labels.shape[1] - 1) + 0.5, *extent[:2], color="white", lw=1.2)
    for label in colours:
        rows, starts, lengths = _runs(np.equal(labels.T, label))
        wide = lengths >= len(steps) / _NUMBERED
        look: dict[str, Any] = {"size": 7.5, "weight": "bold", **_readable(colours[label])}
        if not wide.any():  # above the markers, which would hide a digit
            look |= {"size": 5.5, "zorder": 4, "bbox": {"facecolor": colours[label], "pad": 0.3, "lw": 0}}
        wide[lengths.argmax()] = True
        for row, x in zip(rows[wide], steps[starts[wide]] + (lengths[wide] - 1) / 2, strict=True):
            ax.text(x, row, str(label), ha="center", va="center", **look)


def _runs(cells: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return row, start and length of every run of true cells in a row."""
    edges = np.diff(np.pad(cells.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return rows, starts, np.nonzero(edges == -1)[1] - starts


def _readable(colour: str) -> dict[str, Any]:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return {"color": "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 125 else INK}


def _agent_events(run: RunTables) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return for each kind of event that happened the steps and the agents of it, a pair an agent."""
    table = read_columns(run, "events", "step", "event", "agents")
    keys = agent_keys(run)
    agents = table["agents"].combine_chunks()
    event = agents.value_parent_indices().to_numpy(zero_copy_only=False)
    who = index_of(agents.flatten(), keys)
    step = table["step"].to_numpy()[event]
    kinds = np.array(table["event"].to_pylist(), object)[event]
    return {kind: (step[kinds == kind], who[kinds == kind]) for kind in MARKERS if (kinds == kind).any()}


def _mark(ax: Axes, kind: str, x: NDArray[np.float64], y: NDArray[np.int64]) -> None:
    ax.scatter(
        x, y, marker=MARKERS[kind], s=26, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=3, label=kind,
        clip_on=False,
    )  # fmt: skip


def _draw_strip(ax: Axes, run: RunTables) -> None:
    """Draw how many agents each kind of event moved at each step, as markers by area."""
    events = _agent_events(run)
    n_agents = len(agent_keys(run))
    for row, kind in enumerate(MARKERS):
        if kind in events:
            steps, counts = np.unique(events[kind][0], return_counts=True)
            area = 8 + 80 * np.sqrt(counts / n_agents)
            ax.scatter(
                steps, np.full(len(steps), row), area, marker=MARKERS[kind], facecolor="white", edgecolor=INK,
                linewidth=0.6, label=kind,
            )  # fmt: skip
    ax.set_yticks(range(len(MARKERS)), list(MARKERS))
    ax.set(ylim=(len(MARKERS) - 0.5, -0.5), xlabel="Step (a larger marker: more agents)")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _topics(run: RunTables) -> list[tuple[int, int, str]]:
    """Return first step, last step and title of each stretch on one topic."""
    table = read_columns(run, "metrics", "step", "topic")
    titles = run.manifest["topics"]
    stretches: list[tuple[int, int, str]] = []
    for step, topic in zip(table["step"].to_pylist(), table["topic"].to_pylist(), strict=True):
        title = shorten(str(titles.get(topic, topic)), 30)
        if stretches and stretches[-1][2] == title:
            stretches[-1] = (stretches[-1][0], step, title)
        else:
            stretches.append((step, step, title))
    return stretches


def _is_slanted(topics: list[tuple[int, int, str]]) -> bool:
    """Return whether titles stand at a slant: where there are more than fit side by side."""
    return 4 < len(topics) <= _MAX_TOPICS


def _draw_topics(ax: Axes, topics: list[tuple[int, int, str]]) -> None:
    transform = ax.get_xaxis_transform()
    if len(topics) > _MAX_TOPICS:
        n = len({title for *_, title in topics})
        text = f"{count(n, 'topic')} under debate, {count(len(topics), 'turn')}"
        ax.text(0, 1.02, text, transform=ax.transAxes, size=7.5, color="#555555")
        return
    slanted = _is_slanted(topics)
    for first, last, title in topics:
        middle = (first + last) / 2
        ax.annotate(
            title, (middle, 1), (0, 6), xycoords=transform, textcoords="offset points",
            rotation=-_SLANT if slanted else 0, rotation_mode="anchor", size=7.5,
            ha="right" if slanted else "center", va="bottom", annotation_clip=False,
        )  # fmt: skip
    starts = np.array([first for first, *_ in topics]) - 0.45
    ends = np.array([last for _, last, _ in topics]) + 0.45
    ax.hlines(np.full(len(topics), 1.012), starts, ends, transform=transform, color=FAINT, lw=2, clip_on=False)


def _draw_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shape: dict[str, Any] = {
        "ls": "",
        "markerfacecolor": "white",
        "markeredgecolor": INK,
        "markersize": 6,
        "markeredgewidth": 0.8,
    }
    handles: list[Any] = [Line2D([], [], marker=marker, label=kind, **shape) for kind, marker in MARKERS.items()]
    figure.legend(
        handles=[*handles, Patch(color=ALONE, label="alone")], loc="lower center", ncols=7, columnspacing=1.6,
        handletextpad=0.4, bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip


def _integer_steps(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
