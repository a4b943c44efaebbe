"""Measures over time, one small chart each."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.steps import step_axis, thinned, verticals
from ecosystem.app.charts.theme import base, inks, value_axis
from ecosystem.measures import CATALOGUE
from ecosystem.report.prose import MISSING, decimal, percent

if TYPE_CHECKING:
    from ecosystem.app.charts.chart import Option
    from ecosystem.app.debates.view import View

FIRST = ("coalitions", "largest", "esteban_ray", "frustration", "opinion_variance", "forecast_correlation")
"""What a reader sees first: how many coalitions, how large, how far apart, how much at odds, how well foreseen."""

_COUNTS = ("coalitions", "defectors")


def measure_option(view: View, name: str) -> Option:
    """Return a measure over time as an ECharts option.

    Parameters
    ----------
    view : View
        What is looked at.
    name : str
        Of `ecosystem.measures.CATALOGUE`.
    """
    colours, values = inks(view.dark), view.viewing.course.measure(name)
    low, high = extent(values, CATALOGUE[name].range)
    high = max(high, 2.0) if name in _COUNTS else high
    option = base(view.dark, f"{CATALOGUE[name].title} over steps; {value_in_words(view, name)} at step {view.step}.")
    option["tooltip"] |= {
        "trigger": "axis",
        "formatter": "steps",
        "axisPointer": {"lineStyle": {"color": colours.faint}},
    }
    now, left = float(values[view.step]), max(40, 7 * len(f"{-high / 2:g}") + 8)
    known = int(np.isfinite(values).sum())
    option |= {
        "grid": [{"id": "time", "left": left, "right": 12, "top": 16, "bottom": 24}],
        "xAxis": [step_axis(view, id="steps", splitNumber=4)],
        "yAxis": [
            value_axis(
                view.dark, id="value", min=low, max=high, interval=(high - low) / 2, axisLine={"show": False},
                axisLabel={"showMinLabel": True, "showMaxLabel": True},
            )
        ],
        "series": [
            {"id": "lines", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, "z": 1},
            _line(name, thinned(values), colours.accent, is_dotted=known < 3, is_stepped=name in _COUNTS),
            _now(view.step, now, colours.accent, colours.paper),
        ],
        "drawn": {"lines": verticals(view)},
    }  # fmt: skip
    return option


def extent(values: NDArray[np.floating[Any]], bounds: tuple[float, float]) -> tuple[float, float]:
    """Return round ends of an axis for a measure: from 0 where it is never below, symmetric where it goes both ways.

    Parameters
    ----------
    values : (n,) float
        NaN for none.
    bounds : (low, high)
        The measure's range; the axis stays within.

    Examples
    --------
    >>> extent(np.array([0.11, np.nan, 0.62]), (0, 1))
    (0.0, 0.8)
    >>> extent(np.array([-0.02, 0.3]), (-1, 1))
    (-0.4, 0.4)
    >>> extent(np.array([3.0]), (0, float("inf")))
    (0.0, 4.0)
    >>> extent(np.array([np.nan]), (0, 1)), extent(np.array([0.0]), (-1, 1))
    ((0.0, 1.0), (-1.0, 1.0))
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if not np.abs(known).max(initial=0.0) > 1e-9:
        low, high = bounds
        return (float(low) if isfinite(low) else 0.0), (float(high) if isfinite(high) else 1.0)
    top = _round_up(float(np.abs(known).max()))
    top = min(top, bounds[1]) if isfinite(bounds[1]) else top
    return (-top if float(known.min()) < 0 else 0.0), float(top)


def value_in_words(view: View, name: str) -> str:
    """Return a measure's value at the step shown as a reader sees it; a dash where there is none."""
    value = float(view.viewing.course.measure(name)[view.step])
    if not isfinite(value):
        return MISSING
    if name in _COUNTS:
        return f"{value:.0f}"
    if CATALOGUE[name].meaning.startswith("share of the agents"):
        return percent(value)
    return decimal(value, 2 if abs(value) >= 0.1 or value == 0 else min(1 - floor(log10(abs(value))), 5))


def _round_up(value: float) -> float:
    """Return the least of 1, 2, 4, 6, 8 and 10 times a power of ten that is not below a value.

    Examples
    --------
    >>> _round_up(0.31), _round_up(2.0), _round_up(6.5)
    (0.4, 2.0, 8.0)
    """
    power = 10.0 ** floor(log10(value))
    return next(float(f"{step * power:.6g}") for step in (1, 2, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def _line(
    name: str, points: list[list[float | int | None]], colour: str, is_dotted: bool, is_stepped: bool
) -> dict[str, Any]:
    return {
        "id": "series",
        "name": CATALOGUE[name].title,
        "type": "line",
        "data": points,
        "step": "middle" if is_stepped else False,
        "showSymbol": is_dotted,
        "symbol": "circle",
        "symbolSize": 5,
        "lineStyle": {"color": colour, "width": 1.8},
        "itemStyle": {"color": colour},
        "emphasis": {"disabled": True},
    }


def _now(step: int, value: float, colour: str, paper: str) -> dict[str, Any]:
    """Return the dot at the step shown."""
    return {
        "id": "now",
        "type": "scatter",
        "symbolSize": 9,
        "silent": True,
        "z": 5,
        "data": [[step, value]] if isfinite(value) else [],
        "itemStyle": {"color": colour, "borderColor": paper, "borderWidth": 2, "opacity": 1},
        "tooltip": {"show": False},
    }
