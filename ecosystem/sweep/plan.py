"""The plan of a sweep: which runs it consists of. What a plan says fixes every byte of the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ecosystem.errors import InputError
from ecosystem.files import RUNS, write_atomic
from ecosystem.jepa import PRETRAINED
from ecosystem.scenario import Scenario
from ecosystem.sweep.design import Axis, Design

PLAN = "plan.json"
SCENARIO = "scenario.json"

TABLES = ("metrics", "events")
"""The tables of a run that a sweep keeps."""

MOST_RUNS = 1_000_000

Point = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes
    ----------
    point : int
        Number of the design point.
    replicate : int
        Number of the replicate.
    seed : int
        Of the run; the same for a replicate at every point.
    changes : dict
        The varied parameters at the point.
    """

    point: int
    replicate: int
    seed: int
    changes: Point


@dataclass(frozen=True)
class Plan:
    """Design points times replicates.

    Attributes
    ----------
    scenario : Scenario
        With the parameters that do not vary; its ``seed`` is where the seeds of the replicates come from.
    axes : tuple of Axis
        What varies.
    points : tuple of dict
        The design points: parameter to value, each with every axis.
    replicates : int
        Runs at each point, by seed.
    design : str
        How the points were chosen.
    weights : str
        SHA-256 of the affinity model's weights.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    replicates: int
    design: Design
    weights: str

    @property
    def names(self) -> list[str]:
        """The parameters that vary."""
        return [axis.name for axis in self.axes]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.points) * self.replicates

    @cached_property
    def seeds(self) -> list[int]:
        """The seed of each replicate: independent streams from the scenario's seed, whatever their number."""
        spawned = np.random.SeedSequence(self.scenario.parameters.seed).spawn(self.replicates)
        return [int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)) for sequence in spawned]

    @cached_property
    def hash(self) -> str:
        """Eight hex digits for all that the results depend on, the number of replicates aside."""
        content = self.scenario.model_dump(mode="json")
        for name in self.names:
            content["parameters"].pop(name)
        text = json.dumps([content, self._axes, self.points, self.weights], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def jobs(self) -> Iterator[Job]:
        """Yield the runs: the first replicate of every point, then the second, and so on."""
        for replicate, seed in enumerate(self.seeds):
            for number, point in enumerate(self.points):
                yield Job(number, replicate, seed, point)

    def steps(self, point: Point) -> int:
        """Return how many steps a run at a point takes."""
        return int(point.get("steps", self.scenario.parameters.steps))

    def describe(self) -> dict[str, Any]:
        """Return what ``plan.json`` says."""
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title or self.scenario.name,
            "design": self.design,
            "axes": self._axes,
            "points": list(self.points),
            "replicates": self.replicates,
            "seed": self.scenario.parameters.seed,
            "steps": self.scenario.parameters.steps,
            "weights_sha256": self.weights,
            "hash": self.hash,
        }

    def at_least(self, replicates: int) -> Plan:
        """Return the plan with no fewer replicates than some number: what has been run is kept."""
        return replace(self, replicates=max(self.replicates, replicates))

    @property
    def _axes(self) -> list[dict[str, Any]]:
        return [axis.describe() for axis in self.axes]


def make_plan(
    scenario: Scenario,
    axes: Sequence[Axis],
    points: Sequence[Mapping[str, Any]],
    replicates: int,
    weights: str,
    design: Design = "given",
) -> Plan:
    """Return a plan, checked.

    Raises
    ------
    InputError
        There is no replicate, or no point, or too many of them.
    """
    if replicates < 1:
        raise InputError("--seeds", f"found {replicates}; a whole number from 1 is accepted")
    if len(points) * replicates > MOST_RUNS:
        raise InputError(
            "--seeds", f"found {replicates:,} at {len(points):,} design points; up to {MOST_RUNS:,} runs are accepted"
        )
    if not points:
        raise InputError("points", "found none; at least one design point is needed")
    return Plan(scenario, tuple(axes), tuple(dict(point) for point in points), replicates, design, weights)


def weights_hash(weights: str | Path | None) -> str:
    """Return the SHA-256 of the affinity model's weights."""
    from ecosystem.record.manifest import file_hash

    path = Path(weights) if weights is not None else PRETRAINED
    try:
        return file_hash(path)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from None


def sweep_folder(plan: Plan, out: str | Path | None, kind: str = "sweep") -> Path:
    """Return a sweep's folder: the one given, or one that is named for what the sweep is."""
    return Path(out) if out is not None else RUNS / plan.scenario.name / f"{kind}-{plan.hash}"


def settle(plan: Plan, folder: Path) -> Plan:
    """Write a plan into its folder; return it with the replicates that the folder has already, where these are more.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    if (folder / PLAN).exists():
        there = read_plan(folder)
        if there.get("hash") != plan.hash:
            raise InputError(
                str(folder), "holds a sweep with other parameters, points, corpora or weights; --out names another"
            )
        plan = plan.at_least(int(there["replicates"]))
    elif folder.is_dir() and any(child.name != ".lock" for child in folder.iterdir()):
        raise InputError(str(folder), "is not empty and holds no sweep; --out names another folder")
    for name, content in ((SCENARIO, plan.scenario.model_dump(mode="json")), (PLAN, plan.describe())):
        with write_atomic(folder / name) as file:
            file.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    return plan


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what ``plan.json`` in a sweep's folder says.

    Raises
    ------
    InputError
        The folder is not a sweep.
    """
    try:
        plan = json.loads((folder / PLAN).read_bytes())
    except OSError:
        raise InputError(str(folder), f"is not a sweep's folder: it has no {PLAN}") from None
    except ValueError as error:
        raise InputError(str(folder / PLAN), f"is not JSON ({error})") from None
    if not isinstance(plan, dict) or not {"axes", "points", "replicates", "hash"} <= set(plan):
        raise InputError(str(folder / PLAN), "is not a sweep's plan")
    return plan
