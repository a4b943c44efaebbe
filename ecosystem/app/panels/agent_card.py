"""Who an agent is, and why it stands where it stands."""

from __future__ import annotations

from collections.abc import Callable

import solara
import traitlets

from ecosystem.app.debates.view import View
from ecosystem.app.panels.acquaintance import acquaint
from ecosystem.app.panels.panel import PanelWidget, as_json, choose, template


class AgentCardWidget(PanelWidget):
    """The widget behind `AgentCard`."""

    template = traitlets.Unicode(template("agent_card")).tag(sync=True)


@solara.component
def AgentCard(view: View, on_select: Callable[[int | None], None]) -> None:
    """Show the selected agent: its persona, its coalition and why, whom it agrees with, what it holds and said.

    Parameters
    ----------
    view : View
        What is looked at; nothing is shown where no agent is selected.
    on_select : callable
        Called with an agent whose name was clicked, and with None when the card is closed.
    """
    agent = view.selected if view.selected in range(len(view.viewing.setting.names)) else None
    shown = solara.use_memo(
        lambda: "" if agent is None else as_json(acquaint(view, agent)),
        [view.viewing, view.viewing.course, view.step, view.revision, agent],
    )
    if shown:
        AgentCardWidget.element(shown=shown, on_choose=choose(view, on_select))
