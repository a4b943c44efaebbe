"""What if: a run goes on from one of its steps with other parameters, beside what it did, under the same chances."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ecosystem.complaints import explain
from ecosystem.errors import InputError, brief, nearest, shorten
from ecosystem.execute import carry_out, discard
from ecosystem.files import RUNS
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.progress import Progress, silent
from ecosystem.scenario import LIVE, Parameters, Scenario, Shock

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.jepa.affinity import AffinityModel
    from ecosystem.record.reader import RunTables
    from ecosystem.report.notebook import Run
    from ecosystem.sweep.branches import Origin

KIND = "fork"

MOST_SEEDS = 10_000

_ENDING = "-forked"
_SHARED = ("scenario", "title", "seed", "corpora_sha256", "weights_sha256", "encoder", "agents", "topics")


@dataclass(frozen=True)
class Fork:
    """A run that forked: how it went on changed, and how the branches differ over several random numbers.

    Attributes
    ----------
    path : Path
        The folder that compares the branches: ``report.html``, ``branches.parquet`` and others.
    run : Run
        The changed branch under the run's own random numbers, a run like any other.
    parent : Run
        The run that forked: the other branch.
    """

    path: Path
    run: Run
    parent: Run

    @cached_property
    def branches(self) -> pd.DataFrame:
        """A row a branch, replicate and step after the fork: all measures."""
        return self._read("branches")

    @cached_property
    def divergence(self) -> pd.DataFrame:
        """A row a replicate and step after the fork: how far apart the branches are."""
        return self._read("divergence")

    @cached_property
    def memberships(self) -> pd.DataFrame:
        """A row a branch, replicate, step after the fork and agent: its coalition, negative for an agent alone."""
        return self._read("memberships")

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row a branch, replicate and event after the fork."""
        return self._read("events")

    @cached_property
    def effects(self) -> pd.DataFrame:
        """A row a measure: its value in both branches and the difference, at the end and on average, over replicates.

        See `ecosystem.report.experiments.fork_effects.find_effects`.
        """
        from ecosystem.report.experiments.fork_effects import find_effects

        return find_effects(self.branches)

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem fork --json`` prints: where things are, where the branches part, what differs."""
        from ecosystem.report.experiments.fork_effects import changes_nothing, outline

        said = self.run.manifest["fork"]
        return {
            "fork": str(self.path),
            "report": str(self.path / "report.html"),
            "run": str(self.run.path),
            "of": str(self.parent.path),
            "at": said["at"],
            "changes": said["changes"],
            "nothing_changes": changes_nothing(self.parent.scenario, said["at"], said["changes"]),
            "steps": self.run.manifest["parameters"]["steps"],
            **outline(self.parent, self.run, self.divergence, self.effects),
        }

    def _read(self, table: str) -> pd.DataFrame:
        import pandas as pd

        return pd.read_parquet(self.path / f"{table}.parquet")

    def _repr_html_(self) -> str:
        found = self.summary()
        changes = ", ".join(f"{key} = {value}" for key, value in found["changes"].items()) or "none"
        measures = [row["measure"] for row in found["measures"] if row["clear"]]
        clear = f"{len(measures)} of {len(found['measures'])} measures: {', '.join(measures)}" if measures else "none"
        rows = {
            "Fork of": f"{found['of']}, after step {found['at']}",
            "Changes": changes,
            "Branches part at step": found["parts_at"] or "no step",
            "Clearly different at the end": f"{clear} (by chance alone about {found['by_chance']:g})",
            "Report": found["report"],
        }
        body = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table>{body}</table>"


def fork(
    run: str | Path | RunTables,
    *,
    at: int,
    seeds: int = 10,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Fork:
    """Let a finished run go on from one of its steps with other parameters, and compare that with what it did.

    The change is a shock at the step after ``at``, so that the fork is a run like any other: its ``config.yaml`` runs
    again, from the beginning, to the same bytes. Without changes its tables are its parent's, byte for byte. Random
    numbers are the parent's; further replicates draw others after ``at``, the same in both branches.

    Parameters
    ----------
    run : str, Path or Run
        The run, or its folder.
    at : int
        The last step that stays as it was, from 0 to the one before the run's last.
    seeds : int
        Replicates in which the branches are compared, the run's own random numbers among them; one where every
        parameter is given the value that it has.
    out : str or Path, optional
        Folder for runs, by default ``runs``: the fork goes to ``<out>/<scenario>/<UTC time>-s<seed>-<config hash>``,
        the comparison beside it, to ``<the same>-forked``.
    weights : str or Path, optional
        Weights of the affinity model, where the run was not made with the shipped ones.
    progress : callable, optional
        Told a stage (``encode``, ``simulate``, ``report``, ``branches``, ``compare branches``), how much of it is done,
        and how much there is.
    **changes
        Any of `ecosystem.scenario.LIVE`, by name.

    Raises
    ------
    InputError
        The run, the step, a parameter, the weights or the output folder cannot be used. Whatever is raised, no folder
        is left.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from ecosystem.opening import encode_statements
    from ecosystem.record.folder import PARTIAL, new_folder, publish
    from ecosystem.record.lock import locked
    from ecosystem.record.manifest import config_hash
    from ecosystem.report.experiments.fork_effects import changes_nothing

    tell = progress or silent
    parent = _finished(run)
    at, seeds = _step(parent, at), _whole("--seeds", seeds, 1, MOST_SEEDS)
    shock = _shock(parent.scenario, at, changes)
    scenario = _shocked(parent.scenario, shock)
    jepa, weights_hash = _same_weights(parent, weights)
    done = {} if shock is None else shock.changes
    if changes_nothing(parent.scenario, at, done):
        seeds = 1  # the branches are the same whatever is drawn
    said = {"of": str(parent.path.resolve()), "at": at, "changes": done}
    folder = new_folder(Path(out or RUNS), scenario.name, scenario.parameters.seed, config_hash(scenario, weights_hash))
    # One BLAS thread, as in any run: sums keep their order.
    with threadpool_limits(1, "blas"):
        with _whole_or_not_at_all(folder), locked(folder):
            encode_statements(scenario, jepa, tell)
            origin = _origin(parent, scenario, jepa, at, folder)
            changed = carry_out(folder, scenario, jepa, weights_hash, tell, fork=said)
        beside = changed.path.with_name(changed.path.name + _ENDING + PARTIAL)
        with _whole_or_not_at_all(changed.path, beside):
            beside.mkdir()
            with locked(beside):
                _compare(beside, parent, changed, origin, seeds, tell)
                return Fork(publish(beside), changed, parent)


def _finished(run: str | Path | RunTables) -> Run:
    """Return a finished run with its scenario read."""
    from ecosystem.record.manifest import COMPLETE, CONFIG
    from ecosystem.report.notebook import Run
    from ecosystem.sweep.reader import is_sweep

    if isinstance(run, str | Path) and is_sweep(Path(run)):
        raise InputError(str(run), "is a sweep; a run is needed, as `ecosystem run` makes")
    found = run if isinstance(run, Run) else Run(run if isinstance(run, str | Path) else run.path)
    where = str(found.path)
    if not (found.path / CONFIG).is_file() or not isinstance(found.manifest.get("parameters"), dict):
        raise InputError(where, f"is not a run's folder: it has no {CONFIG}")
    if found.manifest.get("status") != COMPLETE:
        raise InputError(where, f"is a run that is {shorten(found.manifest.get('status'))}; a finished one is accepted")
    assert found.scenario
    return found


def _whole(field: str, value: Any, low: int, high: int) -> int:
    number: int
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise InputError(field, f"found {shorten(value)}; a whole number from {low} to {high} is accepted")
    return number


def _step(parent: Run, at: Any) -> int:
    """Return the step of the fork, checked: the parent has a checkpoint from which it can be reached."""
    from ecosystem.record.checkpoint import checkpoint_path

    p = parent.scenario.parameters
    step = _whole("--at", at, 0, p.steps - 1)
    base = step - step % p.checkpoint_every
    if base and not checkpoint_path(parent.path, base).is_file():
        missing, first = checkpoint_path(parent.path, base), p.checkpoint_every
        raise InputError(str(missing), f"not found; without it the run can be forked before step {first} only")
    return step


def _shock(scenario: Scenario, at: int, changes: Mapping[str, Any]) -> Shock | None:
    """Return the changes, checked against the parameters as they stand, as a shock at the step after the fork."""
    for name in changes:
        if name not in Parameters.model_fields:
            raise InputError(f"--set {brief(name)}", f"is not a parameter{nearest(name, Parameters.model_fields)}")
        if name not in LIVE:
            why = "cannot change while a debate goes on; `ecosystem run ... --set` changes it from the start"
            raise InputError(f"--set {name}", f"{why}; accepted: {', '.join(LIVE)}")
    if not changes:
        return None
    due = [event for event in scenario.interventions if isinstance(event, Shock) and event.step <= at + 1]
    standing = scenario.parameters.model_dump()
    for event in sorted(due, key=lambda event: event.step):
        standing |= event.changes
    try:
        checked = Parameters.model_validate({**standing, **changes})
    except ValidationError as error:
        field, _, what = str(explain(error, "", Parameters)).removeprefix(": ").partition(": ")
        raise InputError(f"--set {field}", what) from None
    return Shock(kind="shock", step=at + 1, **{name: getattr(checked, name) for name in LIVE if name in changes})


def _shocked(scenario: Scenario, shock: Shock | None) -> Scenario:
    """Return a scenario with one intervention more, the last of its step."""
    if shock is None:
        return scenario
    try:
        return Scenario.model_validate({**scenario.__dict__, "interventions": (*scenario.interventions, shock)})
    except ValidationError as error:
        raise explain(error, scenario.name, Scenario) from None


def _same_weights(parent: Run, weights: str | Path | None) -> tuple[AffinityModel, str]:
    """Return the affinity model that made a run, and the SHA-256 of its weights."""
    from ecosystem.record.manifest import file_hash

    path = Path(weights) if weights is not None else PRETRAINED
    jepa, found, made_with = load_jepa(path), file_hash(path), str(parent.manifest.get("weights_sha256"))
    if found != made_with:
        raise InputError(
            str(path),
            f"has other weights than the run was made with (SHA-256 {found[:12]}..., not {brief(made_with[:12])}...)",
        )
    return jepa, found


def _origin(parent: Run, changed: Scenario, jepa: AffinityModel, at: int, folder: Path) -> Origin:
    """Give the fork's folder what the parent had up to the last checkpoint before the fork; return where it forks."""
    from ecosystem.model import EcosystemModel
    from ecosystem.opening import Reading
    from ecosystem.record.checkpoint import checkpoint_path, load_checkpoint
    from ecosystem.record.inherit import inherit
    from ecosystem.record.tables import schemas
    from ecosystem.sweep.branches import Origin

    every, seed = changed.parameters.checkpoint_every, changed.parameters.seed
    stems = list(range(every, at + 1, every))
    reading = Reading.of(changed, jepa)
    inherit(folder, parent.path, stems, schemas(reading.statements.latents.shape[1]))
    model = EcosystemModel(parent.scenario, jepa=jepa, reading=reading, rng=seed)
    if stems:
        model.restore(*load_checkpoint(checkpoint_path(parent.path, stems[-1])))
    while model.state.tick < at:
        model.step()
    return Origin((parent.scenario, changed), jepa, reading, model.state, model.draws)


def _compare(folder: Path, parent: Run, changed: Run, origin: Origin, seeds: int, tell: Progress) -> None:
    """Write tables, figures and page, last of all that the comparison is complete."""
    from ecosystem.record.manifest import COMPLETE, command_line, provenance, write_manifest
    from ecosystem.report.experiments.fork_page import write_page
    from ecosystem.sweep.branches import write_branches

    began = time.process_time()
    manifest = {
        "kind": KIND,
        "status": "running",
        **{key: parent.manifest.get(key) for key in _SHARED},
        "run": f"../{changed.path.name}",
        "fork": changed.manifest["fork"],
        "seeds": seeds,
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **provenance(),
    }
    write_manifest(folder, manifest)
    write_branches(folder, origin, seeds, tell)
    write_page(folder, parent, changed, manifest, tell)
    manifest |= {"status": COMPLETE, "timings": {"comparison_cpu_s": round(time.process_time() - began, 3)}}
    write_manifest(folder, manifest)


@contextmanager
def _whole_or_not_at_all(*folders: Path) -> Iterator[None]:
    """Remove folders that this fork made where something goes wrong: a fork is made anew, not resumed."""
    try:
        yield
    except BaseException:
        for folder in folders:
            discard(folder)
        raise
