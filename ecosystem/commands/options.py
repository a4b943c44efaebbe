"""Options that several commands share, how their values are read, and how commands print JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecosystem.errors import InputError, brief, shorten


def whole(text: str) -> int:
    """Return the whole number that a text stands for."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"found {shorten(text)}; a whole number is accepted") from None


def count(text: str) -> int:
    """Return the whole number from 0 that a text stands for."""
    number = whole(text)
    if not 0 <= number < 2**63:
        raise typer.BadParameter(f"found {brief(text)}; a whole number from 0 is accepted")
    return number


def positive(text: str) -> int:
    """Return the whole number from 1 that a text stands for."""
    number = whole(text)
    if not 1 <= number < 2**31:
        raise typer.BadParameter(f"found {brief(text)}; a whole number from 1 is accepted")
    return number


ScenarioArgument = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="Name of a scenario, a folder, a YAML file or a table (speaker, text)."),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for runs.")]
StepsOption = Annotated[
    int | None, typer.Option(parser=whole, metavar="N", help="Number of steps; else the scenario's own.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a parameter; may be repeated. `ecosystem schema` lists them."),
]
WeightsOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights of the affinity model.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def changes_of(assignments: list[str] | None, **given: Any) -> dict[str, Any]:
    """Return parameters to change, from ``key=value`` and from options that set one; none is given twice."""
    changes: dict[str, Any] = {}
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not equals or not key.strip():
            raise InputError("--set", f"found {shorten(assignment)}; key=value is accepted")
        changes[key.strip()] = value.strip()
    for name, value in given.items():
        if value is not None and name in changes:
            raise InputError(f"--{name}", f"is given twice, as {value} and as --set {name}={changes[name]}")
        if value is not None:
            changes[name] = value
    return changes


def names_of(given: str | None) -> list[str]:
    """Return the names in a list with commas."""
    return [] if given is None else [name.strip() for name in given.split(",")]


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
