"""The axis of steps: how far it goes, what stands on it, and how long series are thinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.theme import inks, merged, value_axis
from ecosystem.report.marks import letter_of
from ecosystem.report.style import shorten

if TYPE_CHECKING:
    from ecosystem.app.debates.view import View

MOST = 500
"""Points of a line, columns of a timeline."""

_TOLD = 6
_LADDER = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)


def horizon(now: int, planned: int) -> int:
    """Return the step at which an axis ends, which seldom changes while a debate goes on.

    The planned end where the debate is not much shorter than it, else the next round number.

    Examples
    --------
    >>> horizon(0, 50), horizon(3, 2000), horizon(120, 150), horizon(51, 50)
    (10, 10, 150, 100)
    """
    shortest = next((rung for rung in _LADDER if rung >= now), now)
    return min(shortest, planned) if now <= planned else shortest


def horizon_of(view: View) -> int:
    """Return the step at which the axes of a view end."""
    return horizon(view.viewing.now, view.viewing.setting.scenario.parameters.steps)


def step_axis(view: View, **more: Any) -> dict[str, Any]:
    """Return the axis of steps of a view, half a step of room at both ends."""
    steps = {
        "min": -0.5,
        "max": horizon_of(view) + 0.5,
        "minInterval": 1,
        "axisLabel": {"showMinLabel": False, "showMaxLabel": False},
        "splitLine": {"show": False},
    }
    return value_axis(view.dark, **merged(steps, more))


def thinned(values: NDArray[np.floating[Any]], most: int = MOST) -> list[list[float | int | None]]:
    """Return a series as points (step, value) of a line, at most ``most``; gaps stay gaps.

    Of a long series each stretch keeps its lowest and its highest value, so that no spike is lost.

    Parameters
    ----------
    values : (n_steps + 1,) float
        By step; NaN for none.

    Examples
    --------
    >>> thinned(np.array([np.nan, 0.5, 0.25]))
    [[0, None], [1, 0.5], [2, 0.25]]
    >>> thinned(np.array([0.0, 9.0, 1.0, 2.0, -3.0, 2.0, 0.0, 0.0]), most=4)
    [[0, 0.0], [1, 9.0], [4, -3.0], [5, 2.0]]
    """
    chosen = np.arange(len(values))
    if len(values) > most:
        edges = np.linspace(0, len(values), most // 2 + 1).astype(np.int64)
        stretch = np.repeat(np.arange(most // 2), np.diff(edges))
        unknown = np.isnan(values)
        lowest = np.lexsort((np.where(unknown, np.inf, values), stretch))[edges[:-1]]
        highest = np.lexsort((np.where(unknown, -np.inf, values), stretch))[edges[1:] - 1]
        chosen = np.unique(np.concatenate([lowest, highest]))
    return [[int(step), _plain(float(values[step]))] for step in chosen]


def sampled(now: int, most: int = MOST) -> NDArray[np.int64]:
    """Return the steps that stand for equal stretches of all steps from 0 to ``now``, one from each one's middle.

    Examples
    --------
    >>> sampled(3).tolist(), sampled(9, most=5).tolist()
    ([0, 1, 2, 3], [1, 3, 5, 7, 9])
    """
    columns = min(now + 1, most)
    chosen: NDArray[np.int64] = ((np.arange(columns) + 0.5) * ((now + 1) / columns)).astype(np.int64)
    return chosen


def marks(view: View) -> list[tuple[str, int, str]]:
    """Return the interventions that took place: letter, step and what it was, in their order."""
    told = [one for one in view.viewing.course.told if one.kind == "intervention"]
    return [(letter_of(k), one.step, one.text) for k, one in enumerate(told)]


def verticals(view: View, letters: bool = True) -> dict[str, Any]:
    """Return lines for what `chart.vue` draws: where interventions took place, and the step shown.

    Parameters
    ----------
    view : View
        What is looked at.
    letters : bool
        Whether interventions have their letters above the plot.
    """
    colours = inks(view.dark)
    by_step: dict[int, list[tuple[str, str]]] = {}
    for letter, step, words in marks(view):
        by_step.setdefault(step, []).append((letter, words))
    lines: list[dict[str, Any]] = [
        {
            "x": step - 0.5,
            "dash": [4, 3],
            "width": 1,
            "colour": colours.faint,
            "label": _range([letter for letter, _ in deeds]) if letters else "",
            "words": "\n".join(f"{letter}, step {step}: {shorten(words, 90)}" for letter, words in deeds[:_TOLD]),
        }
        for step, deeds in by_step.items()
    ]
    lines.append({"x": view.step, "dash": [], "width": 2, "colour": colours.accent, "label": "", "words": ""})
    return {"kind": "verticals", "lines": lines, "paper": colours.paper, "chip": colours.faint}


def _range(letters: list[str]) -> str:
    return letters[0] if len(letters) == 1 else f"{letters[0]}–{letters[-1]}"


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.4g}")
