"""How far listeners agree with speakers, as a map ordered by coalition."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.raster import affinity_raster
from ecosystem.app.charts.theme import SMALL, affinity_colours, base, inks, names_axis, room_for
from ecosystem.report.arrays import order_over_time
from ecosystem.report.style import shorten

if TYPE_CHECKING:
    from ecosystem.app.charts.chart import Option
    from ecosystem.app.debates.view import View

KINDS = {"observed": "Observed", "forecast": "Forecast", "alignment": "Alignment"}
"""What the map can show, and what its choices are called."""

WINDOW = 5
"""Steps that a mean is over."""

_NAMED = 40


def standing_order(view: View, every: int = 10) -> NDArray[np.int64]:
    """Return agents so that those who share coalitions are neighbours, ``(n_agents,)``.

    As `ecosystem.report.arrays.order_over_time` has it after the last step that is a multiple of ``every``, so that
    rows stay where they are while a debate goes on.
    """
    until = max(view.viewing.now // every * every, 1)
    return order_over_time(view.viewing.course.partitions[: until + 1].astype(np.int64))


def by_coalition(view: View, standing: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return agents by coalition at the step shown, largest first, those alone and then those absent last.

    Parameters
    ----------
    view : View
        What is looked at.
    standing : (n_agents,) int
        In which order members of a coalition stand; from `standing_order`.
    """
    place = {label: k for k, label in enumerate(view.scene.coalitions)}
    last = len(place)
    block = np.array([place.get(int(label), last) for label in view.scene.partition])
    block[~view.scene.present] = last + 1
    return standing[np.argsort(block[standing], kind="stable")]


def shown_affinity(view: View, kind: str, window: int = 1) -> NDArray[np.float32]:
    """Return affinity of listeners (columns) to speakers (rows), ``(n_agents, n_agents)``; NaN for none.

    Parameters
    ----------
    view : View
        What is looked at.
    kind : str
        Of `KINDS`; alignment has no direction.
    window : int
        Steps up to the one shown that the mean is over; alignment is a running mean itself.
    """
    if kind == "alignment":
        alignment = view.scene.alignment.copy()
        np.fill_diagonal(alignment, np.nan)
        absent = ~view.scene.present
        alignment[absent], alignment[:, absent] = np.nan, np.nan
        return alignment
    first = max(view.step - window + 1, 1)
    earlier = [view.viewing.scene(step) for step in range(first, view.step)]
    scenes = np.stack([getattr(scene, kind) for scene in (*earlier, view.scene)])
    if len(scenes) == 1:
        return np.asarray(scenes[0], np.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice")
        return np.asarray(np.nanmean(scenes, axis=0), np.float32)


def affinity_option(
    view: View, kind: str = "observed", window: int = WINDOW, standing: NDArray[np.int64] | None = None
) -> Option:
    """Return the map as an ECharts option.

    Parameters
    ----------
    view : View
        What is looked at.
    kind : str
        Of `KINDS`.
    window : int
        As in `shown_affinity`.
    standing : (n_agents,) int, optional
        From `standing_order`, where it is known already.
    """
    names = view.viewing.setting.names
    order = by_coalition(view, standing_order(view) if standing is None else standing)
    affinity = shown_affinity(view, kind, window)[np.ix_(order, order)]
    labels = [shorten(names[agent], 60) for agent in order]
    n, is_named = len(labels), len(labels) <= _NAMED
    between = " and " if kind == "alignment" else " → "
    size = SMALL if n <= 26 else 9
    left, bottom = (room_for(labels), room_for(labels, 132)) if is_named else (34, 34)
    label: dict[str, Any] = {"show": is_named, "overflow": "truncate", "ellipsis": "…", "fontSize": size}
    down = {"axisLabel": {**label, "width": left - 14, "margin": 14}, "nameGap": 18}
    across = {"axisLabel": {**label, "width": bottom - 14, "margin": 10, "rotate": 90}, "nameGap": 14}
    listeners, speakers = ("", "") if is_named else (f"{n} listeners", f"{n} speakers")
    option = base(view.dark, _description(view, kind))
    option["tooltip"]["triggerOn"] = "none"
    option |= {
        "grid": [{"id": "map", "left": left + 14, "right": 96, "top": 14, "bottom": bottom + 4}],
        "xAxis": [names_axis(view.dark, labels, id="listeners", name=listeners, **across)],
        "yAxis": [names_axis(view.dark, labels, id="speakers", name=speakers, inverse=True, **down)],
        "visualMap": [_scale(view.dark)],
        "series": [
            {"id": "affinity", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True},
            {"id": "blocks", "type": "custom", "renderItem": "drawn", "data": [[0, 0]], "silent": True, "z": 3},
        ],
        "drawn": {
            "affinity": affinity_raster(affinity, view.dark, between=between, gap=[1, 1] if n <= _NAMED else [0, 0]),
            "blocks": _blocks(view, order),
        },
    }
    return option


def affinity_caption(view: View, kind: str, window: int) -> str:
    """Return what the map shows, in a sentence."""
    first = max(view.step - window + 1, 1)
    when = f"at step {view.step}" if first >= view.step else f"over steps {first}–{view.step}, mean"
    if kind == "alignment":
        return f"Alignment of every pair after step {view.step}: the running mean of affinity both ways."
    what = "what was said" if kind == "observed" else "what the JEPA expected to be said"
    return f"Affinity of listeners (columns) to {what} by speakers (rows), {when}."


def _description(view: View, kind: str) -> str:
    n = len(view.viewing.setting.names)
    return f"Map of {KINDS[kind].lower()} affinity between {n} agents at step {view.step}, ordered by coalition."


def _blocks(view: View, order: NDArray[np.int64]) -> dict[str, Any]:
    """Return where coalitions stand in an order, with their colours; those alone are grey and have no frame."""
    colours = inks(view.dark)
    place = {int(agent): k for k, agent in enumerate(order)}
    blocks: list[list[Any]] = []
    for label, members in view.scene.coalitions.items():
        first = min(place[agent] for agent in members)
        blocks.append([first, first + len(members), view.colours[label], True])
    taken = sum(last - first for first, last, *_ in blocks)
    lone = int(view.scene.present.sum()) - taken
    if lone > 0:
        blocks.append([taken, taken + lone, colours.alone, False])
    return {"kind": "blocks", "count": len(order), "blocks": blocks, "ink": colours.ink, "paper": colours.paper}


def _scale(dark: bool) -> dict[str, Any]:
    """Return the bar that says what colours mean, the same for all maps."""
    colours = inks(dark)
    return {
        "id": "scale",
        "type": "continuous",
        "seriesIndex": 0,
        "dimension": 0,
        "min": -1,
        "max": 1,
        "precision": 1,
        "inRange": {"color": list(affinity_colours(dark))[::10]},
        "text": ["+1 agree", "−1 oppose"],
        "textStyle": {"color": colours.faint, "fontSize": SMALL},
        "itemWidth": 10,
        "itemHeight": 180,
        "right": 8,
        "top": "middle",
        "hoverLink": False,
    }
