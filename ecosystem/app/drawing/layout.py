"""Where agents stand in the drawing of the alignment network, step after step without a jump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.drawing.discs import (
    GOLDEN,
    Array,
    Discs,
    Labels,
    Mask,
    Room,
    arrange,
    free_place,
    node_radius,
    separate,
    settle,
    spacing,
    start,
    within,
)

__all__ = ["ASPECT", "Layout", "hull_margin", "node_radius", "place", "spacing"]

ASPECT = 4 / 3
"""Width of the drawing, which is 1, over its height."""

_FURTHEST = 0.8  # that an agent moves in a step, in radii of the layout; further only where most regroup at once
_CALM = 0.043  # most that agents whose coalition did not change move on average, in radii of the layout
_MOST = 0.047  # and with what making way for each other adds
_CALMER = 0.3  # share of that for those who have arrived, where others are still on their way
_EASE = 0.5  # share of its way that one who has arrived moves in a step
_HOP = 2.5  # shortest stride of one in a queue, in radii of a node: past the middle of another node
_LIGHT = 0.02  # mass of those who travel beside those who stay
_NEAR = 0.75  # to its place, in spacings, counts as arrived
_ROUNDS = 40  # of relaxation at the opening, and when most regroup at once
_INNER_ROUNDS = 8


@dataclass(frozen=True)
class Layout:
    """Where agents stand at a step.

    Attributes
    ----------
    places : (n_agents, 2) float32
        In the unit square, the same unit across and down: a drawing less high than wide takes its middle, from
        ``(1 - 1 / aspect) / 2`` down to ``(1 + 1 / aspect) / 2``. No two are nearer than twice `node_radius`.
    arrived : (n_agents,) bool
        Who stands with its coalition, or at its place if it is alone. The others are on their way there, or absent:
        an outline drawn around those who have arrived does not stretch across the drawing for those who come.
    partition : (n_agents,) int
        Coalition labels.
    homes : dict of int to (2,) float
        Where the discs of coalitions, and of agents alone, have their centres, about that of the drawing, by label.
    """

    places: NDArray[np.float32]
    arrived: Mask
    partition: Labels
    homes: dict[int, Array]


def hull_margin(n_agents: int) -> float:
    """Return the margin at which outlines around coalitions do not meet once the drawing has come to rest."""
    return spacing(n_agents) / 2


def place(
    alignment: NDArray[np.floating],
    partition: NDArray[np.integer],
    present: Mask,
    before: Layout | None = None,
    aspect: float = ASPECT,
) -> Layout:
    """Return where agents stand in the drawing after a step, near to where they stood before it.

    Coalitions, and agents alone, are discs with room for their members. Discs are drawn to distances that shrink
    with alignment, kept apart and inside the frame; a new one takes the free place nearest to its members. Members
    stand in their disc by the same rule. Agents then go towards their place: those whose coalition changed at most
    0.8 of the layout's radius (root mean square distance from its centre; further where more than three in four
    regroup at once), the others together less than 5 % of it on average, so that of many on their way some wait.
    Nothing is drawn at random: the same arguments give the same layout.

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        Symmetric, in [-1, 1]. At the opening, where it is 0, agents stand in a ring in their order (many: in a
        spiral); the affinity expected between them may be passed instead.
    partition : (n_agents,) int
        Coalition labels; negative for an agent alone.
    present : (n_agents,) bool
        Who takes part. The others stand at the rim.
    before : Layout, optional
        That of the step before; by default, this is the opening.
    aspect : float
        Width over height of the drawing.
    """
    labels = np.array(partition, np.int64)
    room = Room.of(len(labels), aspect)
    discs = Discs.of(np.asarray(alignment, np.float64), labels, present, room)
    if before is None:
        points, homes = start(discs, room), {}
        changed = np.ones(len(labels), bool)
    else:
        points, homes = before.places.astype(np.float64) - 0.5, before.homes
        changed = labels != before.partition
    goals, homes = _goals(points, discs, homes, room)
    travelling = np.hypot(*(goals - points).T) > room.spacing
    if before is None:
        points = _finish(goals, changed, room)
    else:
        points = _advance(points, goals - points, changed, travelling, room)
    arrived = present & (np.hypot(*(goals - points).T) < _NEAR * room.spacing)
    return Layout((points + 0.5).astype(np.float32), arrived, labels, homes)


def _goals(points: Array, discs: Discs, homes: dict[int, Array], room: Room) -> tuple[Array, dict[int, Array]]:
    """Return where agents would stand were they there already, and the centres of the discs by label."""
    goals = points.copy()
    absent = np.ones(len(points), bool)
    absent[discs.here] = False
    goals[absent] = _rim(points[absent], room)
    if absent.all():
        return goals, {}
    here = points[discs.here]
    centres = discs.mean(here)
    known = np.array([label in homes for label in discs.labels.tolist()])
    anew = bool(discs.sizes[~known].sum() > len(here) / 2)
    if not anew:
        for disc in np.flatnonzero(known).tolist():
            centres[disc] = homes[int(discs.labels[disc])]
        for disc in sorted(np.flatnonzero(~known).tolist(), key=lambda d: -discs.sizes[d]):
            centres[disc] = free_place(disc, here[discs.of_agent == disc], centres, known, discs, room)
            known[disc] = True
    # As long as nobody is aligned with anybody, all discs but those on each other are where they should be.
    rounds = (_ROUNDS if anew else None) if discs.kin.any() else 0
    aims = settle(centres, discs, room, rounds)
    offsets = arrange(here - centres[discs.of_agent], discs, room, _INNER_ROUNDS if anew else None)
    goals[discs.here] = aims[discs.of_agent] + offsets
    return goals, dict(zip(discs.labels.tolist(), aims, strict=True))


def _rim(points: Array, room: Room) -> Array:
    """Return the points of the rim next to some points; who stands at the rim stays there."""
    outward = points / room.half
    side = np.arange(len(points)), np.abs(outward).argmax(1)
    outward[side] = np.where(outward[side] < 0, -1.0, 1.0)
    away = (room.half - np.abs(points)).min(1) > 4 * room.node
    return np.where(away[:, None], outward * room.half, points)


def _advance(points: Array, moves: Array, changed: Mask, travelling: Mask, room: Room) -> Array:
    """Return points after a step on their way."""
    radius = min(_radius(points), _radius(points + moves))
    furthest = np.where(changed, max(_FURTHEST, 3 * changed.mean() - 1.5), _FURTHEST)
    moves = within(moves, radius * furthest)
    after = points
    for share in (1.0, 0.7, 0.4, 0.0):  # less, where making way for each other takes much of it
        allowed = share * _CALM * radius * (~changed).sum()
        measured = _measured(moves, changed, travelling, allowed, room.node)
        after = _finish(points + measured, changed | travelling if share else changed, room)
        moved = np.hypot(*(after - points)[~changed].T).sum()
        if moved <= _MOST * min(radius, _radius(after)) * (~changed).sum():
            break
    return after


def _measured(moves: Array, changed: Mask, travelling: Mask, allowed: float, node: float) -> Array:
    """Return moves of those whose coalition did not change cut down to some length in all.

    Of those who travel, the nearest to their place go first; the others wait until there is enough left for a
    stride that takes them past who is in their way.
    """
    settled, going = ~changed & ~travelling, np.flatnonzero(~changed & travelling)
    moves = np.where(settled[:, None], _EASE, 1.0) * moves
    spent = float(np.hypot(*moves[settled].T).sum())
    most = (_CALMER if len(going) else 1.0) * allowed
    if spent > most:
        moves[settled] *= most / spent
    far = np.hypot(*moves[going].T)
    order = np.argsort(far, kind="stable")
    far = far[order]
    stride = np.clip(allowed - min(spent, most) - np.cumsum(far) + far, 0, far)
    stride[1:][stride[1:] < np.minimum(far[1:], _HOP * node)] = 0.0
    moves[going[order]] = within(moves[going[order]], stride)
    return moves


def _radius(points: Array) -> float:
    """Return the root mean square distance of points from their centre."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


def _finish(points: Array, travelling: Mask, room: Room) -> Array:
    """Return points inside the frame, no two nodes on each other; who travels goes round those who stay."""
    radii = np.full(len(points), 1.02 * room.node)
    mass = np.where(travelling, _LIGHT, 1.0)
    points = separate(points.clip(-room.half, room.half), radii, mass, room.half, rounds=60, swerve=0.8)
    across, down = (axis[:, None] - axis for axis in points.T)
    apart = np.hypot(across, down) + np.eye(len(points))
    jammed = np.flatnonzero(apart.min(1) < 2.001 * room.node)
    for agent in jammed[np.argsort(~travelling[jammed], kind="stable")]:  # to the nearest free spot
        others = np.delete(points, agent, 0)
        if np.hypot(*(others - points[agent]).T).min() < 2.001 * room.node:
            points[agent] = _nearest_spot(points[agent], others, room)
    return points


def _nearest_spot(point: Array, others: Array, room: Room) -> Array:
    """Return the spot nearest to a point where a node is on no other; the point itself where there is none."""
    step = np.arange(1, 2000)
    spots = point + (0.4 * room.node * np.sqrt(step) * np.stack([np.cos(GOLDEN * step), np.sin(GOLDEN * step)])).T
    free = (np.abs(spots) <= room.half).all(1)
    free &= (np.hypot(*(spots[:, None] - others).transpose(2, 0, 1)) > 2.01 * room.node).all(1)
    return spots[free.argmax()] if free.any() else point
