"""The Mesa agent: identity, persona and policy; its state is a row of the model's arrays."""

from __future__ import annotations

import weakref
from itertools import count
from typing import Any

import mesa
import numpy as np

from agents.persona import Persona
from agents.policies import Floor, Policy, choose


class Debater(mesa.Agent):  # type: ignore[misc]
    """A persona in a debate.

    Subclass it and override `speak` to give one agent a mind of its own; the model asks such agents one
    by one and all others in one array operation.

    Attributes
    ----------
    index : int
        Row of this agent in the model's arrays.
    persona : Persona
        Who it is.
    policy : Policy
        How it chooses what to say.
    """

    def __init__(self, model: Any, index: int, persona: Persona, policy: Policy) -> None:
        _count_without_holding(model)
        super().__init__(model)
        self.index = index
        self.persona = persona
        self.policy = policy

    @property
    def name(self) -> str:
        """The persona's name."""
        return self.persona.name

    def speak(self, floor: Floor, rng: np.random.Generator) -> int:
        """Return the statement said, a row of the table of statements, or `agents.policies.SILENT`."""
        return int(choose(self.policy, floor, np.array([self.index]), rng)[0])


class _Key(weakref.ref[Any]):
    """A weak reference that a dictionary takes for what it refers to."""

    __slots__ = ()
    __hash__ = weakref.ref.__hash__

    def __eq__(self, other: object) -> bool:
        return other is self or (other is not None and other is self())


def _count_without_holding(model: Any) -> None:
    """Let Mesa count a model's agents under a weak key.

    Mesa counts them in a dictionary of its own, by model, and so keeps every model alive for as long as the process
    lives: `mesa.batch_run` would fill the memory with models that have finished.
    """
    counters = mesa.Agent._ids
    if model not in counters:
        counters[_Key(model, counters.pop)] = count(1)
