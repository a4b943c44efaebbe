"""Where agents stand in the plane of the statements, and how they got there."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.theme import SMALL, base, inks, value_axis
from ecosystem.report.style import shorten

if TYPE_CHECKING:
    from ecosystem.app.charts.chart import Option
    from ecosystem.app.debates.view import View

TAIL = 20
"""Steps of a tail."""

_NAMED, _MOST = 40, 12_000
_ROOM = 0.08


def limits(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return ends of an axis that values fit, on a coarse grid: they seldom change, and only grow, as values come.

    Examples
    --------
    >>> limits(np.array([0.11, 0.28, np.nan]))
    (0.08, 0.3)
    >>> limits(np.array([0.11, 0.29]))
    (0.08, 0.32)
    >>> limits(np.array([np.nan]))
    (-1.0, 1.0)
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return -1.0, 1.0
    low, high = float(known.min()), float(known.max())
    span = max(high - low, 1e-3)
    unit = 10.0 ** floor(np.log10(span)) / 5
    low, high = floor((low - span * _ROOM) / unit) * unit, ceil((high + span * _ROOM) / unit) * unit
    return float(f"{low:.6g}"), float(f"{high:.6g}")


def trajectories_option(view: View, is_whole: bool = False) -> Option:
    """Return positions and paths as an ECharts option.

    Parameters
    ----------
    view : View
        What is looked at.
    is_whole : bool
        Whether paths begin at the opening, else with the last `TAIL` steps.
    """
    points = view.viewing.course.points
    _, _, share = view.viewing.setting.plane
    (left, right), (low, high) = limits(points[..., 0]), limits(points[..., 1])
    option = base(view.dark, _description(view))
    option["tooltip"] |= {"trigger": "item", "formatter": "item"}
    option |= {
        "equal": True,
        "grid": [{"id": "plane", "left": 64, "right": 24, "top": 12, "bottom": 48}],
        "xAxis": [_axis(view.dark, "first", float(share[0]), left, right, 30)],
        "yAxis": [_axis(view.dark, "second", float(share[-1]), low, high, 46)],
        "series": [
            {"id": "paths", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, "z": 2},
            _agents(view, points[view.step]),
        ],
        "drawn": {"paths": _paths(view, points[: view.step + 1], is_whole)},
    }
    return option


def _axis(dark: bool, name: str, share: float, low: float, high: float, gap: int) -> dict[str, Any]:
    return value_axis(
        dark,
        id=name,
        name=f"{name.capitalize()} principal axis ({share:.0%} of variance)",
        nameGap=gap,
        min=low,
        max=high,
        axisLine={"onZero": False},
        axisLabel={"showMinLabel": False, "showMaxLabel": False},
    )


def _paths(view: View, points: NDArray[np.float32], is_whole: bool) -> dict[str, Any]:
    """Return the paths up to the step shown as lines, coloured by coalition there."""
    n = points.shape[1]
    steps = np.arange(len(points))
    if not is_whole:
        steps = steps[-TAIL - 1 :]
    most = max(_MOST // max(n, 1), 2)
    if len(steps) > most:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, most).round().astype(np.int64))]
    is_small = n <= _NAMED
    tails: list[dict[str, Any]] = []
    for agent in range(n):
        is_chosen = agent == view.selected
        path = [[_short(x), _short(y)] if np.isfinite(x) else None for x, y in points[steps, agent].tolist()]
        look = {"width": 2.5 if is_chosen else 1.5 if is_small else 0.8, "opacity": 1.0 if is_chosen else 0.7}
        tails.append({"points": path, "colour": view.colour(agent), **look})
    return {"kind": "tails", "tails": tails, "fades": not is_whole}


def _agents(view: View, points: NDArray[np.float32]) -> dict[str, Any]:
    """Return where agents stand as points with their names; those who are absent have none."""
    colours = inks(view.dark)
    names, scene = view.viewing.setting.names, view.scene
    is_small = len(names) <= _NAMED
    data: list[dict[str, Any]] = []
    for agent in np.flatnonzero(np.isfinite(points[:, 0])).tolist():
        is_chosen, label = agent == view.selected, int(scene.partition[agent])
        data.append(
            {
                "id": str(agent),
                "name": shorten(names[agent], 28),
                "value": [_short(float(points[agent, 0])), _short(float(points[agent, 1]))],
                "words": f"{shorten(names[agent], 60)}\n{f'coalition {label}' if label >= 0 else 'alone'}",
                "symbolSize": 16 if is_chosen else 11 if is_small else 7,
                "itemStyle": {
                    "color": view.colour(agent),
                    "borderColor": colours.ink if is_chosen else colours.paper,
                    "borderWidth": 2.5 if is_chosen else 1,
                    "opacity": 1,
                },
                "label": {"show": is_small or is_chosen, "fontWeight": "bold" if is_chosen else "normal"},
            }
        )
    return {
        "id": "agents",
        "type": "scatter",
        "z": 4,
        "data": data,
        "label": {
            "show": True,
            "position": "right",
            "formatter": "name",
            "color": colours.ink,
            "fontSize": SMALL + 1,
            "textBorderColor": colours.paper,
            "textBorderWidth": 3,
        },
        "labelLayout": "beside",
        "labelLine": {"show": True, "lineStyle": {"color": colours.faint, "width": 0.7}},
        "emphasis": {"label": {"show": True}, "scale": 1.2},
    }


def _description(view: View) -> str:
    n = int(view.scene.present.sum())
    return f"Positions of {n} agents at step {view.step} in the plane of the statements' first two principal axes."


def _short(value: float) -> float:
    return float(f"{value:.4g}")
