"""The form of all parameters."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import solara

from ecosystem.app.controls.fields import INPUTS, form, read_value, written
from ecosystem.errors import InputError
from ecosystem.scenario import Parameters

STYLE = Path(__file__).with_name("controls.css")

_SEEDS = 1_000_000


@solara.component_vue("parameters.vue")
def _Form(
    groups: list[dict[str, Any]],
    event_change: Callable[[dict[str, str]], None],
    event_reset: Callable[[str], None],
    event_draw: Callable[[Any], None],
) -> None:
    """Show the inputs, and tell what is entered."""


@solara.component
def ParameterForm(
    values: Mapping[str, Any],
    live_values: Mapping[str, Any],
    pending: Mapping[str, Any],
    on_change: Callable[[str, Any], None],
    started: bool,
    own: Mapping[str, Any] | None = None,
    given: bool = False,
) -> None:
    """Show every parameter of the schema with its description, and let it be changed.

    Parameters
    ----------
    values : mapping of str to parameter
        With which a debate begins anew.
    live_values : mapping of str to parameter
        At the next step of the debate that goes on.
    pending : mapping of str to parameter
        Those of them that have been changed since the last step.
    on_change : callable
        Told the name of a parameter and its new value, which the schema accepts. An `InputError` that it raises is
        shown beside the input.
    started : bool
        Whether the debate has taken a step.
    own : mapping of str to parameter, optional
        What parameters can be set back to: the scenario's own; else the schema's defaults.
    given : bool
        Whether affinity is given, so that nothing is said.
    """
    complaints, set_complaints = solara.use_state({})
    defaults = Parameters().model_dump() if own is None else own
    standing = {**values, **({name: live_values[name] for name in INPUTS if INPUTS[name].live} if started else {})}

    def enter(name: str, text: str) -> None:
        others = {key: complaint for key, complaint in complaints.items() if key != name}
        try:
            value = read_value(name, text, standing)
            if value != standing[name]:
                on_change(name, value)
        except InputError as error:
            others[name] = (text, str(error).removeprefix(": ").removeprefix(f"{name}: "))
        set_complaints(others)

    def change(entry: dict[str, str]) -> None:
        if entry["name"] in INPUTS:
            enter(entry["name"], str(entry["text"]))

    def reset(name: str) -> None:
        if name in INPUTS:
            enter(name, written(defaults[name]))

    with solara.Div():
        solara.Style(STYLE)
        _Form(
            groups=form(values, live_values, pending, started, defaults, complaints, given),
            event_change=change,
            event_reset=reset,
            event_draw=lambda _: enter("seed", str(secrets.randbelow(_SEEDS))),
        )
