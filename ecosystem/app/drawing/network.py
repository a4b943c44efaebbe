"""The alignment network: who stands with whom at a step, as much of it as a reader can follow."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import ipyvuetify
import numpy as np
import solara
import traitlets
from numpy.typing import NDArray

from ecosystem.app.debates.scenes import Scene, Setting, Viewing
from ecosystem.app.debates.view import View
from ecosystem.app.drawing.layout import ASPECT, node_radius, spacing
from ecosystem.report.network import strongest
from ecosystem.report.prose import name

RECENT = 10
"""Steps over which the arguments taken over from an agent count as its influence."""

_ALL_PAIRS = 256  # most agents of whom the page knows every alignment: beyond, those that are drawn
_FEW = 24  # agents up to which two pairs of either sign are drawn of each; beyond, one
_MOST_EDGES = 60  # drawn of either sign
_NAME = 200  # most letters of a name
_CLOSEST = 0.8  # least width of the unit square that is seen; closer up, those who stray would make it jump
_AIR = 0.04  # seen around where agents stood at the opening, both sides together
_STEADY = 40  # steps over which the middle of what is seen is steadied
_MARGIN = 0.06  # of what is seen, by which agents may stray from it
_LEAST, _USUAL = 0.5, 0.75  # radius of a node without influence, and with its even share, of the largest


def network_data(view: View) -> dict[str, Any]:
    """Return what the drawing of the network shows at a step, as plain lists and numbers.

    Parameters
    ----------
    view : View
        The debate and the step.

    Returns
    -------
    dict
        ``revision`` and ``step``; ``frame``, the left, top, right and bottom of what is to be seen of the unit square;
        ``spacing``, the distance between members of a coalition in its unit.

        ``nodes``: columns by agent index. ``x``, ``y`` in the unit square; ``radius`` in its unit; ``influence`` as
        ``influence`` below says; ``coalition``, a label or None; ``present``; ``spoke``, at this step; ``taken``, how
        many took over what it said at this step.

        ``edges``: ``[agent, other, alignment]`` of the pairs that are drawn: the 60 strongest of either sign of those
        that are among the strongest for one of the two.

        ``coalitions``: ``label``, ``colour``, ``members``, and those of them around whom an outline is drawn: who has
        ``arrived``, or all while no one has. The largest first.

        ``influence``: what the size of a node shows. ``weight`` where personas differ in weight; ``taken``, the
        arguments taken over from it in the last `RECENT` steps; or None where no one has said anything.

        ``pairs``: alignment of all pairs in hundredths, the upper triangle by rows, a signed byte each, in base 64;
        empty beyond 256 agents.
    """
    scene = view.scene
    meaning, influence = agent_influence(view.viewing, scene)
    alignment = np.where(np.logical_and.outer(scene.present, scene.present), scene.alignment, 0.0).astype(np.float64)
    np.fill_diagonal(alignment, 0.0)
    n_agents = len(scene.present)
    labels = [label if label >= 0 else None for label in scene.partition.tolist()]
    return {
        "revision": view.revision,
        "step": scene.step,
        "frame": _rounded(_frame(view), 4),
        "spacing": round(spacing(n_agents), 4),
        "nodes": {
            "x": _rounded(scene.places[:, 0], 4),
            "y": _rounded(scene.places[:, 1], 4),
            "radius": _rounded(node_radius(n_agents) * _size(influence, 0.0 if meaning == "weight" else 1.0), 4),
            "influence": _rounded(influence, 1),
            "coalition": labels,
            "present": scene.present.tolist(),
            "spoke": (scene.utterances >= 0).tolist(),
            "taken": _taken(scene).tolist(),
        },
        "edges": _edges(alignment),
        "coalitions": [
            {
                "label": label,
                "colour": view.colours[label],
                "members": list(members),
                "arrived": [agent for agent in members if scene.arrived[agent]] or list(members),
            }
            for label, members in scene.coalitions.items()
        ],
        "influence": meaning,
        "pairs": _pairs(alignment) if n_agents <= _ALL_PAIRS else "",
    }


def network_names(setting: Setting) -> list[str]:
    """Return the names of the agents as they are shown: on one line, in their own order of letters."""
    return [str(name(one, _NAME)) for one in setting.names]


def agent_influence(viewing: Viewing, scene: Scene) -> tuple[str | None, NDArray[np.float64]]:
    """Return what the influence of agents is at a step, and how much of it each has, ``(n_agents,)`` from 0 up."""
    weights = np.array([persona.weight for persona in viewing.setting.personas])
    if np.ptp(weights) > 0:
        return "weight", weights
    first = max(scene.step - RECENT + 1, 1)
    steps = [*(viewing.scene(step) for step in range(first, scene.step)), scene]
    if not any((one.utterances >= 0).any() for one in steps):
        return None, np.ones(len(weights))
    return "taken", np.sum([_taken(one) for one in steps], axis=0, dtype=np.float64)


@solara.component
def Network(view: View, on_select: Callable[[int | None], None], on_drawn: Callable[[int], None] | None = None) -> None:
    """Draw the alignment network at the step shown.

    Parameters
    ----------
    view : View
        The debate and the step; the agent selected is marked.
    on_select : callable
        Told the agent that the visitor selects, or None for no one.
    on_drawn : callable, optional
        Told the `View.revision` that the browser has drawn.
    """
    names = solara.use_memo(lambda: json.dumps(network_names(view.viewing.setting)), [view.viewing.setting])
    drawing = solara.use_memo(
        lambda: json.dumps(network_data(view), separators=(",", ":")), [view.viewing, view.step, view.revision]
    )
    NetworkWidget.element(
        names=names, network=drawing, selected=view.selected, on_select=on_select, on_drawn=on_drawn
    )  # fmt: skip


class NetworkWidget(ipyvuetify.VuetifyTemplate):
    """The drawing in the browser.

    Attributes
    ----------
    names, network : str
        JSON of `network_names` and `network_data`; as text, since Vue would watch every number of a list.
    selected : int or None
        The agent that is marked.
    on_select, on_drawn : callable or None
        As `Network` has them.
    """

    template_file = (__file__, "network.vue")
    names = traitlets.Unicode("[]").tag(sync=True)
    network = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)
    on_select = traitlets.Callable(None, allow_none=True)
    on_drawn = traitlets.Callable(None, allow_none=True)

    def vue_select(self, agent: Any) -> None:
        """Hand on the agent selected; what no drawing can have sent is dropped."""
        known = type(agent) is int and 0 <= agent < len(json.loads(self.names))
        if self.on_select is not None and (agent is None or known):
            self.on_select(agent)

    def vue_drawn(self, revision: Any) -> None:
        """Hand on the revision drawn."""
        if self.on_drawn is not None and type(revision) is int:
            self.on_drawn(revision)


def _frame(view: View) -> NDArray[np.float64]:
    """Return left, top, right and bottom of what is to be seen, which hardly ever changes.

    As wide as where agents stand, which it follows over some steps so that no one sees it, or wider at once where that
    keeps those who stray in the margin; around the middle of where they stood over some steps.
    """
    course = view.viewing.course
    places = np.stack([course.places(step) for step in range(view.step + 1)]).astype(np.float64)
    low, high = places.min(1), places.max(1)
    total = np.cumsum((low + high) / 2, axis=0)
    steps = np.arange(len(total))
    total[_STEADY:] -= total[:-_STEADY].copy()
    middle = total / np.minimum(steps + 1, _STEADY)[:, None]
    wanted = np.maximum(high - low + _AIR, [_CLOSEST, _CLOSEST / ASPECT]) / 2
    need = np.maximum(high - middle, middle - low) / (1 + 2 * _MARGIN)
    half = np.maximum(wanted[0], need[0])
    for goal, least in zip(wanted[1:], need[1:], strict=True):
        half = np.maximum(half + (goal - half) / _STEADY, least)
    return np.concatenate([middle[-1] - half, middle[-1] + half])


def _taken(scene: Scene) -> NDArray[np.int64]:
    """Return how many took over what each said at a step."""
    heard = scene.accepted & (scene.speaker >= 0)
    return np.bincount(scene.speaker[heard], minlength=len(scene.speaker))


def _size(influence: NDArray[np.float64], few: float) -> NDArray[np.float64]:
    """Return radii, as shares of the largest: areas grow with influence, and stay calm where there is but a `few`."""
    relative = (influence + few) / (influence.mean() + few)
    size: NDArray[np.float64] = (_USUAL * np.sqrt(relative)).clip(_LEAST, 1.0)
    return size


def _edges(alignment: NDArray[np.float64]) -> list[list[float]]:
    pairs = strongest(alignment, 2 if len(alignment) <= _FEW else 1)
    weights = alignment[pairs[:, 0], pairs[:, 1]]
    order = np.argsort(-np.abs(weights), kind="stable")
    kept = np.concatenate([order[weights[order] * sign > 0][:_MOST_EDGES] for sign in (1, -1)])
    edges = zip(pairs[kept].tolist(), weights[kept].tolist(), strict=True)
    return sorted([*pair, round(weight, 3)] for pair, weight in edges)


def _pairs(alignment: NDArray[np.float64]) -> str:
    upper = alignment[np.triu_indices(len(alignment), 1)]
    return b64encode((upper * 100).round().astype(np.int8).tobytes()).decode()


def _rounded(values: NDArray[Any], digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
