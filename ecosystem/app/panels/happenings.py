"""What happened in a debate up to the step shown, the newest first."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection
from typing import Any

from ecosystem.app.debates.scenes import Told
from ecosystem.app.debates.view import View
from ecosystem.app.panels.wording import known_names, parts

PAGE = 100
"""Happenings that are shown before older ones are asked for."""

KINDS = ("form", "join", "leave", "move", "merge", "split", "dissolve", "intervention")
"""Kinds of happenings, in the order in which they are offered; a move is a leave and a join at one step."""


def happenings(
    view: View, kinds: Collection[str] = KINDS, agent: int | None = None, limit: int | None = PAGE
) -> dict[str, Any]:
    """Return the happenings up to the step shown that pass a filter, the newest step first.

    Within a step they keep their order: what came first is told first.

    Parameters
    ----------
    view : View
        What is looked at.
    kinds : collection of str
        The kinds that are let through, of `KINDS`.
    agent : int, optional
        Only what concerned this agent.
    limit : int, optional
        Most happenings to return; all by default.

    Returns
    -------
    dict
        ``step``, ``counts`` (of each kind, of that agent if one is given), ``total`` (how many passed), ``told``.
    """
    told = up_to(view)
    mine = told if agent is None else [one for one in told if agent in one.agents]
    counts = Counter(one.kind for one in mine)
    passed = sorted((one for one in mine if one.kind in kinds), key=lambda one: -one.step)
    names = known_names(view.viewing.setting)
    return {
        "step": view.step,
        "counts": {kind: counts[kind] for kind in KINDS},
        "total": len(passed),
        "told": [as_data(one, names) for one in passed[:limit]],
    }


def up_to(view: View) -> list[Told]:
    """Return what happened up to the step shown, in order."""
    told = view.viewing.course.told
    return told[: bisect_right(told, view.step, key=lambda one: one.step)]


def as_data(one: Told, names: dict[Any, int]) -> dict[str, Any]:
    """Return a happening as plain data; ``event`` is None where there is nothing to explain."""
    return {"step": one.step, "kind": one.kind, "words": parts(one.words, names), "event": one.event}
