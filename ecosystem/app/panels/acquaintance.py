"""What there is to know of an agent: who it is, where it stands and why, what it holds and what it said."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from ecosystem.app.debates.scenes import Scene
from ecosystem.app.debates.view import View
from ecosystem.app.panels.membership import Membership, Option, membership
from ecosystem.app.panels.reasons import place_name, reasons
from ecosystem.app.panels.viewpoints import viewpoints
from ecosystem.app.panels.wording import known_names, mention, moves_arguments, parts, rounded
from ecosystem.report.prose import name
from ecosystem.scenario import Discovery, Shock

LOOKBACK = 60
"""Steps back to which it is looked up what an agent said, and whom it took statements over from."""

_UTTERANCES = 10
_COALITIONS, _LONE = 5, 2  # other places that are listed: coalitions there are, and agents alone

_TRAITS = {
    "openness": "how readily it takes over what it hears: a factor on the chance",
    "stubbornness": "share of its statements that nothing displaces",
    "talkativeness": "chance to speak at a step",
    "weight": "its size in the coalition game",
}


def acquaint(view: View, agent: int) -> dict[str, Any]:
    """Return what there is to know of an agent at the step shown.

    Returns
    -------
    dict
        ``who``, ``description``, ``bloc``, ``present``, ``traits``, ``coalition``, ``viewpoints`` (see `viewpoints`),
        ``memory``, ``recent``. All of it is plain data.
    """
    setting, scene = view.viewing.setting, view.scene
    persona, present = setting.personas[agent], bool(scene.present[agent])
    passed = list(_passed(view))
    return {
        "step": view.step,
        "who": mention(view, agent),
        "description": persona.description,
        "bloc": None if persona.bloc is None else str(name(persona.bloc, 200)),
        "present": present,
        "given": setting.scenario.affinity is not None,
        "by_arguments": moves_arguments(setting, view.step),
        "traits": traits(view, agent),
        "coalition": coalition(view, membership(view, agent)) if present else None,
        "viewpoints": viewpoints(view, agent),
        "memory": memory(view, agent, passed),
        "recent": recent(view, agent, passed),
    }


def traits(view: View, agent: int) -> list[dict[str, Any]]:
    """Return an agent's traits: ``name``, ``value``, ``share`` of the bar that is full, ``meaning``, ``since``.

    ``since`` is the step at which an intervention set the trait; None where the scenario did.
    """
    setting = view.viewing.setting
    persona, heaviest = setting.personas[agent], max(one.weight for one in setting.personas)
    told = []
    for trait, meaning in _TRAITS.items():
        value, since = float(getattr(persona, trait)), None
        if trait == "stubbornness":
            value, since = _stubbornness(view, agent)
        share = value / heaviest if trait == "weight" else value
        told.append({"name": trait, "value": value, "share": share, "meaning": meaning, "since": since})
    return told


def coalition(view: View, found: Membership) -> dict[str, Any]:
    """Return where an agent stands and why: its partners, reasons, and what other places would be worth.

    Returns
    -------
    dict
        ``partners``, ``why`` (sentences), ``here`` (what its place is worth), ``options`` (the best first: ``place``,
        ``worth``, ``gain``, ``aligned``, ``bar``, ``pays``), ``more`` (options left out), and of the rules
        ``threshold``, ``cost``, ``entry``.
    """
    names = known_names(view.viewing.setting)
    kept = _listed(found)
    options = [
        {
            "place": parts(place_name(view, one), names),
            "colour": view.colours.get(one.label) if one.label is not None else None,
            "worth": rounded(found.worth + one.gain),
            "gain": rounded(one.gain),
            "aligned": rounded(one.aligned),
            "bar": one.bar,
            "pays": one.pays,
        }
        for one in kept
    ]
    return {
        "partners": [mention(view, partner) for partner in found.partners],
        "why": [parts(words, names) for words in reasons(view, found)],
        "here": rounded(found.worth),
        "aligned": rounded(found.aligned),
        "options": options,
        "more": len(found.options) - len(kept),
        "threshold": rounded(found.game.threshold),
        "cost": found.game.switching_cost,
        "entry": found.game.entry,
    }


def _listed(found: Membership) -> list[Option]:
    """Return the options that are listed: the best coalitions, the best agents alone, and standing alone."""
    coalitions = [one for one in found.options if one.label is not None and one.label >= 0]
    lone = [one for one in found.options if one.label is not None and one.label < 0]
    kept = [*coalitions[:_COALITIONS], *lone[:_LONE], *(one for one in found.options if one.label is None)]
    return sorted(kept, key=lambda one: -one.gain)


def memory(view: View, agent: int, passed: list[Scene]) -> dict[str, Any]:
    """Return the statements that an agent holds, by topic, and where it has them from.

    Parameters
    ----------
    passed : list of Scene
        The steps that are looked through for whom it took a statement over from, the last first.

    Returns
    -------
    dict
        ``held_at``, ``own`` and ``corpus`` (statements it holds of its corpus, and its size), ``topics`` (``title``,
        ``current``, ``statements``: ``text``, ``source``, ``speaker``, ``step``). ``source`` is ``own``, ``learned``
        (by an intervention), ``from`` (another, who is named) or ``taken`` (over, from whom is not known).
    """
    scene, setting = view.scene, view.viewing.setting
    held, corpus = scene.held[agent], set(setting.personas[agent].corpus)
    origins = _origins(agent, [one for one in passed if one.step <= scene.held_at])
    learned = _learned(view, agent)
    by_topic: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(held):
        told: dict[str, Any] = {"text": setting.statements.texts[row], "source": "taken", "speaker": None, "step": None}
        if row in corpus:
            told["source"] = "own"
        elif row in learned:
            told |= {"source": "learned", "step": learned[row]}
        elif row in origins:
            speaker, step = origins[row]
            told |= {"source": "from", "speaker": mention(view, speaker), "step": step}
        by_topic.setdefault(int(setting.statements.topic_of[row]), []).append(told)
    return {
        "held_at": scene.held_at,
        "total": len(held),
        "own": len(corpus & set(held)),
        "corpus": len(corpus),
        "topics": [
            {"title": str(name(setting.topics[topic])), "current": topic == scene.topic, "statements": by_topic[topic]}
            for topic in sorted(by_topic)
        ],
    }


def recent(view: View, agent: int, passed: list[Scene]) -> list[dict[str, Any]]:
    """Return the last things an agent said, the newest first, with how many weighed and how many accepted each."""
    setting = view.viewing.setting
    spoke = (scene for scene in passed if scene.utterances[agent] >= 0)
    return [
        {
            "step": scene.step,
            "topic": "" if scene.topic is None else str(name(setting.topics[scene.topic])),
            "text": setting.statements.texts[scene.utterances[agent]],
            "weighed": int((scene.speaker == agent).sum()),
            "accepted": int(((scene.speaker == agent) & scene.accepted).sum()),
        }
        for scene in islice(spoke, _UTTERANCES)
    ]


def _passed(view: View) -> Any:
    """Yield the steps up to the one shown, the last first, as far as it is looked back."""
    if view.viewing.setting.scenario.affinity is None:
        for step in range(view.step, max(view.step - LOOKBACK, 0), -1):
            yield view.viewing.scene(step)


def _origins(agent: int, passed: list[Scene]) -> dict[int, tuple[int, int]]:
    """Return from whom, and when, an agent last took statements over, by statement."""
    found: dict[int, tuple[int, int]] = {}
    for scene in passed:
        speaker = int(scene.speaker[agent])
        if scene.accepted[agent] and speaker >= 0 and scene.utterances[speaker] >= 0:
            found.setdefault(int(scene.utterances[speaker]), (speaker, scene.step))
    return found


def _learned(view: View, agent: int) -> dict[int, int]:
    """Return the statements that interventions let an agent learn of, with the step."""
    setting = view.viewing.setting
    topics = {topic.id: row for row, topic in enumerate(setting.scenario.topics)}
    found: dict[int, int] = {}
    for event in setting.scenario.interventions:
        if isinstance(event, Discovery) and event.step <= view.scene.held_at and setting.keys[agent] in event.personas:
            rows = np.flatnonzero(setting.statements.topic_of == topics[event.topic])
            found |= {int(row): event.step for row in rows if setting.statements.texts[row] == event.text}
    return found


def _stubbornness(view: View, agent: int) -> tuple[float, int | None]:
    """Return an agent's stubbornness at the step shown, and the step at which an intervention set it."""
    setting = view.viewing.setting
    value, since = setting.personas[agent].stubbornness, None
    shocks = [event for event in setting.scenario.interventions if isinstance(event, Shock) and event.step <= view.step]
    for shock in sorted(shocks, key=lambda shock: shock.step):
        if shock.stubbornness is not None and (not shock.personas or setting.keys[agent] in shock.personas):
            value, since = shock.stubbornness, shock.step
    return value, since
