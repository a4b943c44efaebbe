"""How a debate stands, at a glance: a headline, the coalitions, the last that happened."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecosystem.app.debates.view import ALONE, View
from ecosystem.app.panels.happenings import as_data, up_to
from ecosystem.app.panels.wording import capital, in_words, known_names, mention, parts, rounded
from ecosystem.report.prose import Name, Sentence, decimal, listed, name, sentence

_LATEST, _NAMED = 3, 4

POLARIZATION = "esteban_ray"
"""The measure that the headline calls polarization."""

SCALE = "(Esteban-Ray, at most 0.20)"


def outline(view: View) -> dict[str, Any]:
    """Return how the debate stands at the step shown.

    Returns
    -------
    dict
        ``headline`` (sentence), ``coalitions`` (the largest first: ``label``, ``colour``, ``members``, ``since``,
        the step at which it came to be, ``inside``, the mean alignment of its pairs), ``alone``, ``absent``,
        ``latest`` (the last three happenings, the newest first).
    """
    scene, setting = view.scene, view.viewing.setting
    names = known_names(setting)
    partitions = view.viewing.course.partitions[: view.step + 1]
    lone = np.flatnonzero((scene.partition < 0) & scene.present)
    coalitions = [
        {
            "label": label,
            "colour": view.colours.get(label, ALONE),
            "members": [mention(view, agent) for agent in members],
            "since": int((partitions == label).any(axis=1).argmax()),
            "inside": rounded(inside(view, members)),
        }
        for label, members in scene.coalitions.items()
    ]
    return {
        "step": view.step,
        "headline": parts(headline(view), names),
        "coalitions": coalitions,
        "alone": [mention(view, int(agent)) for agent in lone],
        "absent": [mention(view, int(agent)) for agent in np.flatnonzero(~scene.present)],
        "latest": [as_data(one, names) for one in reversed(up_to(view)[-_LATEST:])],
    }


def headline(view: View) -> Sentence:
    """Return how the debate stands, in a sentence or two."""
    return sentence(_coalitions(view), " ", _opening(view) if view.step == 0 else _polarization(view))


def inside(view: View, members: tuple[int, ...]) -> float:
    """Return the mean alignment over the pairs of some agents; NaN where there is none."""
    among = view.scene.alignment[np.ix_(members, members)].astype(np.float64)
    pairs = among[np.triu_indices(len(members), 1)]
    return float(pairs.mean()) if len(pairs) else float("nan")


def heart(view: View, members: tuple[int, ...]) -> int:
    """Return the member most aligned with the others of its coalition, on average."""
    among = view.scene.alignment[np.ix_(members, members)].astype(np.float64)
    np.fill_diagonal(among, 0.0)
    return members[int(among.sum(1).argmax())]


def _coalitions(view: View) -> Sentence:
    coalitions, here = view.scene.coalitions, int(view.scene.present.sum())
    alone = here - sum(map(len, coalitions.values()))
    if not here:
        return ("No one takes part.",)
    if not coalitions:
        return (f"No coalition: {_all(here)} alone.",)
    if view.step == 0:
        return (f"{capital(in_words(here))} agents, dealt at random into {_number(len(coalitions))}.",)
    if len(coalitions) == 1 and not alone:
        (members,) = coalitions.values()
        if here == 2:
            return sentence("One coalition: ", *listed([_called(view, one) for one in members]), ".")
        return sentence(f"One coalition: all {in_words(here)}, around ", _called(view, heart(view, members)), ".")
    named = [
        sentence(f"{in_words(len(members))} around ", _called(view, heart(view, members)))
        if len(members) > 2
        else sentence(*listed([_called(view, one) for one in members]))
        for members in list(coalitions.values())[:_NAMED]
    ]
    rest = len(coalitions) - len(named)
    if rest:
        named.append((f"{in_words(rest)} more",))
    lone = f"; {in_words(alone)} stand{'s' * (alone == 1)} alone" if alone else ""
    return sentence(f"{capital(_number(len(coalitions)))}: ", listed(named, len(named), "; "), f"{lone}.")


def _polarization(view: View) -> str:
    """Return how polarization went since it was first known."""
    values = view.viewing.course.measure(POLARIZATION)[: view.step + 1].astype(np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or known[-1] != view.step:
        return "Polarization is not known."
    first, last = int(known[0]), values[view.step]
    start, end = decimal(values[first]), decimal(last)
    if first == view.step:
        return f"Polarization stands at {end} {SCALE}."
    if start == end:
        return f"Polarization stayed at {end} since step {first} {SCALE}."
    return (
        f"Polarization {'rose' if last > values[first] else 'fell'} from {start} to {end} since step {first} {SCALE}."
    )


def _opening(view: View) -> str:
    if view.viewing.setting.scenario.affinity is not None:
        return "How far each agrees with each other is given; the first step lets them regroup on it."
    return "No one has spoken yet: press Play, or Step. Coalitions follow from what they say to each other."


def _all(here: int) -> str:
    few = {1: "the one agent there is stands", 2: "both agents stand"}
    return few.get(here, f"all {in_words(here)} agents stand")


def _number(coalitions: int) -> str:
    return f"{in_words(coalitions)} coalition{'s' * (coalitions != 1)}"


def _called(view: View, agent: int) -> Name:
    return name(view.viewing.setting.names[agent])
