"""Sweeps: many runs of a scenario over a plan of parameters, their summaries and their report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError, nearest
from ecosystem.progress import Progress
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario
from ecosystem.sweep.design import SAMPLED, Design, grid, read_axes, sample
from ecosystem.sweep.plan import Plan, make_plan, sweep_folder, weights_hash

if TYPE_CHECKING:
    from ecosystem.report.experiments.notebook import Sweep
    from ecosystem.sweep.execute import Estimate

DESIGNS: tuple[Design, ...] = ("grid", *SAMPLED)


def run_sweep(
    scenario: str | Path | Scenario,
    vary: Mapping[str, Any] | Sequence[str],
    *,
    seeds: int = 10,
    workers: int | None = None,
    scheduler: str | None = None,
    design: str = "grid",
    samples: int | None = None,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    progress: Progress | None = None,
    announce: Callable[[Estimate], None] | None = None,
    **parameters: Any,
) -> Sweep:
    """Run a scenario at every point of a design, with several seeds each; do only what is not on disk yet.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What `ecosystem.load_scenario` accepts.
    vary : mapping or sequence of str
        What varies: ``{"homophily": [0, 2, 5], "bias": "0:10:5"}`` or ``["homophily=0,2,5", "bias=0:10:5"]``.
    seeds : int
        Replicates at each design point. Replicate r has the same seed at every point, so that points are compared
        with common random numbers.
    workers : int, optional
        Processes that run; as many as there are cores by default, and 1 is this one.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:port``) whose workers run instead.
    design : {"grid", "latin-hypercube", "sobol"}
        Every combination of values, or ``samples`` points that fill the ranges.
    samples : int, optional
        Number of points of a sampled design.
    out : str or Path, optional
        The sweep's folder; ``runs/<scenario>/sweep-<hash>`` by default.
    weights : str or Path, optional
        Weights of the affinity model; the shipped ones by default.
    progress : callable, optional
        Told a stage (``encode``, ``runs``, ``failed``, ``summarise``, ``report``), how much is done, how much there is.
    announce : callable, optional
        Told the plan, with an estimate of its cost, before the runs begin.
    **parameters
        Any of `ecosystem.Parameters`, for all runs.

    Raises
    ------
    InputError
        The scenario, a parameter, the design, the weights, the scheduler or the folder cannot be used. A run that fails
        is recorded instead, and the others go on.
    """
    from ecosystem.sweep.execute import carry_out

    plan = plan_sweep(scenario, vary, seeds=seeds, design=design, samples=samples, weights=weights, **parameters)
    folder = sweep_folder(plan, out)
    carry_out(
        plan, folder, workers=workers, scheduler=scheduler, weights=weights, progress=progress, announce=announce,
        finish=_report,
    )  # fmt: skip
    from ecosystem.report.experiments.notebook import Sweep

    return Sweep(folder)


def plan_sweep(
    scenario: str | Path | Scenario,
    vary: Mapping[str, Any] | Sequence[str],
    *,
    seeds: int = 10,
    design: str = "grid",
    samples: int | None = None,
    weights: str | Path | None = None,
    **parameters: Any,
) -> Plan:
    """Return the plan that `run_sweep` would carry out."""
    axes = read_axes(vary)
    for axis in axes:
        if axis.name in parameters:
            raise InputError(f"--set {axis.name}", "is set and varied; either is accepted")
    checked = load_scenario(scenario, **parameters)
    if design not in DESIGNS:
        raise InputError("--design", f"found {design!r}{nearest(design, DESIGNS)}")
    if design == "grid":
        if samples is not None:
            raise InputError("--samples", "is for sampled designs; a grid has every combination of values")
        points = grid(axes)
    else:
        if not samples or samples < 1:
            raise InputError("--samples", f"is missing; a {design} design needs a number of points")
        points = sample(axes, design, samples, checked.parameters.seed)
    return make_plan(checked, axes, points, seeds, weights_hash(weights), design)


def _report(folder: Path, tell: Progress) -> None:
    """Write summaries, figures and the report."""
    from ecosystem.report.experiments.sweep_page import write_report
    from ecosystem.sweep.summarise import summarise

    summarise(folder, tell)
    write_report(folder, tell)
