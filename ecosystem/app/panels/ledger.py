"""What happened, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara
import traitlets

from ecosystem.app.debates.view import View
from ecosystem.app.panels.happenings import KINDS, PAGE, happenings
from ecosystem.app.panels.panel import PanelWidget, as_json, choose, template
from ecosystem.app.panels.wording import known_names, mention, parts
from ecosystem.errors import InputError


class LedgerWidget(PanelWidget):
    """The widget behind `Ledger`."""

    template = traitlets.Unicode(template("ledger")).tag(sync=True)


@solara.component
def Ledger(view: View, on_select: Callable[[int | None], None]) -> None:
    """Show what happened up to a step, the newest first, and on demand why.

    Parameters
    ----------
    view : View
        What is looked at.
    on_select : callable
        Called with an agent whose name was clicked.
    """
    course = view.viewing.course
    hidden, hide = solara.use_state(frozenset[str]())
    mine, set_mine = solara.use_state(False)
    pages, set_pages = solara.use_state(1)
    (asked_of, asked), set_asked = solara.use_state((course, frozenset[int]()))
    wanted = asked if asked_of is course else frozenset()
    answers = solara.use_memo(dict, [course])  # of one debate: events of another have the same numbers
    solara.use_thread(lambda: _answer(view, wanted, answers), dependencies=[course, wanted], intrusive_cancel=False)

    agent = view.selected if mine else None
    shown = solara.use_memo(
        lambda: happenings(view, [kind for kind in KINDS if kind not in hidden], agent, PAGE * pages),
        [view.viewing, course, view.step, view.revision, hidden, agent, pages],
    )

    def ask(wish: dict[str, Any]) -> None:
        event, kind = wish.get("why"), wish.get("kind")
        if isinstance(event, int) and any(one.event == event for one in course.told):
            set_asked((course, wanted | {event}))
        if kind in KINDS:
            hide(hidden ^ {kind})
        if wish.get("mine") is not None:
            set_mine(wish["mine"] is True)
        if wish.get("older") is True:
            set_pages(pages + 1)

    state = {
        "hidden": sorted(hidden),
        "mine": agent is not None,
        "selected": None if view.selected is None else mention(view, view.selected),
        "why": {str(event): answers.get(event) for event in sorted(wanted)},
    }
    LedgerWidget.element(shown=as_json(shown | state), on_choose=choose(view, on_select), on_ask=ask)


def _answer(view: View, wanted: frozenset[int], answers: dict[int, list[dict[str, Any]]]) -> None:
    """Look up why events happened that have not been looked up yet."""
    names = known_names(view.viewing.setting)
    for event in sorted(wanted - answers.keys()):
        try:
            answers[event] = parts(view.viewing.why(event), names)
        except InputError as error:
            answers[event] = parts((f"No explanation: {error}",), {})
