"""Sensitivity analysis: a sweep over the points of a method's design, its indices, its figure and its page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.progress import Progress
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario
from ecosystem.sweep.design import read_axes
from ecosystem.sweep.execute import Estimate, carry_out
from ecosystem.sweep.plan import Plan, make_plan, sweep_folder, weights_hash

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.sweep.sensitivity import Samples
    from ecosystem.sweep.study import Outcome, Study
    from ecosystem.sweep.work import Perform

INDICES = "indices.parquet"
RESPONSES = "responses.parquet"
DESCRIPTION = "sensitivity.json"


@dataclass(frozen=True)
class Question:
    """What a sensitivity analysis is about to find out.

    Attributes
    ----------
    plan : Plan
        The sweep over the design's points.
    samples : Samples
        The design.
    measure : str
        A column of `ecosystem.measures.CATALOGUE`.
    outcome : {"end", "mean"}
        Its value at a run's last step, or its mean over the steps.
    """

    plan: Plan
    samples: Samples
    measure: str
    outcome: Outcome

    def folder(self, out: str | Path | None = None) -> Path:
        """Return where the analysis goes: the folder given, or one that is named for what the sweep is."""
        return sweep_folder(self.plan, out, "sensitivity")


@dataclass(frozen=True)
class Sensitivity:
    """A finished sensitivity analysis.

    Attributes
    ----------
    path : Path
        Its folder: that of a sweep, with ``indices.parquet``, ``sensitivity.json``, ``figures/sensitivity.png`` and
        ``report.html``; also ``responses.parquet`` where parameters varied one at a time.
    study : Study
        What was found.
    """

    path: Path
    study: Study

    @property
    def indices(self) -> pd.DataFrame:
        """A row a parameter: see `ecosystem.sweep.indices.Indices`."""
        return self.study.indices.table

    @property
    def sentence(self) -> str:
        """What matters most, in words."""
        from ecosystem.report.experiments.sensitivity_story import finding

        return finding(self.study)

    @property
    def failed(self) -> int:
        """How many runs failed."""
        return self.study.failed

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem sensitivity --json`` prints: where it is, what was found, how far to trust it."""
        return {
            "sensitivity": str(self.path),
            "report": str(self.path / "report.html"),
            **_describe(self.study),
        }

    def __repr__(self) -> str:
        return f"Sensitivity({str(self.path)!r})"

    def _repr_html_(self) -> str:
        from html import escape

        table = self.indices.to_html(index=False, float_format="{:.3f}".format, na_rep="–", border=0)
        return f"<p>{escape(self.sentence)}</p>{table}<p>{escape(str(self.path / 'report.html'))}</p>"


def analyse_sensitivity(
    scenario: str | Path | Scenario,
    over: Mapping[str, Any] | Sequence[str],
    measure: str,
    *,
    method: str = "sobol",
    samples: int | None = None,
    seeds: int | None = None,
    outcome: str = "end",
    workers: int | None = None,
    scheduler: str | None = None,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    perform: Perform | None = None,
    progress: Progress | None = None,
    announce: Callable[[Estimate], None] | None = None,
    **parameters: Any,
) -> Sensitivity:
    """Find out which parameters of a scenario matter for a measure.

    The runs are those of a sweep: what is on disk is not run again, and another measure takes no new run. A run
    that fails is recorded, and the design's blocks that need it are left out.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What `ecosystem.load_scenario` accepts.
    over : mapping or sequence of str
        What varies: ``["homophily=0:10", "entry=nash,individual"]`` or ``{"homophily": "0:10"}``.
    measure : str
        A measure of the catalogue, ``coalitions`` for one.
    method : {"sobol", "morris", "oat"}
        Shares of the variance, elementary effects, or one at a time: see `ecosystem.sweep.sensitivity.sample`.
    samples : int, optional
        Base points (sobol; a power of two), trajectories (morris) or levels (oat). With k parameters and R seeds
        these are at most ``samples * (k + 2) * R``, ``samples * (k + 1) * R`` or ``(samples * k + 1) * R`` runs.
    seeds : int, optional
        Replicates at each point, R; the same seeds everywhere.
    outcome : {"end", "mean"}
        The measure at a run's last step, or its mean over the steps.
    workers, scheduler, out, weights, progress, announce
        As in `ecosystem.sweeping.run_sweep`; the folder is ``runs/<scenario>/sensitivity-<hash>`` by default.
    perform : callable, optional
        Makes a run's tables; `ecosystem.sweep.work.perform_run` by default.
    **parameters
        Any of `ecosystem.Parameters`, for all runs; with ``oat`` also those that vary, which then set its base point.

    Raises
    ------
    InputError
        Something that was given cannot be used, or SALib is not installed.
    """
    question = plan_sensitivity(
        scenario, over, measure, method=method, samples=samples, seeds=seeds, outcome=outcome, weights=weights,
        **parameters,
    )  # fmt: skip
    found: list[Study] = []

    def finish(folder: Path, tell: Progress) -> None:
        tell("indices", 0, 2)
        found.append(_study(question, folder))
        _write_tables(folder, found[0])
        tell("indices", 1, 2)
        _write_page(folder, found[0])
        tell("indices", 2, 2)

    folder = question.folder(out)
    carry_out(
        question.plan, folder, workers=workers, scheduler=scheduler, weights=weights, perform=perform,
        progress=progress, announce=announce, finish=finish,
    )  # fmt: skip
    return Sensitivity(folder, found[0])


def plan_sensitivity(
    scenario: str | Path | Scenario,
    over: Mapping[str, Any] | Sequence[str],
    measure: str,
    *,
    method: str = "sobol",
    samples: int | None = None,
    seeds: int | None = None,
    outcome: str = "end",
    weights: str | Path | None = None,
    **parameters: Any,
) -> Question:
    """Return what `analyse_sensitivity` would ask; nothing runs."""
    from ecosystem.sweep.sensitivity import REPLICATES, SAMPLES, sample
    from ecosystem.sweep.study import check_measure, check_outcome

    axes = read_axes(over, "--over")
    for axis in axes:
        if len(axis.values) == 1:
            raise InputError(f"--over {axis.name}", "found one value; at least two, or a range, are accepted")
        if axis.name in parameters and method != "oat":
            raise InputError(f"--set {axis.name}", "is set and varied; either is accepted, except with oat")
    checked = load_scenario(scenario, **parameters)
    own = checked.parameters
    check_measure(measure)
    count = SAMPLES.get(method, 2) if samples is None else samples
    design = sample(axes, method, count, own.model_dump(), own.seed)
    replicates = REPLICATES[design.method] if seeds is None else seeds
    plan = make_plan(checked, axes, design.points, replicates, weights_hash(weights), "given")
    return Question(plan, design, measure, check_outcome(outcome))


def _study(question: Question, folder: Path) -> Study:
    """Return what the runs on disk tell."""
    import numpy as np

    from ecosystem.sweep.dataset import FAILURES, finished
    from ecosystem.sweep.indices import analyse
    from ecosystem.sweep.reader import SweepTables
    from ecosystem.sweep.study import Study, outcomes_of

    sweep, plan = SweepTables(folder), question.plan
    metrics = sweep.read("metrics", columns=["point", "replicate", "step", question.measure])
    values = outcomes_of(metrics, question.measure, question.outcome, len(plan.points), sweep.replicates)
    failed = len(finished(folder, FAILURES) - finished(folder))
    return Study(
        plan.scenario.title or plan.scenario.name,
        question.measure,
        question.outcome,
        sweep.replicates,
        failed,
        int(np.isnan(values).sum()) - failed,
        analyse(question.samples, values, plan.scenario.parameters.seed),
    )


def _describe(study: Study) -> dict[str, Any]:
    """Return what ``sensitivity.json`` says: it follows from the runs alone."""
    from ecosystem.report.experiments.sensitivity_story import cautions, finding

    indices = study.indices
    facts = {
        "title": study.title,
        "measure": study.measure,
        "outcome": study.outcome,
        "method": indices.samples.method,
        "samples": indices.samples.count,
        "over": [axis.describe() for axis in indices.samples.axes],
        "points": len(indices.samples.points),
        "replicates": study.replicates,
        "runs": study.runs,
        "failed": study.failed,
        "undefined": study.undefined,
        "missing_points": study.missing,
        "used": indices.used,
        "left_out": indices.left_out,
        "finding": finding(study),
        "cautions": cautions(study),
        "constant": indices.constant,
        "seed_share": _known(indices.seed_share),
        "chance_share": _known(indices.chance),
        "indices": [
            {"parameter": parameter} | {name: _known(value) for name, value in row.items()}
            for parameter, row in indices.rows.items()
        ],
    }
    if indices.samples.method == "sobol":
        names = ("sum", "low", "high")
        facts["first_order"] = dict(zip(names, map(_known, indices.additive), strict=True))
    return facts


def _known(value: Any) -> Any:
    """Return a value as JSON has it: what is not a number becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_tables(folder: Path, study: Study) -> None:
    indices = study.indices
    about = {"measure": study.measure, "outcome": study.outcome, "method": indices.samples.method}
    for name, table in ((INDICES, indices.table), (RESPONSES, indices.responses)):
        if table is None:
            (folder / name).unlink(missing_ok=True)
            continue
        with write_atomic(folder / name) as file:
            table.assign(**about)[[*about, *table.columns]].to_parquet(file, index=False, compression="zstd")
    with write_atomic(folder / DESCRIPTION) as file:
        file.write(json.dumps(_describe(study), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _write_page(folder: Path, study: Study) -> None:
    from ecosystem.record.manifest import read_manifest
    from ecosystem.report.experiments.sensitivity_figures import write_figure
    from ecosystem.report.experiments.sensitivity_page import render
    from ecosystem.sweep.reader import SweepTables

    picture = write_figure(folder, study)
    page = render(study, SweepTables(folder).scenario, read_manifest(folder), picture)
    with write_atomic(folder / "report.html") as file:
        file.write(page.encode("utf-8", "replace"))
