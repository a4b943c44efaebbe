"""What was said at a step, and what became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.view import View
from ecosystem.app.panels.wording import (
    capital,
    in_force,
    in_words,
    known_names,
    mention,
    moves_arguments,
    parts,
    rounded,
)
from ecosystem.report.prose import count, name
from ecosystem.scenario import NewTopic, Scenario

SHOWN = 30
"""Utterances that are shown before more are asked for."""


def said(view: View, limit: int | None = SHOWN) -> dict[str, Any]:
    """Return what was said at the step shown, the most accepted first.

    Parameters
    ----------
    view : View
        What is looked at.
    limit : int, optional
        Most utterances to return; all by default.

    Returns
    -------
    dict
        ``step``, ``topic`` with its ``title`` and ``motion``, ``note`` (what to know where nothing was said),
        ``interventions`` (sentences), ``total`` (number of utterances) and ``utterances``. Of each: its ``speaker``,
        ``text``, ``accepted`` and ``declined`` (who weighed it, with their ``affinity`` to it and, if they were of
        another coalition when it was said, ``across``: the speaker's and theirs), ``across`` (how many of those who
        accepted were).
    """
    scene, setting = view.scene, view.viewing.setting
    names = known_names(setting)
    told = [parts(one.words, names) for one in scene.told if one.kind == "intervention"]
    spoke = np.flatnonzero(scene.utterances >= 0)
    before = view.viewing.course.partitions[max(view.step - 1, 0)]
    utterances = [_utterance(view, int(speaker), before) for speaker in spoke]
    utterances.sort(key=lambda one: (-len(one["accepted"]), -one["across"], -len(one["declined"])))
    return {
        "step": view.step,
        "topic": _topic(view),
        "note": _note(view, len(utterances)),
        "taken": "taken over" if moves_arguments(setting, view.step) else "moved",
        "interventions": told,
        "total": len(utterances),
        "utterances": utterances[:limit],
    }


def _utterance(view: View, speaker: int, before: NDArray[np.int32]) -> dict[str, Any]:
    scene = view.scene
    weighed = np.flatnonzero(scene.speaker == speaker)
    listeners = [_listener(view, speaker, int(listener), before) for listener in weighed]
    accepted = [one for one, taken in zip(listeners, scene.accepted[weighed], strict=True) if taken]
    return {
        "speaker": mention(view, speaker),
        "text": view.viewing.setting.statements.texts[scene.utterances[speaker]],
        "accepted": accepted,
        "declined": [one for one, taken in zip(listeners, scene.accepted[weighed], strict=True) if not taken],
        "across": sum(one["across"] is not None for one in accepted),
    }


def _listener(view: View, speaker: int, listener: int, before: NDArray[np.int32]) -> dict[str, Any]:
    """Return who weighed an utterance; it crossed coalitions if both were in one, not the same, when it was said."""
    theirs, own = int(before[speaker]), int(before[listener])
    return {
        **mention(view, listener),
        "affinity": rounded(view.scene.observed[speaker, listener]),
        "across": [theirs, own] if theirs >= 0 and own >= 0 and theirs != own else None,
    }


def _topic(view: View) -> dict[str, Any] | None:
    row = view.scene.topic
    if row is None or view.viewing.setting.scenario.affinity is not None:
        return None
    return {
        "title": str(name(view.viewing.setting.topics[row], 200)),
        "motion": view.viewing.setting.scenario.topics[row].motion,
    }


def _note(view: View, n_said: int) -> list[dict[str, Any]]:
    """Return what to know where nothing was said."""
    setting = view.viewing.setting
    if setting.scenario.affinity is not None:
        text = (
            "Nothing is said in this scenario: how far each agrees with each other is given, "
            "and they only regroup on it."
        )
        return parts((text,), {})
    if view.step == 0:
        return _opening(view)
    if not n_said:
        return parts(("No one said anything at this step.",), {})
    return []


def _opening(view: View) -> list[dict[str, Any]]:
    """Return what will happen at the first step."""
    setting, scene = view.viewing.setting, view.scene
    here = int(scene.present.sum())
    duration, rotates = in_force(setting, "topic_duration", 1), in_force(setting, "agenda", 1) == "rotate"
    who = capital(in_words(here)) if here != 1 else "One"
    opening: tuple[str, ...] = (f"No one has spoken yet. {who} agent{'s' * (here != 1)} will debate ",)
    if rotates:
        opening += (
            name(setting.topics[_first_topic(setting.scenario)]),
            f" for {count(duration, 'step')}, then the next topic. ",
        )
    else:
        opening += (f"topics drawn at random, each for {count(duration, 'step')}. ",)
    outcome = "take it over" if moves_arguments(setting, 1) else "be moved by it"
    return parts(
        (*opening, f"At each step most say one thing; each weighs what one of the others says, and may {outcome}."), {}
    )


def _first_topic(scenario: Scenario) -> int:
    """Return the topic that is debated first where they take turns: the first, unless another is brought in."""
    rows = {topic.id: row for row, topic in enumerate(scenario.topics)}
    brought = [rows[event.topic] for event in scenario.interventions if isinstance(event, NewTopic) and event.step == 1]
    return (brought[-1:] or [row for key, row in rows.items() if not scenario.comes_later(key)])[0]
