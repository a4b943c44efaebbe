"""Commands about the affinity model, and about corpora without a debate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecosystem.commands.options import JsonOption, QuietOption, WeightsOption, changes_of, count, print_json


def train(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with the public stance sets. The shipped statements alone, without it, teach next to nothing.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Weights file to write.")] = Path(
        "jepa.safetensors"
    ),
    seed: Annotated[int, typer.Option(parser=count, metavar="S", help="Seed of every random choice.")] = 0,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe; may be repeated. docs/affinity.md lists it."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights to go on from: skip what comes before the rounds at the end."),
    ] = None,
    threads: Annotated[int, typer.Option(parser=count, metavar="N", help="Threads that compute.")] = 1,
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
        card = learn(data, out, changes_of(assignments) | {"seed": seed}, tell, max(threads, 1), start)
    if as_json:
        print_json({"weights": str(out), **card})
    else:
        print_metrics(card)
        typer.echo(out)


def evaluate(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="CSV or TSV with text_a, text_b, label and perhaps topic.")
    ],
    seed: Annotated[int, typer.Option(parser=count, metavar="S", help="Seed of bootstrap and baseline.")] = 0,
    weights: WeightsOption = None,
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
        print_json(found)
    else:
        print_evaluation(found)


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
    weights: WeightsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two or more corpora: affinity of their speakers, areas of agreement and of disagreement, on one page."""
    from ecosystem.comparing import compare as contrast
    from ecosystem.console import print_comparison, progress

    with progress(quiet or as_json) as tell:
        found = contrast(corpora, out, weights=weights, progress=tell)
    if as_json:
        print_json(found.summary())
    else:
        if not quiet:
            print_comparison(found.summary())
        typer.echo(Path(found.path or ".") / "report.html")
