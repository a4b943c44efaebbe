"""Running a scenario: from its name to a finished folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel
    from ecosystem.model import EcosystemModel
    from ecosystem.report.notebook import Run

Progress = Callable[[str, int, int], None]
"""Called with a stage (``encode``, ``simulate``, ``report``), how much of it is done, and how much there is."""

RUNS = Path("runs")


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
    from ecosystem.record.folder import find_folders, locked, new_folder
    from ecosystem.record.manifest import config_hash, file_hash
    from ecosystem.report.notebook import Run

    tell = progress or (lambda *_: None)
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
            return Run(_simulate(folder, checked, jepa, digest, weights_hash, tell))
        except (InputError, OSError):
            _abandon(folder)
            raise


def rewrite_report(folder: str | Path) -> Run:
    """Draw a finished run's figures and write its report anew, from its tables."""
    from ecosystem.report.document import write_report
    from ecosystem.report.gallery import write_figures
    from ecosystem.report.notebook import Run

    finished = Run(folder)
    write_figures(finished.path, finished)
    write_report(finished.path, finished)
    return finished


def _simulate(
    folder: Path, scenario: Scenario, jepa: AffinityModel, digest: str, weights_hash: str, tell: Progress
) -> Path:
    from ecosystem.model import EcosystemModel
    from ecosystem.record.folder import RunWriter
    from ecosystem.record.manifest import write_config, write_manifest
    from ecosystem.record.reader import RunTables
    from ecosystem.record.statements import write_statement_tables
    from ecosystem.report.document import write_report
    from ecosystem.report.gallery import write_figures

    started = time.time()
    cost = {"start": time.process_time()}
    manifest = _manifest(scenario, digest, weights_hash, jepa, started)
    write_config(folder, scenario)
    write_manifest(folder, manifest)
    encoded = _encode(scenario, jepa, tell)
    model = EcosystemModel(scenario, jepa=jepa)
    writer = RunWriter(folder, model)
    writer.restore()
    steps = scenario.parameters.steps
    tell("simulate", model.state.tick, steps)
    while model.state.tick < steps:
        model.step()
        assert model.last is not None
        writer.add(model.last)
        tell("simulate", model.state.tick, steps)
    cost["simulated"] = time.process_time()
    tell("report", 0, 3)
    writer.join()
    write_statement_tables(folder, model)
    _write_graph(folder, model)
    tell("report", 1, 3)
    manifest |= {"status": "complete", "steps_done": steps, "encoded_statements": encoded}
    manifest["timings"] = {"simulation_cpu_s": round(cost["simulated"] - cost["start"], 3)}
    write_manifest(folder, manifest)
    tables = RunTables(folder, scenario)
    write_figures(folder, tables)
    tell("report", 2, 3)
    write_report(folder, tables)
    cost["reported"] = time.process_time()
    manifest["timings"] |= {
        "report_cpu_s": round(cost["reported"] - cost["simulated"], 3),
        "process_cpu_s": round(cost["reported"], 3),
        "wall_s": round(time.time() - started, 3),
    }
    write_manifest(folder, manifest)
    final = writer.publish()
    tell("report", 3, 3)
    return final


def _manifest(
    scenario: Scenario, digest: str, weights_hash: str, jepa: AffinityModel, started: float
) -> dict[str, Any]:
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
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "command": command_line(),
        **provenance(),
    }


def _encode(scenario: Scenario, jepa: AffinityModel, tell: Progress) -> int:
    """Encode what is not cached yet, telling how far it is; return how many statements were new."""
    from ecosystem.jepa.encoder import CachedEncoder

    texts = list({s.text: None for persona in scenario.personas.values() for s in persona.corpus})
    encoder = jepa.encoder
    missing = encoder.missing(texts) if isinstance(encoder, CachedEncoder) else texts
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        tell("encode", done, len(missing))

    if missing:
        tell("encode", 0, len(missing))
        encoder.encode(missing, step)
    return len(missing)


def _write_graph(folder: Path, model: EcosystemModel) -> None:
    import networkx as nx

    from ecosystem.files import write_atomic

    with write_atomic(folder / "alignment.graphml") as file:
        nx.write_graphml(model.alignment_graph, file)


def _abandon(folder: Path) -> None:
    """Remove a folder that holds no checkpoint to resume from."""
    import shutil

    if not any((folder / "checkpoints").glob("*.safetensors")):
        shutil.rmtree(folder, ignore_errors=True)
        for parent in (folder.parent, folder.parent.parent):
            with suppress(OSError):  # not empty
                parent.rmdir()
