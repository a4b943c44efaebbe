"""Coalitions as discs in the drawing of the network: where discs go, and where members stand in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FULLEST = 0.14  # of the square: about what agents and the space between coalitions fill together
_WIDEST = 0.17  # spacing, where agents are few
_LARGEST = 0.024  # radius of a node
_FREE = 0.3  # between discs, in spacings
_SPREAD = 0.78  # of the radius of a frame filled evenly
_PULL = 0.6  # how much nearer than strangers the most aligned stand, and how much further off the most opposed
_FAINTEST = 0.1  # usual alignment below which agents are not moved fully
_GAIN = 0.06  # share of its way that alignment moves a disc, or a member of it, in a step
_CROWDED = 6.0  # how much further a disc looks for a place rather than to stand on another
_RING = 24  # agents at most in a ring at the opening
GOLDEN = float(np.pi * (3 - np.sqrt(5)))


def spacing(n_agents: int) -> float:
    """Return the distance at which agents of a coalition stand from each other."""
    return float(min(np.sqrt(_FULLEST / max(n_agents, 1)), _WIDEST))


def node_radius(n_agents: int) -> float:
    """Return the radius of the largest circles that do not overlap, in widths of the drawing.

    Examples
    --------
    >>> round(node_radius(12), 3), round(node_radius(200), 4)
    (0.024, 0.0079)
    """
    return min(0.3 * spacing(n_agents), _LARGEST)


@dataclass(frozen=True)
class Room:
    """The measures of a drawing. All coordinates are relative to its centre.

    Attributes
    ----------
    n_agents : int
    half : (2,) float
        From the centre to the rim, across and down.
    stretch : (2,) float
        How much wider and less high than round the layout is.
    spacing, node : float
        See `spacing` and `node_radius`.
    radius : float
        Of the layout: root mean square distance of agents from the centre.
    """

    n_agents: int
    half: Array
    stretch: Array
    spacing: float
    node: float
    radius: float

    @classmethod
    def of(cls, n_agents: int, aspect: float) -> Room:
        """Measure a drawing of a width over height."""
        node, apart = node_radius(n_agents), spacing(n_agents)
        half = np.array([0.5, 0.5 / aspect]) - max(1.6 * node, 0.03)
        radius = min(_SPREAD * np.sqrt((half**2).sum() / 3), (0.4 + 0.65 * np.sqrt(n_agents)) * apart)
        stretch = np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
        return cls(n_agents, half, stretch, apart, node, float(radius))


@dataclass(frozen=True)
class Discs:
    """Coalitions, and agents alone, as discs with room for their members.

    Attributes
    ----------
    here : (n_present,) int
        Agents present.
    of_agent : (n_present,) int
        The disc of each of them.
    labels : (n_discs,) int
        Coalition labels.
    sizes, reach : (n_discs,) float
        Number of members, and radius.
    kin : (n_present, n_present) float
        Alignment of those present with its usual size taken as 1, in [-1, 1].
    between : (n_discs, n_discs) float
        Mean of it.
    """

    here: Labels
    of_agent: Labels
    labels: Labels
    sizes: Array
    reach: Array
    kin: Array
    between: Array

    @classmethod
    def of(cls, alignment: Array, partition: Labels, present: Mask, room: Room) -> Discs:
        """Build the discs of those present."""
        here = np.flatnonzero(present)
        labels, of_agent, sizes = np.unique(partition[here], return_inverse=True, return_counts=True)
        kin = alignment[np.ix_(here, here)]
        np.fill_diagonal(kin, 0.0)
        usual = float(np.quantile(np.abs(kin), 0.95)) if len(here) else 0.0
        kin = np.clip(kin / max(usual, _FAINTEST), -1, 1)
        member = (of_agent == np.arange(len(labels))[:, None]).astype(np.float64)
        between = member @ kin @ member.T / np.outer(sizes, sizes)
        reach = room.spacing * np.where(sizes > 1, 0.62 * np.sqrt(sizes) + 0.15, 0.5)
        return cls(here, of_agent, labels, sizes.astype(np.float64), reach, kin, between)

    def mean(self, values: Array) -> Array:
        """Return the mean over the members of each disc of values ``(n_present, 2)``."""
        sums = [np.bincount(self.of_agent, axis, len(self.labels)) for axis in values.T]
        means: Array = np.stack(sums, 1) / self.sizes[:, None]
        return means


def start(discs: Discs, room: Room) -> Array:
    """Return where to begin, ``(n_agents, 2)``: by the two main axes of alignment, or in a ring without any.

    Many stand in a spiral instead. The members of a coalition follow each other.
    """
    n = room.n_agents
    first = np.full(n, n)
    first[discs.here] = discs.here[np.unique(discs.of_agent, return_index=True)[1]][discs.of_agent]
    rank = np.empty(n)
    rank[np.lexsort((np.arange(n), first))] = np.arange(n)
    if n <= _RING:
        angle, out = 2 * np.pi * (rank / n - (0.25 if n == 2 else 0)), np.full(n, float(n > 1))
    else:
        angle, out = GOLDEN * rank, np.sqrt(2 * (rank + 0.5) / n)
    points: Array = room.radius * out[:, None] * np.stack([np.sin(angle), -np.cos(angle)], 1) * room.stretch
    if discs.kin.any():
        centred = discs.kin - discs.kin.mean(0)
        centred -= centred.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh((centred + centred.T) / 2)
        axes = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1].clip(0))
        axes *= np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)  # one of the two signs, always the same
        size = np.sqrt((axes**2).sum(1).mean()).clip(1e-9)
        # A little of the ring tells those apart who are aligned alike.
        points[discs.here] = room.radius / size * axes * room.stretch + 0.15 * points[discs.here]
    return points


def free_place(disc: int, members: Array, centres: Array, taken: Mask, discs: Discs, room: Room) -> Array:
    """Return the place for a disc that is nearest to its members and least on discs that have their place."""
    wall = (room.half - discs.reach[disc] + room.spacing / 2).clip(0)
    across, down = (np.linspace(-side, side, 27) for side in wall)
    places = np.concatenate([members.clip(-wall, wall), np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)])
    far = np.hypot(*(places[:, None] - members).transpose(2, 0, 1)).mean(1)
    least = discs.reach[disc] + discs.reach[taken] + _FREE * room.spacing
    lack = (least - np.hypot(*(places[:, None] - centres[taken]).transpose(2, 0, 1))).clip(0)
    best: Array = places[(far + _CROWDED * lack.sum(1)).argmin()]
    return best


def settle(centres: Array, discs: Discs, room: Room, rounds: int | None) -> Array:
    """Return where discs should go: aligned ones near, opposed ones far, none on another, none outside.

    With a number of rounds, all the way; without, the little that alignment moves them in a step.
    """
    half = room.half - (2.4 * room.node if len(discs.here) < room.n_agents else 0.0)  # the absent stand at the rim
    wall = (half - discs.reach[:, None] + room.spacing / 2).clip(0)
    radii = discs.reach + _FREE * room.spacing / 2
    apart = np.maximum(1.28 * room.radius * (1 - _PULL * discs.between), radii[:, None] + radii)
    weight = discs.sizes / apart**2
    np.fill_diagonal(weight, 0.0)
    inner = 0.4 * discs.sizes @ discs.reach**2  # what members add to the spread of their centres
    gain = _GAIN if rounds is None else 1.0
    for _ in range(1 if rounds is None else rounds):
        drawn = relax(centres / room.stretch, apart, weight) * room.stretch
        drawn = drawn - discs.sizes @ drawn / discs.sizes.sum()
        spread = discs.sizes @ (drawn**2).sum(1)
        larger = max(discs.sizes.sum() * room.radius**2 - inner, 0.0) / max(spread, 1e-12)
        drawn = drawn * np.clip(np.sqrt(larger), 0.8, 1.25)
        centres = separate(centres + gain * (drawn - centres), radii, discs.sizes, wall)
    return separate(centres, radii, discs.sizes, wall, rounds=60)


def arrange(offsets: Array, discs: Discs, room: Room, rounds: int | None) -> Array:
    """Return where members stand about the centre of their disc, nearest to those they are most aligned with."""
    reach = np.where(discs.sizes > 1, discs.reach - room.spacing / 2, 0.0)[discs.of_agent]
    together = (discs.of_agent[:, None] == discs.of_agent) & ~np.eye(len(offsets), dtype=bool)
    apart = np.maximum(reach[:, None] * (1.2 - _PULL * discs.kin), room.spacing)
    weight = np.where(together, 1 / apart**2, 0.0)
    radii = np.full(len(offsets), room.spacing / 2)
    gain = _GAIN if rounds is None else 1.0
    offsets = within(offsets, reach)
    for _ in range(1 if rounds is None else rounds):
        offsets = within(offsets + gain * (relax(offsets, apart, weight) - offsets), reach)
        offsets = separate(offsets, radii, among=discs.of_agent)
        offsets = within(offsets - discs.mean(offsets)[discs.of_agent], reach)
    return offsets


def within(offsets: Array, reach: Array) -> Array:
    """Return offsets ``(n, 2)`` shortened to some lengths, ``(n,)``."""
    length = np.hypot(*offsets.T)
    shortened: Array = offsets * np.minimum(1, reach / np.maximum(length, 1e-12))[:, None]
    return shortened


def relax(points: Array, apart: Array, weight: Array) -> Array:
    """Return points moved towards some distances from each other: one round of stress majorization.

    References
    ----------
    Gansner, Koren & North 2004, Graph drawing by stress majorization (GD 2004, LNCS 3383:239-250), with their
    localized update of all points at once.
    """
    total = weight.sum(1)
    across, down = (axis[:, None] - axis for axis in points.T)
    ratio = weight * apart / np.maximum(np.hypot(across, down), 1e-9)
    pulled = weight @ points + np.stack([(ratio * across).sum(1), (ratio * down).sum(1)], 1)
    return np.where(total[:, None] > 0, pulled / np.maximum(total, 1e-12)[:, None], points)


def separate(
    points: Array,
    radii: Array,
    mass: Array | None = None,
    wall: Array | None = None,
    rounds: int = 6,
    among: Labels | None = None,
    swerve: float = 0.0,
) -> Array:
    """Return points moved until their discs do not overlap, or the rounds are over; the heavier move less.

    With ``among``, only those with the same number there are kept apart. One that is much lighter than the other
    swerves: it is pushed sideways, too.
    """
    one, other = np.triu_indices(len(points), 1)
    if among is not None:
        same = among[one] == among[other]
        one, other = one[same], other[same]
    least = radii[one] + radii[other]
    mass = np.ones(len(points)) if mass is None else mass
    share = mass[other] / (mass[one] + mass[other])
    aside = swerve * (np.abs(share - 0.5) > 0.4)[:, None]
    near = np.empty(0, np.int64)
    for turn in range(rounds):
        if turn % 8 == 0:  # those that may come to overlap soon
            distance = np.hypot(*(points[one] - points[other]).T)
            near = np.flatnonzero(distance < 1.6 * least)
            if not (distance < least)[near].any():
                break
        i, j = one[near], other[near]
        gap = points[i] - points[j]
        lack = (1.01 * least[near] - np.hypot(*gap.T)).clip(0)
        on_top = np.hypot(*gap.T) < 1e-9
        gap[on_top] = np.stack([np.cos(GOLDEN * i[on_top]), np.sin(GOLDEN * i[on_top])], 1)
        gap = gap + aside[near] * np.stack([-gap[:, 1], gap[:, 0]], 1)
        push = gap * (0.7 * lack / np.hypot(*gap.T))[:, None]
        one_way, other_way = push * share[near, None], push * (1 - share[near, None])
        moved = [
            np.bincount(i, a, len(points)) - np.bincount(j, b, len(points))
            for a, b in zip(one_way.T, other_way.T, strict=True)
        ]
        points = points + np.stack(moved, 1)
        if wall is not None:
            points = points.clip(-wall, wall)
    return points
