"""Where agents stand in the drawing of the alignment network, step after step without a jump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

ASPECT = 4 / 3
"""Width of the drawing, which is 1, over its height."""

_FULLEST = 0.14  # of the square: about what agents and the space between coalitions fill together
_WIDEST = 0.17  # spacing, where agents are few
_LARGEST = 0.024  # radius of a node
_FREE = 0.3  # between coalitions, in spacings
_SPREAD = 0.78  # of the radius of a frame filled evenly
_PULL = 0.6  # how much nearer than strangers the most aligned stand, and how much further off the most opposed
_FAINTEST = 0.1  # alignment below which it does not move agents fully
_RING = 24  # agents at most in a ring at the opening

_FURTHEST = 0.8  # that an agent moves in a step, in radii of the layout
_CALM = 0.043  # most that agents whose coalition did not change move on average
_MOST = 0.047  # and with what making way for each other adds
_CALMER = 0.3  # share of that for those who have arrived, where others are still on their way
_EASE = 0.5  # share of its way that one who has arrived moves in a step
_GAIN = 0.06  # share of its way that alignment moves a disc, or a member of it, in a step
_ROUNDS = 60  # of relaxation at the opening, and when most regroup at once
_GOLDEN = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True)
class Layout:
    """Where agents stand at a step.

    Attributes
    ----------
    places : (n_agents, 2) float32
        In the unit square, the same unit across and down: a drawing less high than wide takes its middle, from
        ``(1 - 1 / aspect) / 2`` down to ``(1 + 1 / aspect) / 2``. No two are nearer than twice `node_radius`.
    arrived : (n_agents,) bool
        Who stands with its coalition; the others are on their way to it, or absent.
    partition : (n_agents,) int
        Coalition labels.
    homes : dict of int to (2,) float
        Where the discs of coalitions, and of agents alone, have their centres, by label.
    """

    places: NDArray[np.float32]
    arrived: Mask
    partition: Labels
    homes: dict[int, Array]


def spacing(n_agents: int) -> float:
    """Return the distance at which agents of a coalition stand from each other.

    Outlines drawn at half of it around the members of each coalition are apart once the drawing has come to rest.
    """
    return float(min(np.sqrt(_FULLEST / max(n_agents, 1)), _WIDEST))


def node_radius(n_agents: int) -> float:
    """Return the radius of the largest circles that do not overlap, in widths of the drawing.

    Examples
    --------
    >>> round(node_radius(12), 3), round(node_radius(200), 4)
    (0.024, 0.0079)
    """
    return min(0.3 * spacing(n_agents), _LARGEST)


def place(
    alignment: NDArray[np.floating],
    partition: NDArray[np.integer],
    present: Mask,
    before: Layout | None = None,
    aspect: float = ASPECT,
) -> Layout:
    """Return where agents stand in the drawing after a step, near to where they stood before it.

    Coalitions, and agents alone, are discs with room for their members. The discs are laid out by stress
    majorization of distances that shrink with alignment, kept apart and inside the frame; a new one takes the free
    place nearest to its members. Members stand in their disc in the same way. Agents then go part of their way:
    those whose coalition changed at most half the layout's radius (root mean square distance from its centre), the
    others together at most 4 % of it on average. Nothing is drawn at random: the same arguments give the same
    layout.

    Parameters
    ----------
    alignment : (n_agents, n_agents) float
        Symmetric, in [-1, 1]. At the opening, where it is 0, agents stand in a ring in their order (many: in a
        disc); the affinity expected between them may be passed instead.
    partition : (n_agents,) int
        Coalition labels; negative for an agent alone.
    present : (n_agents,) bool
        Who takes part. The others stand at the rim.
    before : Layout, optional
        That of the step before; by default, this is the opening.
    aspect : float
        Width over height of the drawing.

    References
    ----------
    Gansner, Koren & North 2004, Graph drawing by stress majorization (GD 2004, LNCS 3383:239-250).
    """
    room = _Room.of(len(partition), aspect)
    discs = _Discs.of(np.asarray(alignment, np.float64), np.asarray(partition, np.int64), present, room)
    if before is None:
        points = _start(discs, room)
        changed = np.ones(room.n_agents, bool)
    else:
        points = before.places.astype(np.float64) - 0.5
        changed = partition != before.partition
    goals, homes = _goals(points, discs, changed, {} if before is None else before.homes, room)
    travelling = np.hypot(*(goals - points).T) > room.spacing
    if before is None:
        points = _finish(goals, changed, room)
    else:
        points = _advance(points, goals - points, changed, travelling, room)
    arrived = present & (np.hypot(*(goals - points).T) < room.spacing)
    return Layout((points + 0.5).astype(np.float32), arrived, np.array(partition, np.int64), homes)


@dataclass(frozen=True)
class _Room:
    """The measures of a drawing, about its centre."""

    n_agents: int
    half: Array  # from the centre to the rim, across and down
    stretch: Array  # of the plane in which distances are laid out
    spacing: float
    node: float
    radius: float  # of the layout

    @classmethod
    def of(cls, n_agents: int, aspect: float) -> _Room:
        node, apart = node_radius(n_agents), spacing(n_agents)
        half = np.array([0.5, 0.5 / aspect]) - max(1.6 * node, 0.03)
        radius = min(_SPREAD * np.sqrt((half**2).sum() / 3), (0.4 + 0.65 * np.sqrt(n_agents)) * apart)
        stretch = np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
        return cls(n_agents, half, stretch, apart, node, float(radius))


@dataclass(frozen=True)
class _Discs:
    """Coalitions, and agents alone, as discs with room for their members."""

    here: Labels  # agents present
    of_agent: Labels  # disc of each of them
    labels: Labels
    sizes: Array
    reach: Array  # radius of each
    kin: Array  # alignment of those present, its usual size taken as 1
    between: Array  # mean of it between discs

    @classmethod
    def of(cls, alignment: Array, partition: Labels, present: Mask, room: _Room) -> _Discs:
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
        """Return the mean over the members of each disc of values of those present, ``(n, 2)``."""
        sums = [np.bincount(self.of_agent, axis, len(self.labels)) for axis in values.T]
        means: Array = np.stack(sums, 1) / self.sizes[:, None]
        return means


def _start(discs: _Discs, room: _Room) -> Array:
    """Return where to begin: by the two main axes of alignment, or in a ring where there is none."""
    n = room.n_agents
    first = np.full(n, n)
    first[discs.here] = discs.here[np.unique(discs.of_agent, return_index=True)[1]][discs.of_agent]
    rank = np.empty(n)
    rank[np.lexsort((np.arange(n), first))] = np.arange(n)  # the members of a coalition side by side
    if n <= _RING:
        angle, out = 2 * np.pi * (rank / n - (0.25 if n == 2 else 0)), np.ones(n)
    else:
        angle, out = _GOLDEN * rank, np.sqrt(2 * (rank + 0.5) / n)
    ring: Array = room.radius * out[:, None] * np.stack([np.sin(angle), -np.cos(angle)], 1) * room.stretch
    if discs.kin.any():
        centred = discs.kin - discs.kin.mean(0)
        centred -= centred.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh((centred + centred.T) / 2)
        axes = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1].clip(0))
        axes *= np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1.0, 1.0)
        size = np.sqrt((axes**2).sum(1).mean()).clip(1e-9)
        ring[discs.here] = room.radius / size * axes * room.stretch + 0.15 * ring[discs.here]
    return ring


def _goals(
    points: Array, discs: _Discs, changed: Mask, homes: dict[int, Array], room: _Room
) -> tuple[Array, dict[int, Array]]:
    """Return where agents would stand, were they there already, and the centres of the discs."""
    goals = points.copy()
    absent = np.ones(len(points), bool)
    absent[discs.here] = False
    goals[absent] = _rim(points[absent], room)
    if not len(discs.here):
        return goals, {}
    known = np.array([label in homes for label in discs.labels.tolist()])
    anew = discs.sizes[~known].sum() > len(discs.here) / 2
    centres = np.zeros((len(discs.labels), 2)) if anew else np.array([homes[k] if k in homes else (0.0, 0.0) for k in discs.labels.tolist()])
    if anew:
        centres = discs.mean(points[discs.here])
    else:
        for disc in sorted(np.flatnonzero(~known), key=lambda d: -discs.sizes[d]):
            centres[disc] = _free_place(disc, points[discs.here[discs.of_agent == disc]], centres, known, discs, room)
            known[disc] = True
    still = not discs.kin.any()
    rounds = 0 if still else _ROUNDS if anew else 1
    aims = _settle(centres, discs, room, rounds, not absent.any())
    offsets = points[discs.here] - centres[discs.of_agent]
    goals[discs.here] = aims[discs.of_agent] + _inside(offsets, discs, room, _ROUNDS // 5 if anew else 1)
    return goals, dict(zip(discs.labels.tolist(), aims, strict=True))


def _free_place(disc: int, members: Array, centres: Array, taken: Mask, discs: _Discs, room: _Room) -> Array:
    """Return where a disc is nearest to its members and least on discs that have their place."""
    wall = (room.half - discs.reach[disc] + room.spacing / 2).clip(0)
    across, down = (np.linspace(-side, side, 41) for side in wall)
    grid = np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)
    grid = np.concatenate([members.clip(-wall, wall), grid])
    far = np.hypot(*(grid[:, None] - members).transpose(2, 0, 1)).mean(1)
    least = discs.reach[disc] + discs.reach[taken] + _FREE * room.spacing
    lack = (least - np.hypot(*(grid[:, None] - centres[taken]).transpose(2, 0, 1))).clip(0)
    best: Array = grid[(far + 6 * lack.sum(1)).argmin()]
    return best


def _settle(centres: Array, discs: _Discs, room: _Room, rounds: int, all_here: bool) -> Array:
    """Return where the discs should go: aligned ones near, opposed ones far, none on another, none outside."""
    half = room.half if all_here else room.half - 2.4 * room.node
    wall = (half - discs.reach[:, None] + room.spacing / 2).clip(0)
    radii = discs.reach + _FREE * room.spacing / 2
    apart = np.maximum(1.28 * room.radius * (1 - _PULL * discs.between), radii[:, None] + radii)
    weight = discs.sizes / apart**2
    np.fill_diagonal(weight, 0.0)
    own = discs.sizes @ discs.reach**2 * 0.4
    gain = _GAIN if rounds == 1 else 1.0
    aims = centres
    for _ in range(rounds):
        drawn = _relax(aims / room.stretch, apart, weight) * room.stretch
        drawn = drawn - discs.sizes @ drawn / discs.sizes.sum()
        spread = max(discs.sizes.sum() * room.radius**2 - own, 0.0) / max(discs.sizes @ (drawn**2).sum(1), 1e-12)
        drawn = drawn * np.clip(np.sqrt(spread), 0.8, 1.25)
        aims = _separate(aims + gain * (drawn - aims), radii, discs.sizes, wall)
    return _separate(aims, radii, discs.sizes, wall, rounds=60)


def _inside(offsets: Array, discs: _Discs, room: _Room, rounds: int) -> Array:
    """Return where members stand in their disc, about its centre."""
    reach = np.where(discs.sizes > 1, discs.reach - room.spacing / 2, 0.0)[discs.of_agent]
    together = (discs.of_agent[:, None] == discs.of_agent) & ~np.eye(len(offsets), dtype=bool)
    apart = np.maximum(reach[:, None] * (1.2 - _PULL * discs.kin), room.spacing)
    weight = np.where(together, 1 / apart**2, 0.0)
    gain = _GAIN if rounds == 1 else 1.0
    offsets = _within(offsets, reach)
    for _ in range(rounds):
        offsets = _within(offsets + gain * (_relax(offsets, apart, weight) - offsets), reach)
        offsets = _separate(offsets, np.full(len(offsets), room.spacing / 2), among=discs.of_agent)
        offsets = _within(offsets - discs.mean(offsets)[discs.of_agent], reach)
    return offsets


def _within(offsets: Array, reach: Array) -> Array:
    """Return offsets shortened to some lengths."""
    length = np.hypot(*offsets.T)
    return offsets * np.minimum(1, reach / np.maximum(length, 1e-12))[:, None]


def _rim(points: Array, room: _Room) -> Array:
    """Return the points of the rim next to some points; those who stand at the rim stay where they are."""
    outward = points / room.half
    side = np.arange(len(points)), np.abs(outward).argmax(1)
    outward[side] = np.where(outward[side] < 0, -1.0, 1.0)
    away = (room.half - np.abs(points)).min(1) > 4 * room.node
    return np.where(away[:, None], outward * room.half, points)


def _relax(points: Array, apart: Array, weight: Array) -> Array:
    """Return points moved towards some distances from each other: one round of stress majorization."""
    total = weight.sum(1)
    across, down = (axis[:, None] - axis for axis in points.T)
    ratio = weight * apart / np.maximum(np.hypot(across, down), 1e-9)
    pulled = weight @ points + np.stack([(ratio * across).sum(1), (ratio * down).sum(1)], 1)
    return np.where(total[:, None] > 0, pulled / np.maximum(total, 1e-12)[:, None], points)


def _separate(
    points: Array,
    radii: Array,
    mass: Array | None = None,
    wall: Array | None = None,
    rounds: int = 6,
    among: Labels | None = None,
    swerve: float = 0.0,
) -> Array:
    """Return points moved until their discs do not overlap, or the rounds are over; the heavier move less.

    Where one is much heavier than the other, that other ``swerve``s: it is pushed sideways, too.
    """
    one, other = np.triu_indices(len(points), 1)
    if among is not None:
        same = among[one] == among[other]
        one, other = one[same], other[same]
    least = radii[one] + radii[other]
    mass = np.ones(len(points)) if mass is None else mass
    share = mass[other] / (mass[one] + mass[other])
    near = np.empty(0, np.int64)
    for turn in range(rounds):
        if turn % 8 == 0:
            near = np.flatnonzero(np.hypot(*(points[one] - points[other]).T) < 1.6 * least)
        i, j = one[near], other[near]
        gap = points[i] - points[j]
        distance = np.hypot(*gap.T)
        if turn % 8 == 0 and not (distance < least[near]).any():
            break
        lack = 1.01 * least[near] - distance
        on_top = distance < 1e-9
        if on_top.any():
            gap[on_top] = np.stack([np.cos(_GOLDEN * i[on_top]), np.sin(_GOLDEN * i[on_top])], 1)
        aside = swerve * ((np.abs(share[near] - 0.5) > 0.4))[:, None]
        gap = gap + aside * np.stack([-gap[:, 1], gap[:, 0]], 1)
        push = gap * (0.7 * lack.clip(0) / np.hypot(*gap.T))[:, None]
        points = points + np.stack(
            [
                np.bincount(i, push[:, axis] * share[near], len(points))
                - np.bincount(j, push[:, axis] * (1 - share[near]), len(points))
                for axis in (0, 1)
            ],
            1,
        )
        if wall is not None:
            points = points.clip(-wall, wall)
    return points


def _advance(points: Array, moves: Array, changed: Mask, travelling: Mask, room: _Room) -> Array:
    """Return points after a step on their way."""
    radius = min(_radius(points), _radius(points + moves))
    furthest = np.where(changed, max(_FURTHEST, 3 * changed.mean() - 1.5), _FURTHEST)
    moves = _within(moves, radius * furthest)
    for share in (1.0, 0.7, 0.4, 0.0):  # less, where making way for each other takes some of it
        allowed = share * _CALM * radius * (~changed).sum()
        after = _finish(points + _measured(moves, changed, travelling, allowed, room.node), changed | travelling, room)
        if np.hypot(*(after - points)[~changed].T).sum() <= _MOST * min(radius, _radius(after)) * (~changed).sum():
            break
    return after


def _measured(moves: Array, changed: Mask, travelling: Mask, allowed: float, node: float) -> Array:
    """Return moves cut down to what readers can follow.

    Those who travel go one after the other where there are many, the nearest to their goal first, in strides that
    take them past those in their way.
    """
    settled, going = ~changed & ~travelling, np.flatnonzero(~changed & travelling)
    moves = np.where(settled[:, None], _EASE, 1.0) * moves
    spent = np.hypot(*moves[settled].T).sum()
    most = (_CALMER if len(going) else 1.0) * allowed
    if spent > most:
        moves[settled] *= most / spent
    far = np.hypot(*moves[going].T)
    order = np.argsort(far, kind="stable")
    left = allowed - min(spent, most) - np.cumsum(far[order]) + far[order]
    stride = np.clip(left, 0, far[order])
    stride[1:][stride[1:] < np.minimum(far[order][1:], 2.5 * node)] = 0.0
    moves[going[order]] = _within(moves[going[order]], stride)
    return moves


def _radius(points: Array) -> float:
    """Return the root mean square distance of points from their centre."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))


def _finish(points: Array, travelling: Mask, room: _Room) -> Array:
    """Return points inside the frame, no two nodes on each other; who travels goes round those who stay."""
    radii = np.full(len(points), 1.02 * room.node)
    mass = np.where(travelling, 0.02, 1.0)
    points = _separate(points.clip(-room.half, room.half), radii, mass, room.half, rounds=60, swerve=0.8)
    step = np.arange(1, 4000)
    spiral = (0.4 * room.node * np.sqrt(step) * np.stack([np.cos(_GOLDEN * step), np.sin(_GOLDEN * step)])).T
    for agent in np.flatnonzero(_crowded(points, room)):  # jammed: the nearest free place
        others = np.delete(points, agent, 0)
        if np.hypot(*(others - points[agent]).T).min() < 2 * room.node:
            spots = points[agent] + spiral
            free = (np.abs(spots) <= room.half).all(1)
            free &= (np.hypot(*(spots[:, None] - others).transpose(2, 0, 1)) > 2.01 * room.node).all(1)
            points[agent] = spots[free.argmax()]
    return points


def _crowded(points: Array, room: _Room) -> Mask:
    """Return which nodes another is on."""
    across, down = (axis[:, None] - axis for axis in points.T)
    on: Mask = (np.hypot(across, down) + np.where(np.eye(len(points)), 1.0, 0.0) < 2.001 * room.node).any(1)
    return on
