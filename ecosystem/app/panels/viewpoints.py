"""How an agent stands to the others: by alignment, and topic by topic by what each holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.theme import affinity_colours, inks
from ecosystem.app.debates.scenes import Setting
from ecosystem.app.debates.view import View
from ecosystem.app.panels.wording import mention, rounded
from ecosystem.jepa.statements import affinity_to_holders
from ecosystem.report.prose import name

_NEAREST = 2
_SHOWN = 12
_FEW = 16  # others, up to which all are shown


def affinity_by_topic(setting: Setting, held: tuple[tuple[int, ...], ...], agent: int) -> NDArray[np.float64]:
    """Return how far an agent would agree with what the others hold, topic by topic.

    The mean over the statements that another holds on a topic of the agent's affinity to them: the
    relevance-weighted affinity to the statements it holds itself.

    Parameters
    ----------
    setting : Setting
        With the table of statements.
    held : tuple of tuple of int
        The statements that each agent holds.
    agent : int
        Whose view is taken.

    Returns
    -------
    (n_topics, n_agents) float64
        In [-1, 1]; NaN where either holds nothing on the topic, and for the agent itself.
    """
    table = setting.statements
    n_agents, n_topics = len(held), len(setting.topics)
    if not len(table):
        return np.full((n_topics, n_agents), np.nan)
    holders = np.zeros((n_agents, len(table)), np.float32)
    for other, rows in enumerate(held):
        holders[other, list(rows)] = 1.0
    received = affinity_to_holders(table.affinity, table.relevance, holders[[agent]])[:, 0]
    on = np.eye(n_topics)[table.topic_of]
    totals = (holders * np.nan_to_num(received)) @ on
    counts = (holders * np.isfinite(received)) @ on
    means = np.full((n_topics, n_agents), np.nan)
    np.divide(totals.T, counts.T, out=means, where=counts.T > 0)
    means[:, agent] = np.nan
    return means


def nearest_and_furthest(view: View, agent: int, most: int = _NEAREST) -> tuple[list[int], list[int]]:
    """Return the present agents most aligned with an agent, and the least aligned, the extreme first.

    No one is both; with an odd number of others, the one in the middle is with the most aligned.
    """
    others = _others(view, agent)
    order = others[np.argsort(-view.scene.alignment[agent, others], kind="stable")]
    near = order[: min(most, (len(order) + 1) // 2)]
    return near.tolist(), order[max(len(near), len(order) - most) :][::-1].tolist()


def viewpoints(view: View, agent: int) -> dict[str, Any]:
    """Return how an agent stands to the others.

    Returns
    -------
    dict
        ``nearest``, ``furthest`` (agents with their ``alignment``), ``opposed`` (whether the furthest are below 0),
        ``others`` (columns: agents ordered by coalition, the own first), ``chosen`` (whether they are the most and
        least aligned of more), ``topics`` (rows: ``title``, ``current``, ``cells``: affinity in [-1, 1] or None, and
        its colours, light and dark), ``scale`` (colours of -0.5, 0 and 0.5), ``held_at`` (the step after which what
        they hold was so).
    """
    scene, setting = view.scene, view.viewing.setting
    near, far = nearest_and_furthest(view, agent)
    columns, chosen = _columns(view, agent)
    means = affinity_by_topic(setting, scene.held, agent)[:, columns]
    rows = [
        {
            "title": str(name(title)),
            "current": row == scene.topic,
            "cells": [[rounded(value), *_shades(value)] for value in means[row]],
        }
        for row, title in enumerate(setting.topics)
        if np.isfinite(means[row]).any()
    ]
    return {
        "nearest": [_tied(view, agent, other) for other in near],
        "furthest": [_tied(view, agent, other) for other in far],
        "opposed": all(scene.alignment[agent, other] < 0 for other in far),
        "others": [mention(view, other) for other in columns],
        "chosen": chosen,
        "topics": rows,
        "scale": [_shades(value) for value in (-0.5, 0.0, 0.5)],
        "held_at": scene.held_at,
    }


def _shades(value: float) -> list[str]:
    """Return the colours of an affinity on a light page and on a dark one, those of the heatmap."""
    if not np.isfinite(value):
        return [inks(dark).missing for dark in (False, True)]
    return [affinity_colours(dark)[round(100 * value) + 100] for dark in (False, True)]


def _tied(view: View, agent: int, other: int) -> dict[str, Any]:
    return {**mention(view, other), "alignment": rounded(view.scene.alignment[agent, other])}


def _others(view: View, agent: int) -> NDArray[np.int64]:
    return np.flatnonzero(view.scene.present & (np.arange(len(view.scene.present)) != agent))


def _columns(view: View, agent: int) -> tuple[list[int], bool]:
    """Return whom the table of topics shows, by coalition, and whether it leaves anyone out."""
    partition, others = view.scene.partition, _others(view, agent)
    chosen = len(others) > _FEW
    if chosen:
        near, far = nearest_and_furthest(view, agent, _SHOWN // 2)
        others = np.array([*near, *far], np.int64)
    sizes = {label: len(members) for label, members in view.scene.coalitions.items()}

    def rank(other: int) -> tuple[bool, int, int, int]:
        label = int(partition[other])
        return label != partition[agent] or label < 0, -sizes.get(label, 0), label if label >= 0 else len(sizes), other

    return sorted(others.tolist(), key=rank), chosen
