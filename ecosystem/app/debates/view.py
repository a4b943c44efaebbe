"""What a visitor looks at: a debate, one of its steps, one of its agents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ecosystem.app.debates.scenes import Scene, Viewing

ALONE = "#9e9e9e"
"""Colour of an agent that is in no coalition."""


@dataclass(frozen=True)
class View:
    """What the panels of the page show.

    Attributes
    ----------
    viewing : Viewing
        A debate that goes on, or a recorded one.
    step : int
        The step shown, from 0 to ``viewing.now``.
    selected : int or None
        The agent whose card is open.
    dark : bool
        Whether the page is dark.
    revision : int
        Another number whenever what is shown may have changed.
    """

    viewing: Viewing
    step: int
    selected: int | None = None
    dark: bool = False
    revision: int = 0

    @cached_property
    def scene(self) -> Scene:
        """How the debate stood at the step shown."""
        return self.viewing.scene(self.step)

    @cached_property
    def colours(self) -> dict[int, str]:
        """Colour of every coalition there has been, by label; the same at every step."""
        return self.viewing.course.colours

    def colour(self, agent: int) -> str:
        """Return the colour of an agent's coalition at the step shown."""
        return self.colours.get(int(self.scene.partition[agent]), ALONE)

    @property
    def live(self) -> bool:
        """Whether the step shown is the last there is."""
        return self.step == self.viewing.now
