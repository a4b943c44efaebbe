"""Commands about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ecosystem.commands.options import (
    JsonOption,
    OutOption,
    QuietOption,
    ScenarioArgument,
    SetOption,
    StepsOption,
    WeightsOption,
    changes_of,
    count,
    names_of,
    positive,
    print_json,
    whole,
)


def run(
    scenario: ScenarioArgument,
    steps: StepsOption = None,
    seed: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="S", help="Seed of every random choice; else the scenario's own."),
    ] = None,
    set_: SetOption = None,
    out: OutOption = Path("runs"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Finish the newest unfinished run of this configuration and seed, or name the finished one.",
        ),
    ] = False,
    kernels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Run under each of these opinion kernels (argument, degroot, fj, deffuant, hk); compare the runs.",
        ),
    ] = None,
    entries: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Run under each of these entry rules (nash, individual, contractual); compare the runs.",
        ),
    ] = None,
    weights: WeightsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario: simulate the debate and write a folder with tables, figures and a report."""
    from ecosystem.console import print_variants, progress
    from ecosystem.execute import run as execute

    changes = changes_of(set_, steps=steps, seed=seed)
    compared = kernels is not None or entries is not None
    with progress(quiet or as_json) as tell:
        if compared:
            from ecosystem.variants import run_variants

            finished: Any = run_variants(
                scenario, kernels=names_of(kernels), entries=names_of(entries), out=out, resume=resume, weights=weights,
                progress=tell, **changes,
            )  # fmt: skip
        else:
            finished = execute(scenario, out=out, resume=resume, weights=weights, progress=tell, **changes)
    if as_json:
        print_json(finished.summary())
        return
    if compared and not quiet:
        print_variants(finished.summary())
    typer.echo(finished.path / "report.html")


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Draw a run's figures and write its report anew, from its tables."""
    from ecosystem.execute import rewrite_report

    finished = rewrite_report(folder)
    if as_json:
        print_json(finished.summary())
    else:
        typer.echo(finished.path / "report.html")


def fork(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    at: Annotated[
        int,
        typer.Option("--at", parser=count, metavar="STEP", help="The last step that both branches share; 0 is none."),
    ],
    set_: SetOption = None,
    seeds: Annotated[
        int, typer.Option(parser=positive, metavar="N", help="Futures to compare: the run's own random numbers first.")
    ] = 10,
    out: OutOption = Path("runs"),
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a run go another way from a step on, with other parameters and the same random numbers.

    Both branches are simulated in as many futures as there are seeds; the report shows where and how they part.
    """
    from ecosystem.console import print_fork, progress
    from ecosystem.forking import fork as branch

    with progress(quiet or as_json) as tell:
        found = branch(folder, at=at, seeds=seeds, out=out, progress=tell, **changes_of(set_))
    if as_json:
        print_json(found.summary())
        return
    if not quiet:
        print_fork(found.summary())
    typer.echo(found.path / "report.html")


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or a sweep's.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: JsonOption = False,
) -> None:
    """Say in what two runs, or two sweeps, differ: parameters, measures, coalitions, events."""
    from ecosystem.console_differences import print_difference
    from ecosystem.differing import diff as contrast

    found = contrast(a, b)
    if as_json:
        print_json(found.summary())
    else:
        print_difference(found.summary())
