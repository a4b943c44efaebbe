"""What the affinity model expected, beside what happened, and whether that beats simpler guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.raster import MOST, raster
from ecosystem.app.charts.steps import step_axis, thinned, verticals
from ecosystem.app.charts.theme import SMALL, base, inks, value_axis
from ecosystem.report.prose import count, decimal
from ecosystem.report.series import rolling_mean
from ecosystem.report.style import shorten

if TYPE_CHECKING:
    from ecosystem.app.charts.chart import Option
    from ecosystem.app.debates.view import View

GUESSES = {"forecast": "JEPA", "cosine": "cosine similarity", "persistence": "last observed"}
"""Forecasts that are compared, by the prefix of their columns."""

SCORES = {"correlation": "Correlation", "brier": "Brier score"}
"""Scores that are shown over time, and what their choices are called."""

_MOST_POINTS, _BINS = 2500, 50


def pairs(view: View) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return forecast, observed affinity, speaker and listener of all pairs that have both at the step shown."""
    forecast, observed = view.scene.forecast, view.scene.observed
    speaker, listener = np.nonzero(~np.isnan(forecast + observed))
    return forecast[speaker, listener], observed[speaker, listener], speaker, listener


def outcome_option(view: View) -> Option:
    """Return forecast against observed affinity at the step shown as an ECharts option.

    A point a pair; of many pairs, how many there are of each kind, and points only for the selected agent's.
    """
    colours = inks(view.dark)
    forecast, observed, speaker, listener = pairs(view)
    option = base(
        view.dark, f"Forecast against observed affinity of {count(len(forecast), 'pair')} at step {view.step}."
    )
    option["tooltip"] |= {"trigger": "item", "triggerOn": "none", "formatter": "pair"}
    names = view.viewing.setting.names
    are_many = len(forecast) > _MOST_POINTS
    chosen = np.zeros(len(forecast), bool)
    if view.selected is not None:
        chosen = (speaker == view.selected) | (listener == view.selected)
    data = np.column_stack([np.round(forecast, 3), np.round(observed, 3), speaker, listener])
    shown = np.zeros(len(data), bool) if are_many else ~chosen
    option |= {
        "names": [shorten(name, 40) for name in names],
        "grid": [{"id": "pairs", "left": 56, "right": 16, "top": 8, "bottom": 46}],
        "xAxis": [_affinity_axis(view.dark, "Forecast affinity (JEPA)", 28)],
        "yAxis": [_affinity_axis(view.dark, "Observed affinity", 38)],
        "series": [
            {"id": "counts", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, "z": 1},
            _diagonal(colours.faint),
            _points("pairs", _plain(data[shown]), colours.accent, 0.4),
            _points("chosen", _plain(data[chosen]), colours.second, 0.95),
        ],
        "drawn": {"counts": _counts(view.dark, forecast, observed)} if are_many else {},
    }
    return option


def skill_option(view: View, score: str = "correlation") -> Option:
    """Return a score of each forecast over time as an ECharts option: running means, and each step faintly.

    Parameters
    ----------
    view : View
        What is looked at.
    score : str
        Of `SCORES`.
    """
    colours = inks(view.dark)
    option = base(view.dark, verdict(view))
    option["tooltip"] |= {
        "trigger": "axis",
        "formatter": "steps",
        "axisPointer": {"lineStyle": {"color": colours.faint}},
    }
    looks = zip((colours.accent, colours.second, colours.third), ("solid", [7, 4], [2, 3]), strict=True)
    series: list[dict[str, Any]] = [
        {"id": "lines", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, "z": 1}
    ]
    now, is_correlation = view.viewing.now, score == "correlation"
    width = min(max(now // 8, 1), 25)
    lowest = 0.0
    for (kind, name), (colour, dash) in zip(GUESSES.items(), looks, strict=True):
        values = view.viewing.course.measure(f"{kind}_{score}").astype(np.float64)
        lowest = min(lowest, float(np.nanmin(values, initial=0.0)))
        each, mean = (
            _series(f"{kind} each", name, values, colour),
            _series(kind, name, rolling_mean(values, width), colour),
        )
        mean |= {"lineStyle": {"color": colour, "width": 2.2, "type": dash}}
        series += [each, mean | {"showSymbol": now < 3, "symbol": "circle"}]
    chance = 0.0 if is_correlation else 0.25
    option |= {
        "grid": [{"id": "skill", "left": 46, "right": 14, "top": 34, "bottom": 46}],
        "xAxis": [step_axis(view, id="steps", name="Step", nameGap=26)],
        "yAxis": [
            value_axis(
                view.dark, id="score", min=-1 if lowest < -0.5 else -0.5 if lowest < 0 else 0, max=1, interval=0.5
            )
            if is_correlation
            else value_axis(view.dark, id="score", min=0)
        ],
        "legend": [_legend(view.dark)],
        "series": [*series, _level(chance, view.dark, "chance" if is_correlation else "a coin's")],
        "drawn": {"lines": verticals(view)},
    }
    return option


def verdict(view: View) -> str:
    """Return in plain words whether the JEPA's forecasts came true up to the step shown, and what does better."""
    course, upto = view.viewing.course, slice(1, view.step + 1)
    jepa, cosine, last = (course.measure(f"{kind}_correlation")[upto].astype(np.float64) for kind in GUESSES)
    known = np.isfinite(jepa)
    if not known.any():
        return (
            "Up to this step there are too few pairs with both a forecast and an outcome to say how good forecasts are."
        )
    mean, n = float(jepa[known].mean()), int(known.sum())
    over = "At the one step scored so far" if n == 1 else f"Over the {n} steps scored so far"
    above = int((jepa[known] > 0).sum())
    if mean > 0.05:
        words = f"{over}, the JEPA’s forecasts do better than chance: correlation {decimal(mean)} with what happened"
        words += "" if n == 1 else f", above 0 in {above} of {n}"
    else:
        words = f"{over}, the JEPA’s forecasts do no better than chance: correlation {decimal(mean)} with what happened"
    others = {"cosine similarity": cosine, "repeating what was last observed": last}
    against = [_against(name, jepa, values) for name, values in others.items()]
    return f"{words}. {' '.join(one for one in against if one)}".strip()


def is_scored(view: View) -> bool:
    """Return whether anything is forecast in this debate; not where affinity is given."""
    return bool(len(view.viewing.setting.statements))


def outcome_caption(view: View) -> str:
    """Return how the chart of pairs is read."""
    forecast, *_ = pairs(view)
    if not len(forecast):
        return "No pair has both a forecast and an outcome."
    kind = "A shade: how many pairs" if len(forecast) > _MOST_POINTS else "A point: a speaker and a listener"
    chosen = "" if view.selected is None else "; orange: the selected agent’s"
    return f"{kind}{chosen}. On the dashed line, what happened is what was forecast."


def skill_words(score: str) -> tuple[str, str]:
    """Return title and caption of a score over time."""
    if score == "correlation":
        return "Correlation with what happened", "Higher is better. Faint: each step; lines: running means."
    return "Brier score of support", "Lower is better; .25 is a coin’s. Faint: each step; lines: running means."


def _against(name: str, jepa: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """Return a sentence that compares two forecasts on the steps that have both; none without such steps."""
    both = np.isfinite(jepa) & np.isfinite(other)
    if not both.any():
        return ""
    gap = float((jepa[both] - other[both]).mean())
    level = decimal(float(other[both].mean()))
    if abs(gap) < 0.02:
        return f"{name.capitalize()} does as well ({level})."
    return f"{name.capitalize()} does {'worse' if gap > 0 else 'better'} ({level})."


def _affinity_axis(dark: bool, name: str, gap: int) -> dict[str, Any]:
    return value_axis(dark, id=name, name=name, nameGap=gap, min=-1, max=1, interval=0.5)


def _diagonal(colour: str) -> dict[str, Any]:
    return {
        "id": "diagonal",
        "type": "line",
        "data": [[-1, -1], [1, 1]],
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": colour, "width": 1, "type": [5, 4]},
        "emphasis": {"disabled": True},
        "tooltip": {"show": False},
    }


def _points(name: str, data: list[list[float]], colour: str, opacity: float) -> dict[str, Any]:
    return {
        "id": name,
        "type": "scatter",
        "z": 3,
        "symbolSize": 7,
        "itemStyle": {"color": colour, "opacity": opacity},
        "data": data,
    }


def _counts(dark: bool, forecast: NDArray[np.float32], observed: NDArray[np.float32]) -> dict[str, Any]:
    """Return how many pairs fall into each of the cells of the plane, by the logarithm, as a picture."""
    colours, edges = inks(dark), np.linspace(-1, 1, _BINS + 1)
    found = np.histogram2d(observed.clip(-1, 1), forecast.clip(-1, 1), [edges, edges])[0][::-1].astype(np.int64)
    kinds, codes = np.unique(found, return_inverse=True)
    if len(kinds) > MOST:  # more different numbers than a byte holds: the larger ones by hundredths
        kinds = np.unique(np.concatenate([kinds[:100], kinds[100 :: max((len(kinds) - 100) // 100, 1)]]))
        codes = np.searchsorted(kinds, found, "right") - 1
    share = np.log1p(kinds) / max(float(np.log1p(kinds.max())), 1e-9)
    palette = [_mixed(colours.paper, colours.accent, 0.15 + 0.85 * float(part)) for part in share]
    shades: list[str | None] = [None if n == 0 else shade for n, shade in zip(kinds, palette, strict=True)]
    said = [count(int(n), "pair") if n else "" for n in kinds]
    middles = [decimal(float(value), 2) for value in (edges[1:] + edges[:-1]) / 2]
    columns, rows = [f"forecast {value}" for value in middles], [f"observed {value}" for value in reversed(middles)]
    return raster(codes.reshape(found.shape), shades, said, x=[-1, 1], y=[1, -1], rows=rows, columns=columns)


def _mixed(one: str, other: str, share: float) -> str:
    parts = [(int(one[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _series(name: str, title: str, values: NDArray[np.float64], colour: str) -> dict[str, Any]:
    """Return a score as points; faint ones, of which tooltips say nothing."""
    is_each = name.endswith(" each")
    return {
        "id": name,
        "name": title if not is_each else f"{title}, each step",
        "type": "scatter" if is_each else "line",
        "data": [point for point in thinned(values) if not is_each or point[1] is not None],
        "symbolSize": 4,
        "silent": is_each,
        "itemStyle": {"color": colour, "opacity": 0.35 if is_each else 1.0},
        "emphasis": {"disabled": True},
    }


def _level(level: float, dark: bool, words: str) -> dict[str, Any]:
    """Return the level that chance reaches."""
    colours = inks(dark)
    end = {"position": "insideEndTop", "formatter": words, "color": colours.faint, "fontSize": SMALL}
    return {
        "id": "level",
        "type": "line",
        "data": [],
        "markLine": {
            "silent": True,
            "symbol": "none",
            "label": end,
            "lineStyle": {"color": colours.faint, "width": 1, "type": "solid"},
            "data": [{"yAxis": level}],
        },
    }


def _legend(dark: bool) -> dict[str, Any]:
    return {
        "id": "guesses",
        "top": 0,
        "left": 40,
        "itemWidth": 26,
        "itemGap": 18,
        "itemHeight": 2,
        "data": list(GUESSES.values()),
        "textStyle": {"color": inks(dark).ink, "fontSize": SMALL},
        "inactiveColor": inks(dark).alone,
    }


def _plain(rows: NDArray[np.float64]) -> list[list[float]]:
    found: list[list[float]] = [[round(x, 3), round(y, 3), int(one), int(other)] for x, y, one, other in rows.tolist()]
    return found
