"""What panels to read have in common: a template with one style, and words from the browser back to Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipyvuetify
import traitlets

from ecosystem.app.debates.view import View

_FOLDER = Path(__file__).parent


def template(name: str) -> str:
    """Return the Vue template of a panel, with the script and the style that panels share."""
    text, script, style = (
        (_FOLDER / file).read_text(encoding="utf-8") for file in (f"{name}.vue", "reading.js", "reading.css")
    )
    return text.replace("<script>", f"<script>\n{script}", 1) + f'<style id="ec-reading">\n{style}</style>\n'


class PanelWidget(ipyvuetify.VuetifyTemplate):
    """The widget behind a panel: shows plain data, tells which agent was chosen and what else was asked for."""

    shown = traitlets.Unicode("{}").tag(sync=True)
    on_choose = traitlets.Callable(None, allow_none=True)
    on_ask = traitlets.Callable(None, allow_none=True)

    def vue_choose(self, agent: object) -> None:
        """Hand on that an agent was chosen, or none any more."""
        if self.on_choose is not None:
            self.on_choose(agent)

    def vue_ask(self, wish: object) -> None:
        """Hand on what else was asked for."""
        if self.on_ask is not None and isinstance(wish, dict):
            self.on_ask(wish)


def as_json(shown: Any) -> str:
    """Return plain data as the browser gets it."""
    return json.dumps(shown, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def choose(view: View, on_select: Callable[[int | None], None]) -> Callable[[object], None]:
    """Return what selects the agent that a browser names, if there is such an agent."""
    n_agents = len(view.viewing.setting.names)

    def select(agent: object) -> None:
        if agent is None:
            on_select(None)
        elif isinstance(agent, int) and not isinstance(agent, bool) and 0 <= agent < n_agents:
            on_select(agent)

    return select
