"""Commands about scenarios, and about the installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecosystem.commands.options import JsonOption, ScenarioArgument, SetOption, changes_of, print_json


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

    found = enumerate_all(scenario, **changes_of(set_))
    if as_json:
        print_json(found)
    else:
        print_landscape(found)


def scenarios(as_json: JsonOption = False) -> None:
    """List the scenarios that can be run by name."""
    from ecosystem.reading import describe_scenarios

    rows = describe_scenarios()
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            typer.echo(f"{row['name']:<20} {row['personas']:>3} personas  {row['topics']:>3} topics  {row['title']}")


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


def validate(scenario: ScenarioArgument, as_json: JsonOption = False) -> None:
    """Check a scenario and say what is in it."""
    from ecosystem.reading import describe, load_scenario

    row = describe(load_scenario(scenario))
    if as_json:
        print_json(row)
    else:
        typer.echo(
            f"{row['name']}: valid; {row['personas']} personas, {row['topics']} topics, {row['statements']} statements"
        )


def schema() -> None:
    """Print the JSON Schema of scenario.yaml."""
    from ecosystem.reading import file_schema

    print_json(file_schema())


def doctor(as_json: JsonOption = False) -> None:
    """Check the installation: versions, weights, encoder, cache, clashing packages."""
    from ecosystem.diagnosis import diagnose

    checks = diagnose()
    if as_json:
        print_json([check.__dict__ for check in checks])
    else:
        for check in checks:
            typer.echo(f"{'ok' if check.ok else 'problem':<8} {check.name}: {check.found}")
    if not all(check.ok for check in checks):
        raise SystemExit(2)
