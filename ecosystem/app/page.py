"""The page: `ecosystem watch` serves it, and so does ``solara run ecosystem/app/page.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import solara
import solara.lab
from reacton import ipyvuetify as v

from ecosystem.app.charts import AffinityMap, ForecastPanel, MeasuresPanel, Timeline, Trajectories
from ecosystem.app.controls import Interventions, ParameterForm, Presets, ScenarioChooser
from ecosystem.app.debates.view import View
from ecosystem.app.drawing.network import Network
from ecosystem.app.keeping import Keeping
from ecosystem.app.panels import AgentCard, Feed, Ledger, Standing
from ecosystem.app.server.served import served
from ecosystem.app.transport import Press, Pulse, Transport
from ecosystem.app.visit import Visit

STYLE = Path(__file__).parent / "page.css"


@solara.component
def Page() -> None:
    """Show a debate to one visitor, who has it alone."""
    what = served()
    visit = solara.use_memo(lambda: Visit(what.scenario, what.out, what.reading, what.weights), [])
    solara.use_effect(lambda: visit.close, [])
    solara.use_thread(visit.play, dependencies=[visit.playing.value], intrusive_cancel=False)
    side, set_side = solara.use_state(True)
    dark = bool(solara.lab.use_dark_effective())
    solara.use_memo(_accent, [])
    view = visit.view(dark)

    with solara.Div(classes=["ecosystem"]):
        solara.Title(f"{view.viewing.setting.title} – Ecosystem")
        solara.Style(STYLE)
        _bar(visit, view, side, set_side)
        with solara.Div(classes=["ec-body"]):
            if side and visit.replay is None:
                Side(visit, view.revision)
            with solara.Div(classes=["ec-main"], attributes={"role": "main"}):
                Transport(visit, view)
                Rooms(visit, view)
        _notices(visit)
        Pulse(visit, view, lambda: set_side(False))


@solara.component
def Layout(children: list[Any]) -> Any:
    """Leave the whole window to the page."""
    return solara.Div(children=children)


@solara.component
def Side(visit: Visit, revision: int) -> None:
    """Show what the visitor can choose and change; ``revision`` changes whenever that may have changed."""
    del revision
    session = visit.session
    own = visit.base.parameters.model_dump()
    given = visit.base.affinity is not None
    with solara.Div(classes=["ec-side"], attributes={"aria-label": "Controls"}):
        ScenarioChooser(visit.base, visit.choose, visit.first)
        Presets(visit.apply, visit.values, own, given)
        ParameterForm(
            values=visit.values,
            live_values={name: session.live(name) for name in visit.values},
            pending=session.pending,
            on_change=visit.set,
            started=session.now > 0,
            own=own,
            given=given,
        )
        Interventions(
            scenario=session.setting.scenario,
            now=session.now,
            present=session.model.state.present,
            on_intervene=visit.intervene,
            by_hand=session.by_hand,
            on_cancel=visit.cancel,
        )


@solara.component
def Rooms(visit: Visit, view: View) -> None:
    """Show the tabs, and what is in the open one."""
    tab, set_tab = solara.use_state(0)
    with solara.Div(classes=["ec-rooms"]):
        with v.Tabs(v_model=tab, on_v_model=set_tab, class_="ec-tabs", show_arrows=True):
            for name in ROOMS:
                v.Tab(children=[name])
        with solara.Div(classes=["ec-room"]):
            list(ROOMS.values())[tab or 0](visit, view)


def _accent() -> None:
    """Let what Vuetify draws have the page's accent."""
    solara.lab.theme.themes.light.primary = "#0072b2"
    solara.lab.theme.themes.dark.primary = "#56b4e9"


def _debate(visit: Visit, view: View) -> None:
    with solara.Div(classes=["ec-card", "ec-wide"]):
        Network(view, visit.select)
    with solara.Div(classes=["ec-column", "ec-narrow"]):
        if view.selected is not None:
            with solara.Div(classes=["ec-card"]):
                AgentCard(view, visit.select)
        else:
            with solara.Div(classes=["ec-card"]):
                Standing(view, visit.select)
            with solara.Div(classes=["ec-card"]):
                Feed(view, visit.select)


def _coalitions(visit: Visit, view: View) -> None:
    with solara.Div(classes=["ec-card", "ec-wide"]):
        Timeline(view, visit.show)
    with solara.Div(classes=["ec-card", "ec-narrow"]):
        Ledger(view, visit.select)


def _measures(visit: Visit, view: View) -> None:
    with solara.Div(classes=["ec-card", "ec-wide"]):
        MeasuresPanel(view, visit.show)


def _alone(panel: Callable[[View], Any]) -> Callable[[Visit, View], None]:
    def room(_: Visit, view: View) -> None:
        with solara.Div(classes=["ec-card", "ec-wide"]):
            panel(view)

    return room


ROOMS: dict[str, Callable[[Visit, View], None]] = {
    "Debate": _debate,
    "Coalitions": _coalitions,
    "Affinity": _alone(AffinityMap),
    "Positions": _alone(Trajectories),
    "Measures": _measures,
    "Forecast": _alone(ForecastPanel),
}
"""What each tab shows."""


def _bar(visit: Visit, view: View, side: bool, set_side: Callable[[bool], None]) -> None:
    recorded = ["ec-recorded"] if visit.replay is not None else []
    with solara.Div(classes=["ec-bar", *recorded], attributes={"role": "banner"}):
        if visit.replay is None:
            what = "Hide the controls" if side else "Show the controls"
            Press("mdi-menu-open" if side else "mdi-menu", what, lambda: set_side(not side))
        solara.Text("Ecosystem", classes=["ec-name"])
        title = view.viewing.setting.title
        solara.Text(title if visit.replay is None else f"Recorded run of {title}", classes=["ec-title"])
        if visit.replay is not None:
            solara.Button("Back to the live debate", on_click=visit.close_run, small=True, text=True, color="primary")
        solara.Div(classes=["ec-gap"])
        Keeping(visit, view)
        with solara.Div(classes=["ec-theme"]):
            solara.lab.ThemeToggle()


def _notices(visit: Visit) -> None:
    """Show what is under way, what went wrong, and what was done."""
    message = visit.message.value
    with solara.Div(classes=["ec-notices"]):
        if visit.busy.value:
            _notice(f"{visit.busy.value} …")
        if message is not None:
            _notice(message[1], "Close", lambda: visit.message.set(None), error=message[0] == "error")


def _notice(text: str, act: str = "", on_act: Callable[[], Any] | None = None, error: bool = False) -> None:
    with solara.Div(
        classes=["ec-notice", *(["ec-error"] if error else [])], attributes={"role": "alert" if error else "status"}
    ):
        solara.Text(text)
        if on_act is not None:
            solara.Button(act, on_click=on_act, text=True, small=True, color="primary")
