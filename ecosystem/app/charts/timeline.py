"""Who stood with whom, step by step, with what happened and what was debated."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.affinity import standing_order
from ecosystem.app.charts.raster import MOST, raster
from ecosystem.app.charts.steps import sampled, step_axis, verticals
from ecosystem.app.charts.theme import SMALL, base, inks, names_axis, readable, room_for
from ecosystem.report.prose import count
from ecosystem.report.style import shorten

if TYPE_CHECKING:
    from ecosystem.app.charts.chart import Option
    from ecosystem.app.debates.scenes import Told
    from ecosystem.app.debates.view import View

SYMBOLS = {
    "form": "circle",
    "join": "triangle",
    "leave": "path://M0 0L10 0L5 9Z",
    "merge": "path://M3 0H7V3H10V7H7V10H3V7H0V3H3Z",
    "split": "diamond",
    "dissolve": "path://M0 2L2 0L5 3L8 0L10 2L7 5L10 8L8 10L5 7L2 10L0 8L3 5Z",
}
"""Mark of each kind of event, as the report's figure has them."""

_NAMED, _MARKED_ROWS, _MARKED_STEPS = 60, 40, 120
_MOST_NUMBERS, _MOST_MARKS = 600, 3000

_BEFORE = ("leave", "dissolve")


def timeline_option(view: View, standing: NDArray[np.int64] | None = None) -> Option:
    """Return the timeline as an ECharts option.

    Parameters
    ----------
    view : View
        What is looked at.
    standing : (n_agents,) int, optional
        Order of the rows; from `standing_order`, where it is known already.
    """
    order = standing_order(view) if standing is None else standing
    names = [shorten(view.viewing.setting.names[agent], 60) for agent in order]
    is_named, in_bands = len(names) <= _NAMED, len(names) <= _MARKED_ROWS and view.viewing.now <= _MARKED_STEPS
    colours = inks(view.dark)
    option = base(view.dark, _description(view))
    option["tooltip"] |= {"trigger": "item", "triggerOn": "none", "formatter": "item"}
    left, right, strip = (room_for(names) if is_named else 72), 16, (0 if in_bands else 118)
    size = SMALL if len(names) < 32 else 9
    label = {"show": is_named, "width": left - 14, "overflow": "truncate", "ellipsis": "…", "fontSize": size}
    top = 46 if any(one.kind == "intervention" for one in view.viewing.course.told) else 28
    hidden = {"axisLabel": {"show": False}, "axisLine": {"show": False}}
    option |= {
        "grid": [
            {"id": "bands", "left": left, "right": right, "top": top, "bottom": 62 + strip},
            {"id": "topics", "left": left, "right": right, "top": 0, "height": 20},
        ],
        "xAxis": [
            step_axis(view, id="steps", name="" if strip else "Step", nameGap=24, axisLabel={"show": not strip}),
            step_axis(view, id="topic steps", gridIndex=1, **hidden),
        ],
        "yAxis": [
            names_axis(
                view.dark, names, id="agents", inverse=True, axisLabel=label,
                name="" if is_named else f"{len(names)} agents", nameGap=20,
            ),
            names_axis(view.dark, ["Topic"], id="topic", gridIndex=1),
        ],
        "legend": [_legend(view, bool(strip))],
        "series": [
            _custom("bands"),
            _custom("numbers", z=3),
            _custom("topics", xAxisIndex=1, yAxisIndex=1),
            _custom("lines", z=5),
        ],
        "drawn": {
            "bands": _bands(view, order, gap=[0, 2 if len(names) <= _MARKED_ROWS else 0]),
            "numbers": _numbers(view, order) if len(names) <= _MARKED_ROWS else {"kind": "labels", "labels": []},
            "topics": _topics(view),
            "lines": verticals(view),
        },
    }  # fmt: skip
    if in_bands:
        option["series"] += _marks(view, order)
    else:
        _add_strip(option, view, left, right, strip)
    option["legend"][0]["textStyle"] = {"color": colours.ink, "fontSize": SMALL}
    return option


def _custom(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, **more}


def _bands(view: View, order: NDArray[np.int64], gap: list[int]) -> dict[str, Any]:
    """Return coalitions of all steps as cells; of a long debate, those of steps that stand for their neighbours."""
    course, colours = view.viewing.course, inks(view.dark)
    partitions, present = course.partitions, course.present
    now = min(len(partitions), len(present)) - 1  # a step may be added meanwhile
    steps = sampled(now)
    labels, present = partitions[steps][:, order].T, present[steps][:, order].T
    known = [int(label) for label in np.unique(labels[labels >= 0])]
    palette: list[str | None] = [None, colours.alone]
    said = ["absent", "alone"]
    if len(known) <= MOST - 1:
        code = {label: k + 2 for k, label in enumerate(known)}
        palette += [view.colours[label] for label in known]
        said += [f"coalition {label}" for label in known]
    else:  # more coalitions than a byte can tell apart: by colour
        shades = list(dict.fromkeys(view.colours.values()))
        code = {label: shades.index(view.colours[label]) + 2 for label in known}
        palette += shades
        said += ["in a coalition"] * len(shades)
    lookup = np.zeros(max(known, default=0) + 1, np.int64)
    lookup[known] = [code[label] for label in known]
    codes = np.where(labels >= 0, lookup[labels.clip(0)], 1)
    codes = np.where(present, codes, 0)
    return raster(
        codes, palette, said, gap=gap, hatch=colours.alone, x=[-0.5, now + 0.5],
        columns=[f"step {step}" for step in steps.tolist()],
    )  # fmt: skip


def _numbers(view: View, order: NDArray[np.int64]) -> dict[str, Any]:
    """Return the number of each coalition in the middle of its members' bands, where these are wide."""
    labels = view.viewing.course.partitions[:, order].T
    edge = np.ones((len(labels), 1), bool)
    starts = np.nonzero(np.hstack([edge, labels[:, 1:] != labels[:, :-1]]))
    ends = np.nonzero(np.hstack([labels[:, 1:] != labels[:, :-1], edge]))
    found = [
        [int(row), int(first) - 0.5, int(last) + 0.5, int(labels[row, first])]
        for row, first, last in zip(*starts, ends[1], strict=True)
        if labels[row, first] >= 0 and last - first >= view.viewing.now // 60
    ]
    widest = sorted(found, key=lambda one: one[1] - one[2])[:_MOST_NUMBERS]
    numbered = [
        [row, first, last, str(label), readable(view.colours[int(label)])] for row, first, last, label in sorted(widest)
    ]
    return {"kind": "labels", "labels": numbered}


def _topics(view: View) -> dict[str, Any]:
    """Return stretches of steps on one topic."""
    topics, colours = view.viewing.course.topics, inks(view.dark)
    stretches: list[list[float]] = []
    for step, topic in enumerate(topics):
        if topic is None:
            continue
        if stretches and stretches[-1][2] == topic and stretches[-1][1] == step - 0.5:
            stretches[-1][1] = step + 0.5
        else:
            stretches.append([step - 0.5, step + 0.5, topic])
    texts = [shorten(title, 80) for title in view.viewing.setting.topics]
    shades = [colours.missing, colours.line]
    return {"kind": "bands", "bands": stretches, "texts": texts, "colours": shades, "ink": colours.ink}


def _happened(view: View) -> list[Told]:
    told = (replace(one, kind="join") if one.kind == "move" else one for one in view.viewing.course.told)
    return [one for one in told if one.kind in SYMBOLS]


def _marks(view: View, order: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return events as marks in the bands of those whom they concerned."""
    row = np.argsort(order)
    points: dict[str, list[dict[str, Any]]] = {kind: [] for kind in SYMBOLS}
    for one in _happened(view)[-_MOST_MARKS:]:
        shift = 0.72 if one.kind in _BEFORE else 0.28
        for agent in one.agents:
            words = f"Step {one.step}: {shorten(one.text, 110)}"
            points[one.kind].append({"value": [round(one.step - shift, 2), int(row[agent])], "words": words})
    return [_scatter(view, kind, data, 8) for kind, data in points.items()]


def _add_strip(option: Option, view: View, left: int, right: int, height: int) -> None:
    """Add events in a strip of their own below the bands: a row a kind, larger where more agents were concerned."""
    kinds = list(SYMBOLS)
    now, n = view.viewing.now, len(view.viewing.setting.names)
    width = max((now + 1) / 250, 1.0)
    counts: dict[str, Counter[int]] = {kind: Counter() for kind in kinds}
    for one in _happened(view):
        counts[one.kind][int(one.step / width)] += max(len(one.agents), 1)
    option["grid"].append({"id": "events", "left": left, "right": right, "bottom": 58, "height": height - 12})
    option["xAxis"].append(step_axis(view, id="event steps", gridIndex=2, name="Step", nameGap=24))
    option["yAxis"].append(names_axis(view.dark, kinds, id="kinds", gridIndex=2, inverse=True))
    option["series"].append(_custom("event lines", xAxisIndex=2, yAxisIndex=2, z=5))
    option["drawn"]["event lines"] = verticals(view, letters=False)
    for row, kind in enumerate(kinds):
        data = [
            {
                "value": [round((k + 0.5) * width - 0.5, 1) if width > 1 else k, row],
                "words": f"{_steps(k, width)}: {kind}, {count(agents, 'agent')}",
                "symbolSize": round(5 + 9 * min(agents / n, 1.0) ** 0.5, 1),
            }
            for k, agents in sorted(counts[kind].items())
        ]
        option["series"].append({**_scatter(view, kind, data, 6), "xAxisIndex": 2, "yAxisIndex": 2})


def _steps(stretch: int, width: float) -> str:
    first, last = int(np.ceil(stretch * width)), int(np.ceil((stretch + 1) * width)) - 1
    return f"Step {first}" if first >= last else f"Steps {first}–{last}"


def _scatter(view: View, kind: str, data: list[dict[str, Any]], size: int) -> dict[str, Any]:
    colours = inks(view.dark)
    return {
        "id": kind,
        "name": kind,
        "type": "scatter",
        "symbol": SYMBOLS[kind],
        "symbolSize": size,
        "z": 6,
        "itemStyle": {"color": colours.paper, "borderColor": colours.ink, "borderWidth": 1},
        "data": data,
    }


def _legend(view: View, has_strip: bool) -> dict[str, Any]:
    return {
        "id": "kinds",
        "show": not has_strip,
        "bottom": 0,
        "left": "center",
        "itemWidth": 12,
        "itemHeight": 9,
        "itemGap": 16,
        "data": list(SYMBOLS),
        "selectedMode": True,
        "inactiveColor": inks(view.dark).alone,
    }


def _description(view: View) -> str:
    n = len(view.viewing.setting.names)
    together = count(len(view.scene.coalitions), "coalition")
    return f"Coalitions of {n} agents over {view.viewing.now} steps; at step {view.step} there are {together}."


def timeline_caption(view: View, can_go: bool) -> str:
    """Return how the timeline is read; ``can_go``: whether a click leads to a step."""
    absent = "" if view.viewing.course.present.all() else ", hatched being absent"
    how = f"A row an agent, a colour (and number) a coalition; grey is standing alone{absent}."
    return f"{how} Click a step to go there." if can_go else how
