"""What a visitor does to a debate, now or at a step to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import solara
from numpy.typing import NDArray

from ecosystem.app.controls.parameters import STYLE
from ecosystem.app.controls.schedule import Refused, build, coming, offers, told
from ecosystem.errors import InputError
from ecosystem.report.prose import name
from ecosystem.scenario import Enter, Intervention, Leave, Scenario


@solara.component_vue("interventions.vue")
def _Form(
    offers: list[dict[str, Any]],
    topics: list[dict[str, str]],
    people: list[dict[str, Any]],
    coming: list[dict[str, Any]],
    complaint: dict[str, str],
    now: int,
    done: int,
    event_submit: Callable[[dict[str, Any]], None],
    event_cancel: Callable[[int], None],
    event_open: Callable[[Any], None],
) -> None:
    """Show what can be done and what is to come, and tell what is chosen."""


@solara.component
def Interventions(
    scenario: Scenario,
    now: int,
    present: NDArray[np.bool_],
    on_intervene: Callable[[Intervention], None],
    by_hand: Sequence[Intervention] = (),
    on_cancel: Callable[[Intervention], None] | None = None,
) -> None:
    """Let a visitor intervene at the next step or a later one, and show what is still to come.

    Parameters
    ----------
    scenario : Scenario
        With all interventions, those by hand among them.
    now : int
        Steps taken.
    present : (n_agents,) bool
        Who takes part.
    on_intervene : callable
        Told the intervention, which the scenario accepts. An `InputError` that it raises is shown.
    by_hand : sequence of Intervention
        Those that the visitor made.
    on_cancel : callable, optional
        Told which of them, still to come, is taken back.
    """
    complaint, set_complaint = solara.use_state({"place": "", "why": ""})
    done, set_done = solara.use_state(0)
    here = [key for key, there in zip(scenario.personas, present, strict=True) if there]

    def submit(choice: dict[str, Any]) -> None:
        try:
            on_intervene(build(choice, scenario, now))
        except Refused as refusal:
            set_complaint({"place": refusal.place, "why": refusal.why})
        except InputError as error:
            set_complaint({"place": "kind", "why": str(error)})
        else:
            set_complaint({"place": "", "why": ""})
            set_done(done + 1)

    def cancel(number: int) -> None:
        scheduled = coming(scenario, now, by_hand)
        if on_cancel is not None and 0 <= number < len(scheduled) and scheduled[number][1]:
            on_cancel(scheduled[number][0])

    with solara.Div():
        solara.Style(STYLE)
        _Form(
            offers=[asdict(offer) | {"asks": list(offer.asks)} for offer in offers(scenario, here, now)],
            topics=[{"id": topic.id, "title": name(topic.title or topic.id)} for topic in scenario.topics],
            people=_people(scenario, set(here), now),
            coming=told(scenario, now, by_hand if on_cancel is not None else ()),
            complaint=complaint,
            now=now,
            done=done,
            event_submit=submit,
            event_cancel=cancel,
            event_open=lambda _: set_complaint({"place": "", "why": ""}),
        )


def _people(scenario: Scenario, here: set[str], now: int) -> list[dict[str, Any]]:
    """Return the personas with whether they are here, and whether at some step to come they may go or come."""
    moves = [one for one in scenario.interventions if isinstance(one, Enter | Leave) and one.step > now]
    enters = {one.persona for one in moves if isinstance(one, Enter)}
    leaves = {one.persona for one in moves if isinstance(one, Leave)}
    return [
        {
            "key": key,
            "name": name(persona.name),
            "here": key in here,
            "may_leave": key in here or key in enters,
            "may_enter": key not in here or key in leaves,
        }
        for key, persona in scenario.personas.items()
    ]
