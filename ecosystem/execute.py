"""Running a scenario: from its name to a finished folder."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError
from ecosystem.files import RUNS
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.progress import Progress, silent
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel
    from ecosystem.model import EcosystemModel
    from ecosystem.record.folder import RunWriter
    from ecosystem.report.notebook import Run


def run(
    scenario: str | Path | Scenario,
    *,
    out: str | Path = RUNS,
    resume: bool = False,
    weights: str | Path | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Run:
    """Run a scenario and return the finished run.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What `ecosystem.load_scenario` accepts.
    out : str or Path
        Folder for runs; the run goes to ``<out>/<scenario>/<UTC time>-s<seed>-<config hash>``.
    resume : bool
        Finish the newest unfinished run of this configuration and seed if there is one; return the
        finished one if there is only that.
    weights : str or Path, optional
        Weights of the affinity model; the shipped ones by default.
    progress : callable, optional
        Told how far things are.
    **parameters
        Any of `ecosystem.Parameters`.

    Raises
    ------
    InputError
        The scenario, a parameter, the weights or the output folder cannot be used.
    """
    from ecosystem.record.folder import find_folders, new_folder
    from ecosystem.record.lock import locked
    from ecosystem.record.manifest import config_hash, file_hash
    from ecosystem.report.notebook import Run

    tell = progress or silent
    checked = load_scenario(scenario, **parameters)
    weights = Path(weights) if weights is not None else PRETRAINED
    jepa = load_jepa(weights)
    weights_hash = file_hash(weights)
    digest = config_hash(checked, weights_hash)
    seed, root = checked.parameters.seed, Path(out)
    partial = None
    if resume:
        partial, complete = find_folders(root, checked.name, seed, digest)
        if partial is None and complete is not None:
            return Run(complete)
    folder = partial or new_folder(root, checked.name, seed, digest)
    with locked(folder):
        try:
            return carry_out(folder, checked, jepa, weights_hash, tell)
        except (InputError, OSError):
            _abandon(folder)
            raise


def carry_out(
    folder: Path, scenario: Scenario, jepa: AffinityModel, weights_hash: str, tell: Progress, **said: Any
) -> Run:
    """Bring a partial folder, which this process holds, to its end: steps, tables, figures, report, its final name.

    Parameters
    ----------
    folder : Path
        Where it holds checkpoints, the run goes on from the last.
    scenario, jepa, weights_hash
        What is run, with which affinity model, from weights of which SHA-256.
    tell : callable
        Told how far things are.
    **said
        What the manifest says beside.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from ecosystem.record.folder import publish
    from ecosystem.record.manifest import config_hash
    from ecosystem.report.notebook import Run

    # One BLAS thread: for matrices of this size more threads only spin, and sums keep their order.
    with threadpool_limits(1, "blas"):
        if not _is_written(folder):
            manifest = _manifest(scenario, config_hash(scenario, weights_hash), weights_hash, jepa) | said
            writer = _simulate(folder, scenario, jepa, manifest, tell)
            _finish(writer, scenario, manifest, tell)
        return Run(publish(folder))


def write_up(
    writer: RunWriter, scenario: Scenario, jepa: AffinityModel, weights_hash: str, out: str | Path, tell: Progress
) -> Run:
    """Write a debate that was stepped elsewhere as a finished run, the same as `run` makes of its scenario.

    Parameters
    ----------
    writer : RunWriter
        Holds the steps taken so far; it can go on afterwards.
    scenario : Scenario
        What was run: its ``steps`` are those taken, its interventions include those made on the way.
    jepa, weights_hash
        The affinity model, and the SHA-256 of its weights.
    out : str or Path
        Folder for runs.
    tell : callable
        Told how far things are.
    """
    from threadpoolctl import threadpool_limits

    from ecosystem.record.folder import new_folder, publish
    from ecosystem.record.lock import locked
    from ecosystem.record.manifest import config_hash, write_config
    from ecosystem.report.notebook import Run

    digest = config_hash(scenario, weights_hash)
    folder = new_folder(Path(out), scenario.name, scenario.parameters.seed, digest)
    try:
        with locked(folder), threadpool_limits(1, "blas"):
            write_config(folder, scenario)
            manifest = _manifest(scenario, digest, weights_hash, jepa) | {"timings": {}}
            _finish(writer.copied_to(folder), scenario, manifest, tell)
            return Run(publish(folder))
    except BaseException:
        discard(folder)
        raise


def rewrite_report(folder: str | Path) -> Run:
    """Draw a finished run's figures and write its report and ODD description anew, from its tables."""
    from ecosystem.report.document import write_report
    from ecosystem.report.gallery import write_figures
    from ecosystem.report.notebook import Run
    from ecosystem.report.odd import write_odd

    finished = Run(folder)
    write_figures(finished.path, finished)
    write_odd(finished.path, finished)
    write_report(finished.path, finished)
    return finished


def _simulate(
    folder: Path, scenario: Scenario, jepa: AffinityModel, manifest: dict[str, Any], tell: Progress
) -> RunWriter:
    """Take all steps, from the last checkpoint on where there is one; return the writer that has them."""
    from ecosystem.model import EcosystemModel
    from ecosystem.opening import encode_statements
    from ecosystem.record.folder import RunWriter
    from ecosystem.record.manifest import write_config, write_manifest

    began = time.process_time()
    write_config(folder, scenario)
    write_manifest(folder, manifest)
    manifest["encoded_statements"] = encode_statements(scenario, jepa, tell)
    model = EcosystemModel(scenario, jepa=jepa, rng=scenario.parameters.seed)
    writer = RunWriter(folder, model)
    writer.restore()
    steps = scenario.parameters.steps
    tell("simulate", model.state.tick, steps)
    while model.state.tick < steps:
        model.step()
        assert model.last is not None
        writer.add(model.last)
        tell("simulate", model.state.tick, steps)
    manifest["timings"] = {"simulation_cpu_s": round(time.process_time() - began, 3)}
    return writer


def _finish(writer: RunWriter, scenario: Scenario, manifest: dict[str, Any], tell: Progress) -> None:
    """Write tables, graph, figures and report; last of all, that the run is complete."""
    from ecosystem.record.manifest import COMPLETE, write_manifest
    from ecosystem.record.reader import RunTables
    from ecosystem.record.statements import write_statement_tables
    from ecosystem.report.document import write_report
    from ecosystem.report.gallery import write_figures
    from ecosystem.report.odd import write_odd

    folder, model = writer.folder, writer.model
    began = time.process_time()
    tell("report", 0, 3)
    writer.join()
    write_statement_tables(folder, model)
    _write_graph(folder, model)
    manifest["steps_done"] = model.state.tick
    write_manifest(folder, manifest)
    tell("report", 1, 3)
    tables = RunTables(folder, scenario)
    write_figures(folder, tables)
    tell("report", 2, 3)
    write_odd(folder, tables)
    write_report(folder, tables)
    manifest["timings"]["report_cpu_s"] = round(time.process_time() - began, 3)
    manifest["timings"]["process_cpu_s"] = round(time.process_time(), 3)
    manifest["status"] = COMPLETE
    write_manifest(folder, manifest)
    tell("report", 3, 3)


def _is_written(folder: Path) -> bool:
    """Return whether everything is in a partial folder, and only its name is missing."""
    from ecosystem.record.manifest import COMPLETE, MANIFEST, read_manifest

    return (folder / MANIFEST).exists() and read_manifest(folder).get("status") == COMPLETE


def _manifest(scenario: Scenario, digest: str, weights_hash: str, jepa: AffinityModel) -> dict[str, Any]:
    from ecosystem.record.manifest import command_line, corpora_hash, provenance

    return {
        "status": "running",
        "scenario": scenario.name,
        "title": scenario.title or scenario.name,
        "parameters": scenario.parameters.model_dump(mode="json"),
        "seed": scenario.parameters.seed,
        "config_hash": digest,
        "corpora_sha256": corpora_hash(scenario),
        "weights_sha256": weights_hash,
        "weights_card": jepa.card,
        "encoder": jepa.encoder.identity,
        "agents": {key: persona.name for key, persona in scenario.personas.items()},
        "topics": {topic.id: topic.title or topic.id for topic in scenario.topics},
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **provenance(),
    }


def _write_graph(folder: Path, model: EcosystemModel) -> None:
    import networkx as nx

    from ecosystem.files import write_atomic

    with write_atomic(folder / "alignment.graphml") as file:
        nx.write_graphml(model.alignment_graph, file)


def _abandon(folder: Path) -> None:
    """Remove a folder that holds no checkpoint to resume from."""
    if not any((folder / "checkpoints").glob("*.safetensors")):
        discard(folder)


def discard(folder: Path) -> None:
    """Remove a folder, and those above it that were for it alone."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, folder.parent.parent):
        with suppress(OSError):  # not empty
            parent.rmdir()
