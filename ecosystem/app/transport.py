"""Play, pause, step, back, begin anew; how fast; and the slider over the steps there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara
from reacton import ipyvuetify as v

from ecosystem.app.debates.view import View
from ecosystem.app.visit import Visit

SPEEDS = (0.5, 1.0, 2.0, 5.0, 20.0)
"""Steps a second that can be chosen; the last is as fast as the page can be drawn."""


@solara.component_vue("pulse.vue", vuetify=False)
def _Pulse(
    revision: int,
    step: int,
    event_seen: Callable[[int], None],
    event_key: Callable[[str], None],
    event_narrow: Callable[[Any], None],
) -> None:
    """Tell when the browser shows a revision, and which keys are pressed."""


@solara.component
def Pulse(visit: Visit, view: View, on_narrow: Callable[[], None]) -> None:
    """Wait for the browser, listen to the keyboard, and tell of a window too narrow for the controls."""

    def press(key: str) -> None:
        match key:
            case " ":
                visit.toggle_play()
            case "ArrowRight":
                visit.playing.value = False
                visit.advance()
            case "ArrowLeft":
                visit.back()
            case "Home":
                visit.show(0)
            case "End":
                visit.show(None)
            case "Escape":
                visit.select(None)

    _Pulse(
        revision=view.revision,
        step=view.step,
        event_seen=visit.saw,
        event_key=press,
        event_narrow=lambda *_: on_narrow(),
    )


@solara.component
def Transport(visit: Visit, view: View) -> None:
    """Show the controls of time."""
    playing, replaying = visit.playing.value, visit.replay is not None
    now = view.viewing.now
    topic = view.scene.topic
    ends = now if replaying else visit.session.end

    with solara.Div(classes=["ec-transport"]):
        Press("mdi-restart", "Begin anew", visit.restart, disabled=replaying or bool(visit.busy.value))
        Press("mdi-step-backward", "Step back (←)", visit.back, disabled=view.step == 0)
        Press(
            "mdi-pause" if playing else "mdi-play",
            "Pause (space)" if playing else "Play (space)",
            visit.toggle_play,
            disabled=bool(visit.busy.value) or (visit.at_end and not replaying),
            primary=True,
        )
        Press(
            "mdi-step-forward",
            "Step (→)",
            visit.advance,
            disabled=playing or bool(visit.busy.value) or visit.at_end,
        )
        Press("mdi-skip-next", "To the last step (End)", lambda: visit.show(None), disabled=view.live)
        v.Select(
            class_="ec-speed",
            items=[{"text": _speed(speed), "value": speed} for speed in SPEEDS],
            v_model=visit.speed.value,
            on_v_model=visit.speed.set,
            dense=True,
            hide_details=True,
            solo=True,
            flat=True,
            attributes={"aria-label": "Speed"},
        )
        with solara.Div(classes=["ec-scrub"]):
            v.Slider(
                v_model=view.step,
                on_v_model=lambda step: visit.show(int(step)) if int(step) != view.step else None,
                min=0,
                max=max(ends, now, 1),
                step=1,
                disabled=now == 0,
                hide_details=True,
                dense=True,
                attributes={"aria-label": "Step shown"},
            )
        solara.Text(f"Step {view.step} of {now if view.step < now else ends}", classes=["ec-where"])
        if visit.at_end and not replaying:
            more = visit.session.model.parameters.steps
            solara.Button(f"Go on for {more} more", on_click=visit.go_on, small=True, text=True, color="primary")
        elif topic is not None:
            solara.Text(view.viewing.setting.topics[topic], classes=["ec-topic"])


@solara.component
def Press(icon: str, what: str, act: Callable[[], Any], disabled: bool = False, primary: bool = False) -> None:
    """Show a button with an icon, and its name for those who cannot see that."""
    button = v.Btn(
        icon=not primary,
        fab=primary,
        small=True,
        depressed=True,
        elevation=0,
        color="primary" if primary else "",
        disabled=disabled,
        children=[v.Icon(children=[icon])],
        attributes={"aria-label": what, "title": what},
    )
    v.use_event(button, "click", lambda *_: act())


def _speed(speed: float) -> str:
    return f"{speed:g}/s" if speed < SPEEDS[-1] else "fastest"
