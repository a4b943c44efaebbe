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
from ecosystem.report.marks import LIFT, draw_marks, find_marks, note_height, write_note
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
_ABSENT: dict[str, Any] = {"facecolor": "white", "edgecolor": "#bdbdbd", "linewidth": 0, "hatch": "////"}


@styled
def plot_timeline(run: RunTables, ax: Axes | None = None) -> Axes:
    """Draw membership as bands over steps: agents as rows, coalitions as colours, events as markers.

    Bands are hatched while an agent is absent; dashed lines with a letter are interventions. Markers stand in
    the bands of a small run; in a large one they would cover the bands and are left out (`draw_timeline`
    gives them a panel of their own).

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
    _draw_bands(axes, steps, labels[:, order], membership.present[:, order])
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
            # Nothing is drawn before the first step: what ended with it is marked at its edge.
            _mark(axes, kind, np.maximum(at + shift, steps[0] - 0.42), row[agents])
    draw_marks(axes, find_marks(run))
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
    marks = find_marks(run)
    lift, note = LIFT / 72 if marks else 0.0, note_height(marks)
    height = 0.55 + topic_height + lift + rows + strip + 0.85 + note
    figure = new_figure(
        height,
        "Who stood with whom",
        "Each row is an agent, each colour (and number) a coalition; grey is standing alone"
        + ("" if membership.present.all() else ", hatched being absent"),
    )
    width = WIDTH - left - 0.25
    axes = panel(figure, left, 0.85 + strip + note, width, rows)
    plot_timeline(run, axes)
    _draw_topics(axes, topics, lift * 72)
    if not in_bands:
        axes.set_xlabel("")
        below = panel(figure, left, 0.85 + note, width, strip - 0.4, sharex=axes)
        _draw_strip(below, run)
        draw_marks(below, marks, letters=False)
    _draw_legend(figure, note / height, absent=not membership.present.all())
    write_note(figure, marks)
    return figure


def _in_bands(n_agents: int, n_steps: int) -> bool:
    return n_agents <= _MAX_ROWS and n_steps <= _MAX_COLUMNS


def _row_size(n_agents: int) -> float:
    """Return the font size at which agents' names fit their rows, 0 if none does."""
    return 8.0 if n_agents <= 26 else 6.5 if n_agents <= 60 else 0.0


def _draw_bands(ax: Axes, steps: NDArray[np.int64], labels: NDArray[np.int64], present: NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgb

    colours = coalition_colours(labels)
    values, index = np.unique(labels, return_inverse=True)
    shades = np.array([to_rgb(colours.get(int(value), ALONE)) for value in values])
    image = np.where(present[..., None], shades[index.reshape(labels.shape)], 1.0).transpose(1, 0, 2)
    extent = (steps[0] - 0.5, steps[-1] + 0.5, labels.shape[1] - 0.5, -0.5)
    ax.imshow(image, aspect="auto", interpolation="nearest", extent=extent)
    _hatch(ax, steps, ~present)
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


def _hatch(ax: Axes, steps: NDArray[np.int64], absent: NDArray[np.bool_]) -> None:
    """Hatch the bands of agents, columns of ``absent``, while they are absent."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, starts, lengths = _runs(absent.T)
    corners = zip(steps[starts] - 0.5, rows - 0.5, lengths, strict=True)
    bands = [Rectangle((float(x), float(y)), float(length), 1.0) for x, y, length in corners]
    if bands:
        ax.add_collection(PatchCollection(bands, label="absent", **_ABSENT), autolim=False)


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


def _draw_topics(ax: Axes, topics: list[tuple[int, int, str]], lift: float) -> None:
    """Draw the topics under debate above the bands, raised by ``lift`` points."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None
    raised = ScaledTranslation(0, lift / 72, figure.dpi_scale_trans)
    transform = ax.get_xaxis_transform() + raised
    if len(topics) > _MAX_TOPICS:
        n = len({title for *_, title in topics})
        text = f"{count(n, 'topic')} under debate, {count(len(topics), 'turn')}"
        ax.text(0, 1.02, text, transform=ax.transAxes + raised, size=7.5, color="#555555")
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


def _draw_legend(figure: Figure, bottom: float, absent: bool) -> None:
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
    handles += [Patch(color=ALONE, label="alone"), *([Patch(label="absent", **_ABSENT)] if absent else [])]
    figure.legend(
        handles=handles, loc="lower center", ncols=8, columnspacing=1.6, handletextpad=0.4,
        bbox_to_anchor=(0.5, bottom),
    )  # fmt: skip


def _integer_steps(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
