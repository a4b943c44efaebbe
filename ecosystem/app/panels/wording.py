"""Names and sentences as the browser gets them: plain data, with what a scenario wrote apart from our words."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ecosystem.app.debates.scenes import Setting
from ecosystem.app.debates.view import View
from ecosystem.report.prose import Name, Sentence, name
from ecosystem.scenario import Parameters, Shock

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def in_words(number: int) -> str:
    """Return a count as a word up to twelve, in figures above.

    Examples
    --------
    >>> in_words(3), in_words(1200)
    ('three', '1,200')
    """
    return _WORDS[number] if number < len(_WORDS) else f"{number:,}"


def capital(text: str) -> str:
    """Return a text with a capital first letter.

    Examples
    --------
    >>> capital("two coalitions")
    'Two coalitions'
    """
    return text[:1].upper() + text[1:]


def known_names(setting: Setting) -> dict[Name, int]:
    """Return agents by their names in sentences, without names that could mean someone or something else."""
    shown = [name(one) for one in setting.names]
    taken = Counter([*shown, *map(name, setting.topics)])
    return {one: agent for agent, one in enumerate(shown) if taken[one] == 1}


def parts(words: Sentence, agents: dict[Name, int]) -> list[dict[str, Any]]:
    """Return a sentence as parts: ``text``, whether it is a ``name``, and the ``agent`` it names, if one.

    Parameters
    ----------
    words : tuple of str
        A sentence; text from a scenario is a `Name`.
    agents : dict of Name to int
        From `known_names`.
    """
    told: list[dict[str, Any]] = []
    for word in words:
        if isinstance(word, Name):
            told.append({"text": str(word), "name": True, "agent": agents.get(word)})
        elif told and not told[-1]["name"]:
            told[-1]["text"] += word
        else:
            told.append({"text": word, "name": False, "agent": None})
    return told


def mention(view: View, agent: int) -> dict[str, Any]:
    """Return an agent as it is mentioned: its name, and the coalition it is in with its colour."""
    label = int(view.scene.partition[agent])
    return {
        "agent": int(agent),
        "name": str(name(view.viewing.setting.names[agent])),
        "coalition": label if label >= 0 else None,
        "colour": view.colour(agent) if label >= 0 else None,
    }


def in_force(setting: Setting, parameter: str, step: int) -> Any:
    """Return the value that a parameter had at a step: the scenario's, unless an intervention had changed it."""
    value = getattr(setting.scenario.parameters, parameter)
    shocks = [event for event in setting.scenario.interventions if isinstance(event, Shock) and event.step <= step]
    for shock in sorted(shocks, key=lambda shock: shock.step):
        value = shock.changes.get(parameter, value)
    return value


def moves_arguments(setting: Setting, step: int) -> bool:
    """Return whether agents took over arguments at a step, not numbers."""
    return bool(in_force(setting, "kernel", step) == Parameters.model_fields["kernel"].default)


def rounded(value: float, digits: int = 4) -> float | None:
    """Return a number as the browser gets it; None where it is not known."""
    return round(float(value), digits) if np.isfinite(value) else None
