"""The course of a debate: the little that is kept of every step, for charts over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.report.style import Colouring

if TYPE_CHECKING:
    from ecosystem.app.debates.scenes import Scene, Told


class Course:
    """Grows by a row a step; row k is step k, row 0 the opening.

    Attributes
    ----------
    topics : list of int or None
        The topic under debate at each step; None at the opening.
    told : list of Told
        All that happened, in order.
    """

    def __init__(self) -> None:
        self.topics: list[int | None] = []
        self.told: list[Told] = []
        self._metrics: list[NDArray[np.float32]] = []
        self._partitions: list[NDArray[np.int32]] = []
        self._present: list[NDArray[np.bool_]] = []
        self._points: list[NDArray[np.float32]] = []
        self._places: list[NDArray[np.float32]] = []
        self._arrived: list[NDArray[np.bool_]] = []
        self._colouring = Colouring()

    def __len__(self) -> int:
        return len(self.topics)

    def add(self, scene: Scene, metrics: dict[str, float] | None) -> None:
        """Keep a step; ``metrics`` is None at the opening, which has none."""
        self.topics.append(scene.topic)
        self.told.extend(scene.told)
        values = [np.nan if metrics is None else metrics[name] for name in CATALOGUE]
        self._metrics.append(np.array(values, np.float32))
        self._partitions.append(scene.partition.astype(np.int32))
        self._present.append(scene.present.copy())
        self._colouring.add(scene.partition)
        self._points.append(scene.points)
        self._places.append(scene.places)
        self._arrived.append(scene.arrived)

    def measure(self, name: str) -> NDArray[np.float32]:
        """Return a measure of the catalogue at every step, ``(n_steps + 1,)``; NaN at the opening."""
        column = list(CATALOGUE).index(name)
        return np.array([row[column] for row in self._metrics], np.float32)

    @property
    def partitions(self) -> NDArray[np.int32]:
        """Coalition labels, ``(n_steps + 1, n_agents)``; negative for an agent alone."""
        return np.stack(self._partitions)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Who took part, ``(n_steps + 1, n_agents)``."""
        return np.stack(self._present)

    @property
    def points(self) -> NDArray[np.float32]:
        """Trajectories in the plane of the statements, ``(n_steps + 1, n_agents, 2)``."""
        return np.stack(self._points)

    def places(self, step: int) -> NDArray[np.float32]:
        """Where agents stand in the drawing of the network at a step, ``(n_agents, 2)``."""
        return self._places[step]

    def arrived(self, step: int) -> NDArray[np.bool_]:
        """Return who stood there with its coalition, ``(n_agents,)``."""
        return self._arrived[step]

    @property
    def colours(self) -> dict[int, str]:
        """Colour of every coalition there has been, by label, as figures and report have it."""
        return self._colouring.colours
