"""Observing a model: keeping what its steps leave behind, so that any of them can be shown."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

import numpy as np

from ecosystem.app.debates.course import Course
from ecosystem.app.debates.recorded import holdings, scene_at, threshold_among
from ecosystem.app.debates.scenes import Scene, Setting, Told
from ecosystem.app.debates.telling import LiveTables, tell
from ecosystem.app.drawing.layout import Layout, place
from ecosystem.dynamics.state import Step
from ecosystem.errors import InputError
from ecosystem.model import EcosystemModel
from ecosystem.opening import Reading
from ecosystem.record.folder import RunWriter
from ecosystem.report.explain import Explainer
from ecosystem.report.prose import Sentence, count

REMEMBERED = 64
"""Scenes that stay in memory; older ones are read from what was written."""


class Observer:
    """Keeps what the steps of a model leave behind: little of each in memory, the rest in a temporary folder.

    Parameters
    ----------
    model : EcosystemModel
        Which has not taken a step yet; `take` is to be called after each.

    Attributes
    ----------
    model : EcosystemModel
    setting : Setting
    course : Course
    writer : RunWriter
        Has all rows of all tables.
    folder : Path
        Where it writes; gone after `close`.

    Raises
    ------
    InputError
        The model has taken steps already.
    """

    def __init__(self, model: EcosystemModel) -> None:
        if model.state.tick:
            taken = count(model.state.tick, "step")
            raise InputError("model", f"has taken {taken}; one is to be observed from its opening")
        self.folder = Path(mkdtemp(prefix="ecosystem-"))
        self._remove = finalize(self, rmtree, self.folder, ignore_errors=True)
        self.writer = RunWriter(self.folder, model)
        self.course = Course()
        self._scenes: OrderedDict[int, Scene] = OrderedDict()
        self._explainer: tuple[int, Explainer] | None = None
        self._events = 0
        self._layout: Layout | None = None
        self.follow(model)
        opening = self._scene(None, ())
        self._scenes[0] = opening
        self.course.add(opening, None)

    def follow(self, model: EcosystemModel) -> None:
        """Go on with another model of the same debate, which may know more statements."""
        self.model = model
        self.setting = Setting.of(model.scenario, Reading(model.statements, model.stage.positions))
        self.writer.follow(model)

    @property
    def now(self) -> int:
        """Steps taken."""
        return len(self.course) - 1

    def take(self, step: Step) -> Scene:
        """Keep what a step left behind, and return how things stand after it."""
        self.writer.add(step)
        tables = LiveTables(self.setting.scenario, lambda name: self.writer.table_at(name, step.step))
        told = tuple(tell(tables, self._events))
        self._events += len(step.events)
        scene = self._scene(step, told)
        self._scenes[step.step] = scene
        self.course.add(scene, step.metrics)
        self._forget()
        return scene

    def scene(self, step: int) -> Scene:
        """Return how things stood at the end of a step from 0 to `now`."""
        if step not in self._scenes:
            self._scenes[step] = self._recall(step)
        self._scenes.move_to_end(step)
        found = self._scenes[step]
        self._forget()
        return found

    def why(self, event: int) -> Sentence:
        """Return why an event, given by its position in the table of events, happened."""
        if self._explainer is None or self._explainer[0] != self.now:
            self._explainer = self.now, Explainer(self.tables())
        return self._explainer[1].explain(event).parts

    def tables(self) -> LiveTables:
        """Return the tables of the debate so far, as a finished run has them."""
        return LiveTables(self.setting.scenario, self.writer.table)

    def close(self) -> None:
        """Remove what was written."""
        self._remove()
        self._scenes.clear()
        self._explainer = None

    def _forget(self) -> None:
        while len(self._scenes) > REMEMBERED:
            del self._scenes[next(one for one in self._scenes if one != self.now)]

    def _scene(self, step: Step | None, told: tuple[Told, ...]) -> Scene:
        state, p = self.model.state, self.model.live
        alignment = state.alignment.astype(np.float32)
        n = len(self.setting.personas)
        nothing = np.full((n, n), np.nan, np.float32)
        mean, axes, _ = self.setting.plane
        points = ((self.model.agent_latents() - mean) @ axes).astype(np.float32)
        points[~state.present] = np.nan
        self._layout = place(state.alignment, state.partition, state.present, self._layout)
        return Scene(
            step=state.tick,
            topic=None if step is None else step.topic,
            utterances=np.full(n, -1) if step is None else step.utterances,
            speaker=np.full(n, -1) if step is None else step.heard.speaker,
            accepted=np.zeros(n, bool) if step is None else step.heard.accepted,
            forecast=nothing if step is None else step.forecast.astype(np.float32),
            observed=nothing if step is None else step.heard.affinity.astype(np.float32),
            alignment=alignment,
            partition=state.partition,
            present=state.present,
            opinions=np.where(state.present[:, None], state.opinions, np.nan).astype(np.float32),
            held=holdings(state.memory.held),
            held_at=state.tick,
            points=points,
            places=self._layout.places,
            arrived=self._layout.arrived,
            told=told,
            threshold=threshold_among(alignment, state.present, p("threshold_rule"), p("threshold")),
        )

    def _recall(self, step: int) -> Scene:
        """Read a step back from what was written of it."""
        tables = LiveTables(self.setting.scenario, lambda name: self.writer.table_at(name, step))
        scene = scene_at(tables, self.setting, step, self.course, self.folder)
        return replace(scene, told=tuple(one for one in self.course.told if one.step == step))
