"""Where a debate begins: which scenario, and with which parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import solara

from ecosystem.app.controls.parameters import STYLE
from ecosystem.app.controls.presets import PRESETS
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario, scenario_folders
from ecosystem.report.prose import count, name
from ecosystem.scenario import Scenario

_LINE = 180
_SENTENCE = re.compile(r"(?<=[.!?])\s")


@solara.component_vue("choices.vue")
def _Choices(
    title: str,
    choices: list[dict[str, Any]],
    folds: bool,
    remark: str,
    event_choose: Callable[[str], None],
) -> None:
    """Show a list of which one can be chosen; ``folds`` shows only that one until asked for more."""


@solara.component
def ScenarioChooser(current: Scenario, on_choose: Callable[[Scenario], None], started: Scenario | None = None) -> None:
    """Show the scenarios that can be named, and the one that the page was opened on; choosing one begins it.

    Parameters
    ----------
    current : Scenario
        The one that is open, with whatever parameters.
    on_choose : callable
        Told the scenario chosen, with its own parameters.
    started : Scenario, optional
        What the page was opened on, which may be none of those that can be named.
    """
    known = solara.use_memo(lambda: known_scenarios(started), [])
    here = next((key for key, one in known.items() if isinstance(one, Scenario) and _same(one, current)), "")

    def choose(key: str) -> None:
        chosen = known.get(key)
        if isinstance(chosen, Scenario) and key != here:
            on_choose(chosen)

    with solara.Div():
        solara.Style(STYLE)
        _Choices(
            title="Scenario",
            choices=[describe_choice(key, one, key == here) for key, one in known.items()],
            folds=bool(here),
            remark="",
            event_choose=choose,
        )


@solara.component
def Presets(
    on_apply: Callable[[dict[str, Any]], None],
    current: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    given: bool = False,
) -> None:
    """Show parameters that lead to consensus, bi-polarization or fragmentation; choosing them begins anew.

    Parameters
    ----------
    on_apply : callable
        Told the parameters that differ from the scenario's own.
    current, own : mapping of str to parameter, optional
        With which a debate begins anew, and the scenario's own: with both, the preset in force is marked.
    given : bool
        Whether affinity is given, so that little depends on the parameters.
    """
    known = {preset.name: preset for preset in PRESETS}
    marked = current is not None and own is not None
    chosen = next((key for key, one in known.items() if marked and one.holds(current or {}, own or {})), None)

    def choose(key: str) -> None:
        if key in known:
            on_apply(dict(known[key].parameters))

    with solara.Div():
        solara.Style(STYLE)
        _Choices(
            title="Presets",
            choices=[
                {
                    "key": key,
                    "title": one.name,
                    "sentence": one.sentence,
                    "note": "",
                    "reason": "",
                    "chosen": key == chosen,
                }
                for key, one in known.items()
            ],
            folds=False,
            remark="Affinity is given in this scenario: of all this only the threshold bears on coalitions."
            if given
            else "",
            event_choose=choose,
        )


def known_scenarios(started: Scenario | None = None) -> dict[str, Scenario | InputError]:
    """Return the scenarios that can be chosen, by a key of their own, or why they cannot be read."""
    known: dict[str, Scenario | InputError] = {}
    for folder in scenario_folders():
        try:
            known[folder] = load_scenario(folder)
        except InputError as error:
            known[folder] = error
    if started is not None and not any(isinstance(one, Scenario) and _same(one, started) for one in known.values()):
        known = {" opened": started, **known}
    return known


def describe_choice(key: str, scenario: Scenario | InputError, chosen: bool) -> dict[str, Any]:
    """Return what there is to read of a scenario that can be chosen, as plain data."""
    if isinstance(scenario, InputError):
        return {"key": key, "title": key, "sentence": "", "note": "", "reason": str(scenario), "chosen": False}
    first = _SENTENCE.split(scenario.description, maxsplit=1)[0]
    size = [count(len(scenario.personas), "persona"), count(len(scenario.topics), "topic")]
    return {
        "key": key,
        "title": name(scenario.title or scenario.name, 200),
        "sentence": name(first, _LINE),
        "note": ", ".join([*size, *(["affinity given"] if scenario.affinity is not None else [])]),
        "reason": "",
        "chosen": chosen,
    }


def _same(one: Scenario, other: Scenario) -> bool:
    """Return whether two scenarios are the same debate, parameters and interventions aside."""
    return (one.name, one.topics, one.personas, one.affinity) == (
        other.name,
        other.topics,
        other.personas,
        other.affinity,
    )
