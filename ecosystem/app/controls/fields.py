"""An input for every parameter of the schema: what it is called, which values it offers, what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from ecosystem.complaints import explain
from ecosystem.errors import InputError
from ecosystem.scenario import LIVE, Parameters

Kind = Literal["slider", "select", "number"]

GROUPS = ("Listening", "Coalitions", "Agenda", "People", "Run")

_GREEK = {"beta": "β", "gamma": "γ", "epsilon": "ε", "eta": "η", "kappa": "κ", "mu": "μ"}
_SYMBOL = re.compile(r"^([A-Za-z]+): ")
_NULL = re.compile(r"; null .*")


@dataclass(frozen=True)
class _Shown:
    """What the schema does not say of a parameter: its group, its label, and the values that are worth offering.

    Attributes
    ----------
    group, label : str
    stops : tuple of float
        Values of the slider, rising; empty: a number alone. Other values that the schema accepts can be typed.
    words : dict of str to str
        What choices are called.
    null : str
        What no value is called, where there need not be one.
    filled : int
        The value that takes its place when there is to be one.
    """

    group: str
    label: str
    stops: tuple[float, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    null: str = ""
    filled: int = 1


def _even(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return evenly spaced values, both ends among them.

    Examples
    --------
    >>> _even(0, 0.3, 0.1)
    (0.0, 0.1, 0.2, 0.3)
    """
    return tuple(round(float(value), 9) for value in np.arange(round((high - low) / step) + 1) * step + low)


# Where the schema's bounds are wide a slider covers what is worth trying; all else can be typed.
_SHOWN = {
    "homophily": _Shown("Listening", "Homophily", _even(0, 15, 0.5)),
    "bias": _Shown("Listening", "Bias", _even(0, 30, 1)),
    "kernel": _Shown(
        "Listening",
        "Kernel",
        words={
            "argument": "Exchange of arguments",
            "degroot": "DeGroot",
            "fj": "Friedkin-Johnsen",
            "deffuant": "Deffuant",
            "hk": "Hegselmann-Krause",
        },
    ),
    "learning_rate": _Shown("Listening", "Learning rate", (0.01, 0.02, 0.03, *_even(0.05, 1, 0.05))),
    "confidence": _Shown("Listening", "Confidence", _even(0, 2, 0.05)),
    "convergence": _Shown("Listening", "Convergence", _even(0.05, 0.5, 0.05)),
    "threshold": _Shown("Coalitions", "Threshold", _even(-0.3, 0.3, 0.01)),
    "threshold_rule": _Shown(
        "Coalitions",
        "Threshold rule",
        words={"fixed": "Fixed", "mean": "Above the mean alignment", "quantile": "Quantile of alignment"},
    ),
    "switching_cost": _Shown("Coalitions", "Switching cost", _even(0, 0.5, 0.01)),
    "entry": _Shown(
        "Coalitions",
        "Entry",
        words={"nash": "Anyone may enter", "individual": "No member is hurt", "contractual": "No one is hurt"},
    ),
    "max_coalitions": _Shown("Coalitions", "Most coalitions", _even(1, 12, 1), null="No cap", filled=2),
    "policy": _Shown(
        "Agenda",
        "What is said",
        words={"random": "Anything", "salient": "The most central argument", "responsive": "A reply to what it heard"},
    ),
    "agenda": _Shown("Agenda", "Order of topics", words={"rotate": "In the scenario's order", "random": "At random"}),
    "topic_duration": _Shown("Agenda", "Steps per topic", _even(1, 20, 1)),
    "memory_size": _Shown("People", "Memory", _even(1, 100, 1), null="As large as its corpus", filled=30),
    "learn": _Shown(
        "People",
        "Learning",
        words={"none": "None", "adapt": "From the corpora, beforehand", "online": "From every exchange"},
    ),
    "steps": _Shown("Run", "Steps", (5, *_even(10, 100, 10), 120, 150, 200, 250, 300, 400, 500, 700, 1000, 1500, 2000)),
    "seed": _Shown("Run", "Seed"),
    "checkpoint_every": _Shown("Run", "Steps between checkpoints", (1, 2, 5, *_even(10, 100, 10))),
}

_HEARD_BY = {
    "homophily": ("argument", "degroot", "fj"),
    "bias": ("argument",),
    "confidence": ("deffuant", "hk"),
    "convergence": ("deffuant", "hk"),
}
"""Kernels that parameters bear on; the others bear on every debate. A message moves opinions by ``convergence``."""


@dataclass(frozen=True)
class Input:
    """How a parameter is entered.

    Attributes
    ----------
    name : str
        In the schema.
    label, symbol, help, group : str
        In words; the symbol may be empty.
    kind : str
        ``slider`` (with a number beside it), ``select`` or ``number``.
    whole : bool
        Whether only whole numbers are accepted.
    live : bool
        Whether it may change while a debate goes on; else a change takes effect at the next beginning.
    default : parameter
        The schema's.
    stops : tuple of str
        Values of the slider, as they are written.
    options : tuple of (str, str)
        Values of a select, with what they are called.
    null, filled : str
        What no value is called, and the value that takes its place; empty where there must be a value.
    """

    name: str
    label: str
    symbol: str
    help: str
    group: str
    kind: Kind
    whole: bool
    live: bool
    default: Any
    stops: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    null: str = ""
    filled: str = ""

    def place(self, value: Any) -> int:
        """Return the position of the stop that is nearest to a value."""
        if not self.stops or value is None:
            return 0
        return int(np.abs(np.array(self.stops, float) - float(value)).argmin())

    def says(self, value: Any) -> str:
        """Return what a value is called."""
        if value is None:
            return self.null.lower()
        return dict(self.options).get(str(value), written(value))

    def without_effect(self, kernel: str, given: bool) -> str:
        """Return why a parameter changes nothing in a debate, if that is so.

        Parameters
        ----------
        kernel : str
            The kernel in force.
        given : bool
            Whether affinity is given, so that nothing is said.
        """
        if given and self.group in ("Listening", "Agenda", "People"):
            return "No effect here: affinity is given."
        if kernel not in _HEARD_BY.get(self.name, (kernel,)):
            return f"No effect under this kernel ({dict(INPUTS['kernel'].options)[kernel]})."
        return ""


def written(value: Any) -> str:
    """Return a value as one would type it; nothing for none.

    Examples
    --------
    >>> written(0.1 + 0.2), written(5.0), written(2**60), written(None)
    ('0.3', '5', '1152921504606846976', '')
    """
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def read_value(name: str, text: str, standing: Mapping[str, Any]) -> Any:
    """Return the value of a parameter that someone typed or chose, checked together with those that stand.

    Raises
    ------
    InputError
        In one line: what was found and what is accepted.
    """
    empty = not text.strip()
    entered = None if empty and INPUTS[name].null else text.strip()
    try:
        if empty and entered is not None:
            raise InputError(name, "is empty; a value is needed")
        return getattr(Parameters.model_validate({**standing, name: entered}), name)
    except ValidationError as error:
        raise explain(error, "", Parameters) from None


def _input(name: str, schema: Mapping[str, Any]) -> Input:
    """Return the input of a parameter from what the schema says of it."""
    shown, description = _SHOWN[name], str(schema["description"])
    symbol = _SYMBOL.match(description)
    choices = tuple((str(value), shown.words[str(value)]) for value in schema.get("enum", ()))
    types = {part.get("type") for part in (schema, *schema.get("anyOf", ()))}
    kind: Kind = "select" if choices else "slider" if shown.stops else "number"
    text = _NULL.sub("", description[symbol.end() :] if symbol else description)
    return Input(
        name=name,
        label=shown.label,
        symbol=_GREEK.get(symbol[1], symbol[1]) if symbol else "",
        help=f"{text[0].upper()}{text[1:]}.",
        group=shown.group,
        kind=kind,
        whole="integer" in types,
        live=name in LIVE,
        default=schema["default"],
        stops=tuple(written(stop) for stop in shown.stops),
        options=choices,
        null=shown.null,
        filled=written(shown.filled) if shown.null else "",
    )


INPUTS = {name: _input(name, schema) for name, schema in Parameters.model_json_schema()["properties"].items()}
"""The input of every parameter, by name in the schema's order."""


def form(
    values: Mapping[str, Any],
    live: Mapping[str, Any],
    pending: Mapping[str, Any],
    started: bool,
    own: Mapping[str, Any],
    complaints: Mapping[str, tuple[str, str]],
    given: bool = False,
) -> list[dict[str, Any]]:
    """Return what the form shows, group by group, as plain data.

    Parameters
    ----------
    values : mapping of str to parameter
        With which a debate begins anew.
    live : mapping of str to parameter
        At the next step of the debate that goes on.
    pending : mapping of str to parameter
        Those of them that have been changed since the last step.
    started : bool
        Whether the debate has taken a step; until then every change takes effect at once.
    own : mapping of str to parameter
        What they are set back to.
    complaints : mapping of str to (str, str)
        What was typed and not accepted, and why.
    given : bool
        Whether affinity is given, so that nothing is said.
    """
    kernel = live["kernel"] if started else values["kernel"]
    groups = []
    for title in GROUPS:
        rows = [
            _row(one, values, live, pending, started, own, complaints) | {"idle": one.without_effect(kernel, given)}
            for one in INPUTS.values()
            if one.group == title
        ]
        rows.sort(key=lambda row: list(_SHOWN).index(row["name"]))
        groups.append({"title": title, "changed": sum(row["changed"] for row in rows), "fields": rows})
    return groups


def _row(
    one: Input,
    values: Mapping[str, Any],
    live: Mapping[str, Any],
    pending: Mapping[str, Any],
    started: bool,
    own: Mapping[str, Any],
    complaints: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    value = live[one.name] if started and one.live else values[one.name]
    typed, complaint = complaints.get(one.name, (written(value), ""))
    waits = one.name in pending if one.live else values[one.name] != live[one.name]
    badge = "" if not started or (one.live and not waits) else "next step" if one.live else "at restart"
    return {
        "name": one.name,
        "label": one.label,
        "symbol": one.symbol,
        "help": one.help,
        "kind": one.kind,
        "whole": one.whole,
        "text": typed,
        "place": one.place(value),
        "stops": list(one.stops),
        "options": [{"value": choice, "label": label} for choice, label in one.options],
        "null": one.null,
        "filled": one.filled,
        "empty": value is None,
        "badge": badge,
        "waits": started and waits,
        "changed": one.name != "seed" and value != own[one.name],
        "own": one.says(own[one.name]),
        "complaint": complaint,
    }
