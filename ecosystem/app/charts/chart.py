"""A chart on the page: an ECharts option, drawn by the browser from what this machine serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import ipyvuetify
import solara
import traitlets

from ecosystem.app.charts.theme import inks

Option = dict[str, Any]
"""An ECharts option as plain data: no functions, no NaN. Chosen by name in ``chart.vue``: what its own key ``drawn``
holds, by id of a series of type ``custom``, and formatters of tooltips, which look names up in its own key ``names``.
"""


class ChartWidget(ipyvuetify.VuetifyTemplate):
    """The widget behind `Chart`."""

    template_file = (__file__, "chart.vue")

    option = traitlets.Unicode("{}").tag(sync=True)
    height = traitlets.Unicode("100%").tag(sync=True)
    heading = traitlets.Unicode("").tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    file_name = traitlets.Unicode("chart").tag(sync=True)
    ink = traitlets.Unicode("").tag(sync=True)
    paper = traitlets.Unicode("").tag(sync=True)
    is_clickable = traitlets.Bool(False).tag(sync=True)
    on_click = traitlets.Callable(None, allow_none=True)
    on_move = traitlets.Callable(None, allow_none=True)

    def vue_clicked(self, place: dict[str, float]) -> None:
        """Hand a click on, in data coordinates."""
        if self.on_click is not None:
            self.on_click(float(place["x"]), float(place["y"]))

    def vue_moved(self, steps: int) -> None:
        """Hand on that an arrow key was pressed: -1 or 1."""
        if self.on_move is not None:
            self.on_move(1 if steps > 0 else -1)


@solara.component
def Chart(
    option: Option,
    *,
    height: str = "100%",
    label: str = "",
    heading: str = "",
    caption: str = "",
    file_name: str = "chart",
    dark: bool = False,
    on_click: Callable[[float, float], None] | None = None,
    on_move: Callable[[int], None] | None = None,
) -> None:
    """Draw an ECharts option, and draw it anew in place when it changes.

    Parameters
    ----------
    option : dict
        See `Option`.
    height : str
        As CSS has it; all of what contains it by default.
    label : str
        What it shows, for those who cannot see it.
    heading, caption : str
        Written above the chart in the picture that is saved; on the page the panel says them.
    file_name : str
        Of the saved picture, without ``.png``.
    dark : bool
        Whether the saved picture is dark.
    on_click : callable, optional
        Called with x and y of a click on the plot, in data coordinates (the first axes').
    on_move : callable, optional
        Called with -1 or 1 for an arrow key to the left or right.
    """
    colours = inks(dark)
    ChartWidget.element(
        option=json.dumps(option, allow_nan=False, separators=(",", ":"), ensure_ascii=False),
        height=height,
        heading=heading,
        caption=caption,
        label=label,
        file_name=file_name,
        ink=colours.ink,
        paper=colours.paper,
        is_clickable=on_click is not None,
        on_click=on_click,
        on_move=on_move,
    )


def file_name(scenario: str, panel: str, step: int) -> str:
    """Return a name for a saved picture that every file system accepts.

    Examples
    --------
    >>> file_name("climate-debate", "Coalition timeline", 7)
    'climate-debate-coalition-timeline-step-7'
    >>> file_name("../x", "<b>", 0)
    'x-b-step-0'
    """
    words = f"{scenario} {panel} step {step}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:120]
