"""Commands about many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ecosystem.commands.options import (
    JsonOption,
    QuietOption,
    ScenarioArgument,
    SetOption,
    StepsOption,
    WeightsOption,
    changes_of,
    positive,
    print_json,
)
from ecosystem.commands.options import count as count_

VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUES",
        help="Vary a parameter: key=a,b,c or key=low:high:count[:log]; key=low:high[:log] where points are sampled. "
        "May be repeated.",
    ),
]
SweepOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The sweep's folder; by default one in runs, named for it.")
]
WorkersOption = Annotated[
    int | None, typer.Option(parser=positive, metavar="N", help="Processes that run; else one a core.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead (tcp://host:port)."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan with an estimate of time and disk, and run nothing.")
]
BaseSeedOption = Annotated[
    int | None,
    typer.Option(parser=count_, metavar="S", help="Seed that the seeds of the runs follow from; else the scenario's."),
]


def sweep(
    scenario: ScenarioArgument,
    vary: VaryOption = None,
    seeds: Annotated[int, typer.Option(parser=positive, metavar="N", help="Runs at each design point, by seed.")] = 10,
    steps: StepsOption = None,
    seed: BaseSeedOption = None,
    set_: SetOption = None,
    design: Annotated[
        str, typer.Option(metavar="NAME", help="grid (every combination of values), latin-hypercube or sobol.")
    ] = "grid",
    samples: Annotated[
        int | None, typer.Option(parser=positive, metavar="N", help="Number of points of a sampled design.")
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    out: SweepOutOption = None,
    weights: WeightsOption = None,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario at every point of a design, with several seeds each, and report how outcomes depend on it.

    Called again, it does only what is missing. Exit status 1 where a run has failed; the others are there all the same.
    """
    from ecosystem.console import print_plan, print_sweep, progress
    from ecosystem.sweep.execute import estimate
    from ecosystem.sweep.plan import sweep_folder
    from ecosystem.sweeping import plan_sweep, run_sweep

    changes = changes_of(set_, steps=steps, seed=seed)
    chosen: dict[str, Any] = {"seeds": seeds, "design": design, "samples": samples, "weights": weights}
    if dry_run:
        plan = plan_sweep(scenario, vary or [], **chosen, **changes)
        expected = estimate(plan, sweep_folder(plan, out), workers=workers, weights=weights)
        (print_json if as_json else print_plan)(expected.describe())
        return
    silent = quiet or as_json
    with progress(silent) as tell:
        found = run_sweep(
            scenario, vary or [], workers=workers, scheduler=scheduler, out=out, progress=tell,
            announce=None if silent else lambda expected: print_plan(expected.describe()), **chosen, **changes,
        )  # fmt: skip
    summary = found.summary()
    if as_json:
        print_json(summary)
    else:
        if not quiet:
            print_sweep(summary)
        typer.echo(found.path / "report.html")
    if summary["failed"]:
        raise typer.Exit(1)


def sensitivity(
    scenario: ScenarioArgument,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A parameter's range, key=low:high[:log], or its values, key=a,b,c. May be repeated.",
        ),
    ] = None,
    measure: Annotated[
        str, typer.Option(metavar="NAME", help="The outcome: a measure of docs/measures.md.")
    ] = "coalitions",
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="sobol (shares of the variance), morris (what matters, with fewer runs) or oat (one at a time).",
        ),
    ] = "sobol",
    samples: Annotated[
        int | None,
        typer.Option(
            parser=positive,
            metavar="N",
            help="Size of the design: base samples (sobol: 64), walks (morris: 20) or levels (oat: 9).",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(parser=positive, metavar="N", help="Runs at each point, by seed; else 3, 5 or 10 by method."),
    ] = None,
    outcome: Annotated[
        str, typer.Option(metavar="NAME", help="end (the measure at the last step) or mean (over the steps).")
    ] = "end",
    steps: StepsOption = None,
    seed: BaseSeedOption = None,
    set_: SetOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    out: SweepOutOption = None,
    weights: WeightsOption = None,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say which parameters an outcome depends on, and how far: Sobol' indices, Morris's effects, or one at a time.

    The folder is a sweep: called again, the command does only what is missing, and another measure needs no new run.
    """
    from ecosystem.console import print_plan, print_sensitivity, progress
    from ecosystem.sensing import analyse_sensitivity, plan_sensitivity
    from ecosystem.sweep.execute import estimate

    chosen: dict[str, Any] = {
        "method": method, "samples": samples, "seeds": seeds, "outcome": outcome, "weights": weights,
        **changes_of(set_, steps=steps, seed=seed),
    }  # fmt: skip
    if dry_run:
        question = plan_sensitivity(scenario, over or [], measure, **chosen)
        expected = estimate(question.plan, question.folder(out), workers=workers, weights=weights)
        (print_json if as_json else print_plan)(expected.describe())
        return
    silent = quiet or as_json
    with progress(silent) as tell:
        found = analyse_sensitivity(
            scenario, over or [], measure, workers=workers, scheduler=scheduler, out=out, progress=tell,
            announce=None if silent else lambda expected: print_plan(expected.describe()), **chosen,
        )  # fmt: skip
    if as_json:
        print_json(found.summary())
    else:
        if not quiet:
            print_sensitivity(found.summary())
        typer.echo(found.path / "report.html")
    if found.failed:
        raise typer.Exit(1)
