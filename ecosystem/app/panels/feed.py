"""What is being said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara
import traitlets

from ecosystem.app.debates.view import View
from ecosystem.app.panels.exchanges import SHOWN, said
from ecosystem.app.panels.panel import PanelWidget, as_json, choose, template


class FeedWidget(PanelWidget):
    """The widget behind `Feed`."""

    template = traitlets.Unicode(template("feed")).tag(sync=True)


@solara.component
def Feed(view: View, on_select: Callable[[int | None], None]) -> None:
    """Show what was said at a step, who weighed it, and who took it over.

    Parameters
    ----------
    view : View
        What is looked at.
    on_select : callable
        Called with an agent whose name was clicked.
    """
    everything, show_everything = solara.use_state(False)
    limit = None if everything else SHOWN
    shown = solara.use_memo(
        lambda: as_json(said(view, limit)), [view.viewing, view.viewing.course, view.step, view.revision, limit]
    )

    def ask(wish: dict[str, Any]) -> None:
        show_everything(wish.get("everything") is True)

    FeedWidget.element(shown=shown, on_choose=choose(view, on_select), on_ask=ask)
