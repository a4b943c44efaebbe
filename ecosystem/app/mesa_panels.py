"""The panels of the page as components of Mesa's own browser view, and in notebooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara
import solara.lab
from mesa.visualization.utils import update_counter

from ecosystem.app.debates.observer import Observer
from ecosystem.app.debates.view import View
from ecosystem.app.server.local import keep_local
from ecosystem.model import EcosystemModel

keep_local()


def observe(model: EcosystemModel) -> Observer:
    """Return what keeps the steps of a model, from now on; the same one each time.

    Raises
    ------
    InputError
        The model has taken steps that no one observed.
    """
    for one in model.observers:
        found = getattr(one, "__self__", None)
        if isinstance(found, Observer):
            return found
    observer = Observer(model)
    model.observers.append(observer.take)
    return observer


def for_mesa(panel: Callable[..., Any], **options: Any) -> Callable[[EcosystemModel], Any]:
    """Return a panel as a component that takes a model, as ``SolaraViz(model, components=[...])`` wants them.

    Parameters
    ----------
    panel : callable
        A component that takes a `View`, such as `ecosystem.app.AffinityMap`.
    **options
        Passed to it.

    Examples
    --------
    A page of Mesa's, in a file that ``solara run`` opens:

    .. code-block:: python

        import solara
        from mesa.visualization import SolaraViz
        from ecosystem import EcosystemModel
        from ecosystem.app import Network, Timeline, for_mesa

        @solara.component
        def Page():
            model = solara.use_memo(lambda: EcosystemModel("climate-debate", rng=1), [])
            SolaraViz(model, components=[(for_mesa(Network), 0), (for_mesa(Timeline), 1)])
    """
    chooses = "on_select" in _parameters(panel)

    @solara.component
    def Panel(model: EcosystemModel) -> None:
        revision = int(update_counter.get())
        selected, set_selected = solara.use_state(None)
        observer = observe(model)
        view = View(observer, observer.now, selected, bool(solara.lab.use_dark_effective()), revision)
        if chooses:
            panel(view, on_select=set_selected, **options)
        else:
            panel(view, **options)

    component: Callable[[EcosystemModel], Any] = Panel
    return component


def _parameters(panel: Callable[..., Any]) -> frozenset[str]:
    import inspect

    return frozenset(inspect.signature(getattr(panel, "f", panel)).parameters)
