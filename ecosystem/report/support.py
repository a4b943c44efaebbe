"""Which statements are predicted to find support, and which opposition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import numbers, read_columns
from ecosystem.report.prose import count
from ecosystem.report.style import NEGATIVE, POSITIVE, WIDTH, fit, new_figure, panel, shorten, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Indices = NDArray[np.int64]

_ENDS = 10
_PER_TOPIC = 2


def extremes(support: NDArray[np.float64], topics: Sequence[str], ends: int = _ENDS) -> tuple[Indices, Indices]:
    """Return the statements of most support and those of least, both from high to low.

    Either has at most two statements on a topic. If there are few statements, all are in the first.

    Examples
    --------
    >>> extremes(np.array([0.1, np.nan, 0.5, -0.2]), ["a", "a", "b", "b"], ends=1)
    (array([2]), array([3]))
    """
    known = np.flatnonzero(~np.isnan(support))
    order = known[np.argsort(-support[known], kind="stable")]
    if len(order) <= 2 * ends:
        return order, order[:0]
    top = _spread(order, topics, ends)
    return top, _spread(order[~np.isin(order, top)][::-1], topics, ends)[::-1]


def _spread(order: Indices, topics: Sequence[str], limit: int) -> Indices:
    """Return the first statements of an order, passing over those on a topic that has its two already."""
    taken: Counter[str] = Counter()
    chosen: list[int] = []
    for statement in order.tolist():
        if len(chosen) < limit and taken[topics[statement]] < _PER_TOPIC:
            taken[topics[statement]] += 1
            chosen.append(statement)
    return np.array(chosen, np.int64)


@styled
def draw_predictions(run: RunTables) -> Figure:
    """Return the figure of the statements predicted to be most supported and most opposed."""
    table = read_columns(run, "statements", "topic", "text", "holders", "support")
    support = numbers(table["support"])
    top, bottom = extremes(support, table["topic"].to_pylist())
    chosen = np.r_[top, bottom]
    rows = np.arange(len(chosen)) + 0.8 * (np.arange(len(chosen)) >= len(top))
    tall = max(0.345 * (rows.max(initial=0) + 1), 0.6)
    which = f"{count(len(support), 'statement')} with their"
    if len(bottom):
        which = (
            f"The {len(top)} most supported and the {len(bottom)} most opposed of "
            f"{count(len(support), 'statement')}, at most two per topic, by"
        )
    figure = new_figure(
        tall + 1.15,
        "Which statements others are predicted to agree with",
        f"{which} mean predicted affinity with other personas' statements",
    )
    text_room = 6.1
    ax = panel(figure, text_room, 0.5, WIDTH - text_room - 0.25, tall)
    values = support[chosen]
    colours = [POSITIVE if value > 0 else NEGATIVE for value in values]
    ax.barh(rows, values, height=0.62, color=colours)
    ax.axvline(0, color="#444444", lw=0.8)
    reach = max(float(np.abs(values).max(initial=0.0)) * 1.28, 0.05)
    for row, value in zip(rows, values, strict=True):
        side = 1 if value > 0 else -1
        ax.annotate(
            f"{value:+.2f}".replace("-", "−"), (value, row), (3 * side, 0), textcoords="offset points", va="center",
            ha="left" if side > 0 else "right", size=7,
        )  # fmt: skip
    _write_statements(figure, run, table, chosen, rows, (tall, text_room))
    ax.set(ylim=(rows.max(initial=0) + 0.5, -0.5), xlim=(-reach, reach), xlabel="Predicted support (affinity)")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if not len(chosen):
        ax.text(0, 0, "no statement shares its topic with another persona's", ha="center", va="center")
    return figure


def _write_statements(
    figure: Figure, run: RunTables, table: dict[str, Any], chosen: NDArray[np.int64], rows: Any,
    room: tuple[float, float],
) -> None:  # fmt: skip
    """Write each statement, and below it who holds it and its topic, to the left of its bar."""
    tall, left = room
    across, up = figure.get_size_inches()
    agents, titles = run.manifest["agents"], run.manifest["topics"]
    span = rows.max(initial=0) + 1
    texts, topics, holders = (table[name].take(chosen).to_pylist() for name in ("text", "topic", "holders"))
    for row, text, topic, who in zip(rows, texts, topics, holders, strict=True):
        y = (0.5 + tall * (1 - (row + 0.5) / span)) / up
        held = ", ".join(shorten(str(agents.get(key, key)), 32) for key in who[:2]) or "in no corpus"
        held += f" and {len(who) - 2} more" if len(who) > 2 else ""
        below = f"{held} · {shorten(str(titles.get(topic, topic)), 32)}"
        x = (left - 0.12) / across
        figure.text(x, y + 0.005 / up, fit(text, left - 0.25, 7.8), ha="right", va="bottom", size=7.8)
        figure.text(x, y - 0.005 / up, below, ha="right", va="top", size=6.8, color="#666666")
