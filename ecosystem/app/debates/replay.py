"""A finished run, looked at step by step; and which finished runs there are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.course import Course
from ecosystem.app.debates.recorded import StepReader, opening_of, scene_at
from ecosystem.app.debates.scenes import Scene, Setting, Told
from ecosystem.app.debates.telling import LiveTables, tell
from ecosystem.app.drawing.layout import Layout, place
from ecosystem.dynamics.state import State
from ecosystem.errors import InputError, brief, one_line, shorten
from ecosystem.jepa import PRETRAINED
from ecosystem.jepa.statements import held_matrix, mean_latents
from ecosystem.measures import CATALOGUE
from ecosystem.opening import Reading
from ecosystem.progress import Progress, silent
from ecosystem.record.folder import PARTIAL
from ecosystem.record.manifest import COMPLETE, MANIFEST, file_hash, read_manifest
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import index_of, numbers, partitions, vectors
from ecosystem.report.explain import Explainer
from ecosystem.report.prose import Sentence
from ecosystem.sweep.readings import read_statements

_REMEMBERED = 64
"""Scenes that stay in memory."""

_MOST_LISTED = 200
"""Finished runs that are listed, the newest."""


class Replay:
    """A recorded run as a visitor looks at it. All methods may be called from any thread.

    Parameters
    ----------
    run : RunTables or path
        A finished run, or its folder.
    reading : Reading, optional
        What the run's affinity model makes of its statements, where that is known.
    weights : Path
        Weights of the affinity model with which the run was made.
    tell : callable
        Told how far the encoding of statements is, and the reading of the run.

    Attributes
    ----------
    run : RunTables
    setting : Setting
    course : Course

    Raises
    ------
    InputError
        The folder is not a finished run, is damaged, or was made with other weights.
    """

    def __init__(
        self,
        run: RunTables | str | Path,
        reading: Reading | None = None,
        *,
        weights: Path = PRETRAINED,
        tell: Progress = silent,
    ) -> None:
        self.run = run if isinstance(run, RunTables) else RunTables(run)
        self._lock = RLock()
        self._scenes: OrderedDict[int, Scene] = OrderedDict()
        self._reader = StepReader(self.run.path)
        with _whole(self.run):
            _check_finished(self.run)
            reading = reading or _read(self.run, weights, tell)
            self.setting = Setting.of(self.run.scenario, _learned(self.run, reading))
            self.course: Course = _Recorded.of(self.run, self.setting, self._reader, tell)

    @property
    def now(self) -> int:
        """The last step of the run."""
        return len(self.course) - 1

    def scene(self, step: int) -> Scene:
        """Return how things stood at the end of a step from 0 to `now`.

        Raises
        ------
        InputError
            There is no such step, or its rows cannot be read.
        """
        if not 0 <= step <= self.now:
            raise InputError("step", f"found {step}; a step from 0 to {self.now} is accepted")
        with self._lock, _whole(self.run):
            if step not in self._scenes:
                tables = LiveTables(self.setting.scenario, lambda name: self._reader.rows(name, step))
                scene = scene_at(tables, self.setting, step, self.course, self.run.path)
                self._scenes[step] = replace(scene, told=self._told.get(step, ()))
                if len(self._scenes) > _REMEMBERED:
                    self._scenes.popitem(last=False)
            self._scenes.move_to_end(step)
            return self._scenes[step]

    def why(self, event: int) -> Sentence:
        """Return why an event, given by its position in the table of events, happened."""
        with self._lock, _whole(self.run):
            return self._explainer.explain(event).parts

    def tables(self) -> RunTables:
        """Return the tables of the run."""
        return self.run

    def close(self) -> None:
        """Close the run's files, and let go of what was read."""
        with self._lock:
            self._reader.close()
            self._scenes.clear()
            self.__dict__.pop("_explainer", None)

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.run)

    @cached_property
    def _told(self) -> dict[int, tuple[Told, ...]]:
        by_step: dict[int, tuple[Told, ...]] = {}
        for told in self.course.told:
            by_step[told.step] = (*by_step.get(told.step, ()), told)
        return by_step


class _Recorded(Course):
    """The course of a run that is over."""

    @classmethod
    def of(cls, run: RunTables, setting: Setting, reader: StepReader, tell_progress: Progress) -> _Recorded:
        """Read it from the tables of a run."""
        metrics, found, opening = run.arrow("metrics"), partitions(run), opening_of(setting)
        steps = len(found.steps)
        if len(metrics) != steps or not np.array_equal(found.steps, np.arange(1, steps + 1)):
            raise ValueError("steps are missing")
        unknown = np.full(steps, np.nan)
        values = [numbers(metrics[name]) if name in metrics.column_names else unknown for name in CATALOGUE]
        course = cls()
        course.topics = [None, *index_of(metrics["topic"], [topic.id for topic in setting.scenario.topics]).tolist()]
        course.told = tell(run)
        course._metrics = [np.full(len(values), np.nan, np.float32), *np.stack(values, 1).astype(np.float32)]
        course._partitions = list(np.vstack([opening.partition, found.labels]).astype(np.int32))
        course._present = list(np.vstack([opening.present, found.present]))
        for partition in found.labels:
            course._colouring.add(partition)
        latents = chain([_opening_latents(setting, opening)], _by_step(reader, "latents", setting))
        course._points = [_points(one, setting, here) for one, here in zip(latents, course._present, strict=True)]
        alignments = chain([opening.alignment], _by_step(reader, "alignment", setting))
        layouts = _walk(alignments, course, tell_progress)
        course._places = [layout.places for layout in layouts]
        course._arrived = [layout.arrived for layout in layouts]
        return course


def _walk(alignments: Iterator[NDArray[Any]], course: Course, tell_progress: Progress) -> list[Layout]:
    """Return where agents stand in the drawing of the network, at the opening and after every step."""
    labels, present = course.partitions, course.present
    layouts: list[Layout] = []
    for step, alignment in zip(range(len(course)), alignments, strict=True):
        layouts.append(place(alignment, labels[step], present[step], layouts[-1] if layouts else None))
        tell_progress("replay", step, len(course) - 1)
    return layouts


def _by_step(reader: StepReader, table: Literal["latents", "alignment"], setting: Setting) -> Iterator[NDArray[Any]]:
    """Yield latents, ``(n_agents, latent_dim)``, or alignment, ``(n_agents, n_agents)``, after every step."""
    n = len(setting.keys)
    source, target = np.triu_indices(n, 1)
    if table == "latents":
        for group in reader.groups(table, ("step", "latent")):
            yield from vectors(group["latent"]).reshape(-1, n, setting.statements.latents.shape[1])
        return
    for group in reader.groups(table, ("step", "weight")):
        for weights in numbers(group["weight"]).reshape(-1, len(source)):
            alignment = np.zeros((n, n))
            alignment[source, target] = alignment[target, source] = weights
            yield alignment


def _points(latents: NDArray[np.float32], setting: Setting, present: NDArray[np.bool_]) -> NDArray[np.float32]:
    mean, axes, _ = setting.plane
    points = ((latents - mean) @ axes).astype(np.float32)
    points[~present] = np.nan
    return points


def _opening_latents(setting: Setting, opening: State) -> NDArray[np.float32]:
    """Return the mean latent of what each agent held at the opening, ``(n_agents, latent_dim)``."""
    holders = held_matrix(opening.memory.held, len(setting.statements))
    return mean_latents(holders, setting.statements.latents)


def _learned(run: RunTables, reading: Reading) -> Reading:
    """Return a reading with the latents of a run whose affinity model learned before the first step, and not since."""
    if run.scenario.parameters.learn != "adapt":
        return reading
    latents = vectors(run.arrow("statements", ("latent",))["latent"])
    return replace(reading, statements=replace(reading.statements, latents=latents))


def _read(run: RunTables, weights: Path, tell_progress: Progress) -> Reading:
    """Let the affinity model with which a run was made read its statements."""
    digest, made_with = file_hash(weights), run.manifest.get("weights_sha256")
    if made_with != digest and run.scenario.affinity is None:
        weights_of = f"SHA-256 {brief(made_with, 12)}"
        raise InputError(str(run.path), f"was made with other weights of the affinity model ({weights_of}); pass those")
    return read_statements(run.scenario, weights, digest, tell_progress)


def _check_finished(run: RunTables) -> None:
    kind, status = run.manifest.get("kind", "run"), run.manifest.get("status")
    if kind != "run" or status != COMPLETE:
        found = f"is a {brief(kind)}" if kind != "run" else f"is a run that is {brief(status)}"
        raise InputError(str(run.path), f"{found}; a finished run is accepted")
    if list(run.manifest["agents"]) != list(run.scenario.personas):
        raise ValueError("its manifest names other agents than its configuration")


@contextmanager
def _whole(run: RunTables) -> Iterator[None]:
    """Tell in one line where a run is damaged."""
    try:
        yield
    except InputError:
        raise
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(str(run.path), f"is damaged ({error})") from None


# Which runs there are.


@dataclass(frozen=True)
class Finished:
    """A finished run in a folder for runs.

    Attributes
    ----------
    name : str
        What tells it from the others: its path in the folder for runs.
    scenario, title : str
        What was debated.
    seed, steps : int
        Its seed, and how many steps it has.
    when : str
        When it began, UTC: ``2026-11-23 14:58:02``.
    path : Path
        Its folder.
    """

    name: str
    scenario: str
    title: str
    seed: int
    steps: int
    when: str
    path: Path


def finished_runs(out: Path) -> list[Finished]:
    """Return the finished runs in a folder for runs, the newest first, at most 200.

    Runs lie in it or in the folder of their scenario; sweeps, comparisons and what is not finished are left out, and
    so is what a link leads to outside the folder.
    """
    places = [*out.glob(f"*/{MANIFEST}"), *out.glob(f"*/*/{MANIFEST}")]
    found: list[Finished] = []
    for manifest in sorted(places, key=_written, reverse=True):
        run = _finished(out, manifest.parent)
        found += [run] if run is not None else []
        if len(found) == _MOST_LISTED:
            break
    return sorted(found, key=lambda run: (run.when, run.name), reverse=True)


def find_run(out: Path, name: str) -> Path:
    """Return the folder of a finished run by its name among `finished_runs`; a path is none.

    Raises
    ------
    InputError
        There is none of that name.
    """
    for run in finished_runs(out):
        if run.name == name:
            return run.path
    raise InputError("run", f"{shorten(name)} is not among the finished runs in {out}")


def _written(manifest: Path) -> float:
    try:
        return manifest.stat().st_mtime
    except OSError:
        return 0.0


def _finished(out: Path, folder: Path) -> Finished | None:
    """Return what a folder's manifest says of it; None where it is no finished run inside ``out``."""
    try:
        if not folder.resolve().is_relative_to(out.resolve()) or folder.name.endswith(PARTIAL):
            return None
        said = read_manifest(folder)
        if said.get("kind", "run") != "run" or said.get("status") != COMPLETE:
            return None
        scenario, when = str(said["scenario"]), str(said["started_utc"])
        return Finished(
            folder.relative_to(out).as_posix(),
            one_line(scenario, 80),
            one_line(str(said.get("title") or scenario), 200),
            int(said["seed"]),
            int(said["steps_done"]),
            one_line(when.replace("T", " ").removesuffix("Z"), 40),
            folder,
        )
    except (InputError, OSError, LookupError, TypeError, ValueError, RuntimeError):
        return None
