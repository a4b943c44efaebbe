"""What an agent is made of before it meets anyone: who it is and which statements it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Persona:
    """A persona as the model holds it.

    Attributes
    ----------
    key, name, description : str
        Identifier, label in tables and figures, and a sentence for readers.
    corpus : tuple of int
        Rows of the model's table of statements.
    openness, stubbornness, talkativeness : float
        In [0, 1]: factor on acceptance, share of the corpus never displaced, probability to speak.
    weight : float
        Size in the coalition game, above 0.
    bloc : str or None
        Known alliance; used to validate, never by the model.
    """

    key: str
    name: str
    description: str
    corpus: tuple[int, ...]
    openness: float = 0.5
    stubbornness: float = 0.5
    talkativeness: float = 1.0
    weight: float = 1.0
    bloc: str | None = None
