"""How the debate stands, at a glance."""

from __future__ import annotations

from collections.abc import Callable

import solara
import traitlets

from ecosystem.app.debates.view import View
from ecosystem.app.panels.outline import outline
from ecosystem.app.panels.panel import PanelWidget, as_json, choose, template


class StandingWidget(PanelWidget):
    """The widget behind `Standing`."""

    template = traitlets.Unicode(template("standing")).tag(sync=True)


@solara.component
def Standing(view: View, on_select: Callable[[int | None], None]) -> None:
    """Show how the debate stands: a headline, the coalitions with their members, the last that happened.

    Parameters
    ----------
    view : View
        What is looked at.
    on_select : callable
        Called with an agent whose name was clicked.
    """
    shown = solara.use_memo(
        lambda: as_json(outline(view)), [view.viewing, view.viewing.course, view.step, view.revision]
    )
    StandingWidget.element(shown=shown, on_choose=choose(view, on_select))
