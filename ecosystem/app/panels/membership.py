"""Why an agent is in its coalition: what the others would be worth to it, by the coalition game."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.view import View
from ecosystem.app.panels.wording import in_force
from ecosystem.dynamics.coalitions import Entry, Game
from ecosystem.opening import given_affinity

Bar = Literal["", "entry", "exit", "cap"]

_GRAIN = 1e-7  # alignment is shown in single precision: what is that near to the threshold is at it


@dataclass(frozen=True)
class Option:
    """Where an agent might stand instead.

    Attributes
    ----------
    label : int or None
        A coalition; negative for an agent alone, to form one with; None for going alone.
    members : tuple of int
        Who is there.
    aligned : float
        Mean alignment (affinity, where it is given) of the agent with them; NaN with no one.
    gain : float
        What standing there is worth to the agent, less what standing where it is is worth.
    hurt : tuple of int
        Members whose alignment with the agent is below the threshold: they would lose by its company.
    bar : str
        Why the move is not allowed: a member would be hurt (``entry``), someone left behind would lose (``exit``), the
        number of coalitions is capped (``cap``); empty where it is.
    pays : bool
        Whether the gain exceeds the switching cost.
    """

    label: int | None
    members: tuple[int, ...]
    aligned: float
    gain: float
    hurt: tuple[int, ...]
    bar: Bar
    pays: bool


@dataclass(frozen=True)
class Membership:
    """What an agent has where it stands, and where else it might.

    Attributes
    ----------
    agent, label : int
        The agent, and its coalition; negative if alone.
    partners : tuple of int
        The others there.
    aligned : float
        Mean alignment with them; NaN with no one.
    worth : float
        ``sum_j s_j (a_ij - gamma)`` over the partners; 0 alone.
    losing : tuple of int
        Partners who would lose by its leaving.
    options : tuple of Option
        The best first.
    game : Game
        The rules and stakes, among those present.
    """

    agent: int
    label: int
    partners: tuple[int, ...]
    aligned: float
    worth: float
    losing: tuple[int, ...]
    options: tuple[Option, ...]
    game: Game


def game_at(view: View) -> Game:
    """Return the coalition game of those present at the step shown, as the model plays it."""
    scene, setting = view.scene, view.viewing.setting
    here = np.flatnonzero(scene.present)
    among = np.ix_(here, here)
    given = given_affinity(setting.scenario)
    cost, entry, cap = (in_force(setting, name, view.step) for name in ("switching_cost", "entry", "max_coalitions"))
    return Game(
        scene.alignment[among].astype(np.float64) if given is None else given[among],
        np.array([persona.weight for persona in setting.personas])[here],
        scene.threshold,
        cost,
        entry,
        cap,
    )


def membership(view: View, agent: int) -> Membership:
    """Return what an agent who is present has where it stands, and what it would have elsewhere."""
    scene, game = view.scene, game_at(view)
    here = np.flatnonzero(scene.present)
    me, partition = int(np.searchsorted(here, agent)), scene.partition[here]
    label = int(partition[me])
    blocks = {int(one): np.flatnonzero(partition == one) for one in np.unique(partition)}
    partners = blocks[label][blocks[label] != me]
    stakes = game.stakes()[me]
    worth = float(stakes[partners].sum())
    losing = tuple(here[partners[game.alignment[partners, me] > game.threshold + _GRAIN]].tolist())
    options = []
    places: list[tuple[int | None, NDArray[np.int64]]] = [*blocks.items(), (None, np.zeros(0, np.int64))]
    for one, members in places:
        if one == label or (one is None and not len(partners)):
            continue
        gain = float(stakes[members].sum()) - worth
        hurt = members[game.alignment[members, me] < game.threshold - _GRAIN]
        full = one is None and game.max_coalitions is not None and len(blocks) >= game.max_coalitions
        options.append(
            Option(
                one,
                tuple(here[members].tolist()),
                _mean(game, me, members),
                gain,
                tuple(here[hurt].tolist()),
                "cap" if full else _bar(game.entry, len(hurt), len(losing)),
                gain > game.switching_cost + game.rounding,
            )
        )
    options.sort(key=lambda one: -one.gain)
    return Membership(
        agent, label, tuple(here[partners].tolist()), _mean(game, me, partners), worth, losing, tuple(options), game
    )


def _mean(game: Game, me: int, members: NDArray[np.int64]) -> float:
    return float(game.alignment[me, members].mean()) if len(members) else float("nan")


def _bar(entry: Entry, n_hurt: int, n_losing: int) -> Bar:
    """Return what a rule of entry has against a move that hurts some who are joined and some who are left."""
    if n_hurt and entry != "nash":
        return "entry"
    return "exit" if n_losing and entry == "contractual" else ""
