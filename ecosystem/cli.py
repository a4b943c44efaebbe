"""The command line: parse, call, print."""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ecosystem.errors import InputError, brief, one_line, shorten

app = typer.Typer(
    name="ecosystem",
    help="Simulate debates: personas argue from corpora, a JEPA predicts how far they agree, coalitions follow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ScenarioArgument = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="Name of a scenario, a folder, a YAML file or a table (speaker, text)."),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for runs.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a parameter; may be repeated. `ecosystem schema` lists them."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"found {shorten(text)}; a whole number is accepted") from None


def _count(text: str) -> int:
    number = _whole(text)
    if not 0 <= number < 2**63:
        raise typer.BadParameter(f"found {brief(text)}; a whole number from 0 is accepted")
    return number


def _print_version(wanted: bool) -> None:
    if wanted:
        from ecosystem import __version__

        typer.echo(f"ecosystem {__version__}")
        raise typer.Exit


@app.callback()
def ecosystem(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate debates: personas argue from corpora, a JEPA predicts how far they agree, coalitions follow."""
    del version


@app.command()
def run(
    scenario: ScenarioArgument,
    steps: Annotated[
        int | None, typer.Option(parser=_whole, metavar="N", help="Number of steps; else the scenario's own.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(parser=_whole, metavar="S", help="Seed of every random choice; else the scenario's own."),
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
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of the affinity model.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario: simulate the debate and write a folder with tables, figures and a report."""
    from ecosystem.console import print_variants, progress
    from ecosystem.execute import run as execute

    changes = _changes(set_)
    for name, value in (("steps", steps), ("seed", seed)):
        if value is not None and name in changes:
            raise InputError(f"--{name}", f"is given twice, as {value} and as --set {name}={changes[name]}")
        if value is not None:
            changes[name] = value
    compared = kernels is not None or entries is not None
    with progress(quiet or as_json) as tell:
        if compared:
            from ecosystem.variants import run_variants

            finished: Any = run_variants(
                scenario, kernels=_names(kernels), entries=_names(entries), out=out, resume=resume, weights=weights,
                progress=tell, **changes,
            )  # fmt: skip
        else:
            finished = execute(scenario, out=out, resume=resume, weights=weights, progress=tell, **changes)
    if as_json:
        _print_json(finished.summary())
        return
    if compared and not quiet:
        print_variants(finished.summary())
    typer.echo(finished.path / "report.html")


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Draw a run's figures and write its report anew, from its tables."""
    from ecosystem.execute import rewrite_report

    finished = rewrite_report(folder)
    if as_json:
        _print_json(finished.summary())
    else:
        typer.echo(finished.path / "report.html")


@app.command()
def train(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder with the public stance sets; without it, the shipped statements only."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Weights file to write.")] = Path(
        "jepa.safetensors"
    ),
    seed: Annotated[int, typer.Option(parser=_count, metavar="S", help="Seed of every random choice.")] = 0,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated. docs/affinity.md lists it."
        ),
    ] = None,
    average: Annotated[
        list[Path] | None,
        typer.Option(
            "--average",
            metavar="FILE",
            help="Weights of an earlier training on the same data and seed; repeated: finish their mean instead of "
            "training anew.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(parser=_count, metavar="N", help="Threads that compute.")] = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the affinity model on stance data; write weights and print how good they are.

    Interrupted and called again, it goes on where it was. Beside the weights it writes a training report: losses,
    collapse measures and validation AUC over the steps, as FILE.training.csv and FILE.training.png.
    """
    from ecosystem.console import print_metrics, progress
    from ecosystem.learn import train as learn

    with progress(quiet or as_json) as tell:
        card = learn(data, out, _changes(assignments) | {"seed": seed}, tell, max(threads, 1), average or ())
    if as_json:
        _print_json({"weights": str(out), **card})
    else:
        print_metrics(card)
        typer.echo(out)


@app.command()
def evaluate(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="CSV or TSV with text_a, text_b, label and perhaps topic.")
    ],
    seed: Annotated[int, typer.Option(parser=_count, metavar="S", help="Seed of bootstrap and baseline.")] = 0,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of the affinity model.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how well affinity tells agreement from opposition on labelled pairs, beside two baselines.

    A label is 1, agree, support or true, or 0, oppose, disagree or false.
    """
    from ecosystem.console import print_evaluation, progress
    from ecosystem.evaluation import evaluate as measure

    with progress(quiet or as_json) as tell:
        found = measure(pairs, weights=weights, seed=seed, progress=tell)
    if as_json:
        _print_json(found)
    else:
        print_evaluation(found)


@app.command()
def compare(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPORA...", help="Text files, one a speaker, or one table with speaker, text and perhaps topic."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder to write; by default a new one in runs."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of the affinity model.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two or more corpora: affinity of their speakers, areas of agreement and of disagreement, on one page."""
    from ecosystem.comparing import compare as contrast
    from ecosystem.console import print_comparison, progress

    with progress(quiet or as_json) as tell:
        found = contrast(corpora, out, weights=weights, progress=tell)
    if as_json:
        _print_json(found.summary())
    else:
        if not quiet:
            print_comparison(found.summary())
        typer.echo(Path(found.path or ".") / "report.html")


@app.command()
def landscape(
    scenario: ScenarioArgument,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every division into coalitions that no single move makes better, with its energy and its basin.

    All divisions into at most max_coalitions (two where there is no cap) are tried, so it takes few personas: up to
    20 in two coalitions.
    """
    from ecosystem.console import print_landscape
    from ecosystem.landscapes import landscape as enumerate_all

    found = enumerate_all(scenario, **_changes(set_))
    if as_json:
        _print_json(found)
    else:
        print_landscape(found)


@app.command()
def scenarios(as_json: JsonOption = False) -> None:
    """List the scenarios that can be run by name."""
    from ecosystem.reading import describe_scenarios

    rows = describe_scenarios()
    if as_json:
        _print_json(rows)
    else:
        for row in rows:
            typer.echo(f"{row['name']:<20} {row['personas']:>3} personas  {row['topics']:>3} topics  {row['title']}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the scenario, and of its folder.")],
    table: Annotated[
        Path, typer.Option("--from", metavar="TABLE", help="CSV, TSV or JSONL with speaker, text and perhaps topic.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the folder goes.")] = Path("scenarios"),
) -> None:
    """Make a scenario's folder from a table of who said what."""
    from ecosystem.writing import new_scenario

    typer.echo(new_scenario(name, table, out))


@app.command()
def validate(scenario: ScenarioArgument, as_json: JsonOption = False) -> None:
    """Check a scenario and say what is in it."""
    from ecosystem.reading import describe, load_scenario

    row = describe(load_scenario(scenario))
    if as_json:
        _print_json(row)
    else:
        typer.echo(
            f"{row['name']}: valid; {row['personas']} personas, {row['topics']} topics, {row['statements']} statements"
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario.yaml."""
    from ecosystem.reading import file_schema

    _print_json(file_schema())


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check the installation: versions, weights, encoder, cache, clashing packages."""
    from ecosystem.diagnosis import diagnose

    checks = diagnose()
    if as_json:
        _print_json([check.__dict__ for check in checks])
    else:
        for check in checks:
            typer.echo(f"{'ok' if check.ok else 'problem':<8} {check.name}: {check.found}")
    if not all(check.ok for check in checks):
        raise SystemExit(2)


_INTERRUPTED = 130


def main() -> None:
    """Run the command line; bad input ends in exit status 2 and one line."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imports make many objects and no garbage: fewer passes over them, and none when the process ends.
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)
    warnings.showwarning = _warn
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
        if status == _INTERRUPTED:  # typer's own answer to Ctrl-C
            _fail("interrupted; `ecosystem run ... --resume` goes on")
    except InputError as error:
        status = _fail(str(error))
    except OSError as error:
        status = _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's own complaints about options
            raise
        # Without a command the help has been printed, and there is nothing to add.
        status = _fail(error.format_message() or "a command is needed")
    raise SystemExit(status if isinstance(status, int) else 0)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(one_line(f"ecosystem: {message}") + "\n")


def _changes(assignments: list[str] | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise InputError("--set", f"found {shorten(assignment)}; key=value is accepted")
        changes[key.strip()] = None if value.strip().lower() in ("null", "none") else value.strip()
    return changes


def _names(given: str | None) -> list[str]:
    return [] if given is None else [name.strip() for name in given.split(",")]


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _fail(line: str) -> int:
    sys.stderr.write(one_line(f"ecosystem: {line}") + "\n")
    return 2


if __name__ == "__main__":
    main()
