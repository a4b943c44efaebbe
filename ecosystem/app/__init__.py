"""The browser view: watch coalitions form, and steer the debate.

The panels of the page are Solara components that take a `View`; `for_mesa` makes of each a component of Mesa's own
``SolaraViz``, which also shows itself in a notebook.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "AffinityMap": "charts",
    "AgentCard": "panels",
    "Feed": "panels",
    "ForecastPanel": "charts",
    "Ledger": "panels",
    "MeasuresPanel": "charts",
    "Network": "drawing.network",
    "Observer": "debates.observer",
    "Replay": "debates.replay",
    "Session": "debates.session",
    "Standing": "panels",
    "Timeline": "charts",
    "Trajectories": "charts",
    "View": "debates.view",
    "for_mesa": "mesa_panels",
    "observe": "mesa_panels",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
