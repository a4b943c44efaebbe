"""Keeping what was seen: save the run, open a recorded one, export pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import solara
from reacton import ipyvuetify as v

from ecosystem.app.debates.replay import finished_runs
from ecosystem.app.debates.view import View
from ecosystem.app.drawing.pictures import OF_THE_END, animation, network_picture, report_picture
from ecosystem.app.visit import Visit
from ecosystem.report.gallery import FIGURES

_FRAMES = 75
"""Steps of an animation, about: so many stay below five megabytes."""


@solara.component
def Keeping(visit: Visit, view: View) -> None:
    """Show the menu of what can be kept and opened."""
    opening, set_opening = solara.use_state(False)
    choosing, choose_figure = solara.use_state(False)
    made, set_made = solara.use_state(())
    name = f"{view.viewing.setting.scenario.name}-step-{view.step}"

    def animate() -> None:
        def work() -> None:
            now = view.viewing.now
            told = visit.progress("Drawing the animation")
            content = animation(view.viewing, 0, now, told, view.dark, every=-(-now // _FRAMES))
            set_made((f"{view.viewing.setting.scenario.name}.gif", content))
            visit.message.value = ("done", "The animation is ready: download it from the menu, Keep.")

        visit.do("Drawing the animation", work)

    button = v.Btn(
        v_on="menu.on",
        small=True,
        text=True,
        children=[v.Icon(children=["mdi-download"], small=True, left=True), "Keep"],
        attributes={"aria-haspopup": "menu"},
    )
    with (
        v.Menu(
            offset_y=True,
            left=True,
            v_slots=[{"name": "activator", "variable": "menu", "children": button}],
        ),
        v.List(dense=True),
    ):
        idle = not visit.busy.value
        if visit.replay is None:
            Entry("mdi-content-save-outline", "Save as a run’s folder", visit.save, view.viewing.now == 0 or not idle)
        Entry("mdi-folder-open-outline", "Open a recorded run …", lambda: set_opening(True), not idle)
        with solara.FileDownload(lambda: network_picture(view), f"{name}.png", "image/png"):
            Entry("mdi-image-outline", "Network as PNG", _nothing)
        Entry("mdi-movie-open-outline", "Make an animation (GIF)", animate, view.viewing.now == 0 or not idle)
        Entry("mdi-chart-line", "Figures of the report …", lambda: choose_figure(True), view.viewing.now == 0)
        if made:
            with solara.FileDownload(made[1], made[0], "image/gif"):
                Entry("mdi-download", f"Download {made[0]}", _nothing)
    _choose_run(visit, opening, set_opening)
    _choose_figure(visit, view, choosing, choose_figure)


def _choose_figure(visit: Visit, view: View, choosing: bool, choose: Any) -> None:
    """Show the figures of the report that can be drawn of the debate so far."""
    scenario, live = view.viewing.setting.scenario, visit.replay is None
    with v.Dialog(v_model=choosing, on_v_model=choose, max_width=640, scrollable=True), v.Card():
        v.CardTitle(children=["Figures of the report, as PNG"])
        with v.CardText(), v.List(dense=True):
            for figure in FIGURES if choosing else ():
                if (figure.of_words and scenario.affinity is not None) or (live and figure.name in OF_THE_END):
                    continue
                with solara.FileDownload(
                    partial(report_picture, visit.viewing, figure.name),
                    f"{scenario.name}-{figure.name}.png",
                    "image/png",
                ):
                    Entry("mdi-image-outline", figure.title, _nothing)
            if live:
                solara.Text("The others are drawn of a finished run: save this one and open it.")
        with v.CardActions():
            v.Spacer()
            solara.Button("Close", on_click=lambda: choose(False), text=True)


def _nothing() -> None:
    """Leave the click to what is around it."""


def _choose_run(visit: Visit, opening: bool, set_opening: Any) -> None:
    """Show the recorded runs to choose from; a visitor names one of these, never a path."""
    with v.Dialog(v_model=opening, on_v_model=set_opening, max_width=640, scrollable=True), v.Card():
        v.CardTitle(children=["Open a recorded run"])
        with v.CardText(), v.List(two_line=True, dense=True):
            runs = finished_runs(visit.out) if opening else []
            if opening and not runs:
                solara.Text("There is no finished run yet. `ecosystem run`, or Keep, Save, makes one.")
            for run in runs:
                _run(visit, run, set_opening)
        with v.CardActions():
            v.Spacer()
            solara.Button("Close", on_click=lambda: set_opening(False), text=True)


def _run(visit: Visit, run: Any, set_opening: Any) -> None:
    def choose() -> None:
        set_opening(False)
        visit.open_run(run.name)

    said = f"{run.steps} steps, seed {run.seed}, {run.when}"
    Entry("mdi-play-box-outline", run.title, choose, said=said)


@solara.component
def Entry(icon: str, text: str, act: Callable[[], Any], disabled: bool = False, said: str = "") -> None:
    """Show an entry of a menu or a list."""
    words = [v.ListItemTitle(children=[text]), *([v.ListItemSubtitle(children=[said])] if said else [])]
    entry = v.ListItem(
        link=True,
        disabled=disabled,
        children=[
            v.ListItemIcon(class_="mr-3", children=[v.Icon(children=[icon], small=True)]),
            v.ListItemContent(children=words),
        ],
    )
    v.use_event(entry, "click", lambda *_: act())
