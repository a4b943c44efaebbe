"""What a terminal shows while things go on: a progress bar, or quiet lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = {
    "encode": "encoding statements",
    "simulate": "simulating",
    "report": "writing the report",
    "head": "training the head",
    "encoder": "tuning the encoder",
    "check": "checking",
}


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to be told (stage, done, total); show it on stderr unless ``quiet``."""
    if quiet:
        yield _nothing
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield _lines()


def print_metrics(card: dict[str, Any]) -> None:
    """Print a trained model's metrics as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("held-out topics of", "statements", "pairs AUC", "(cosine)", "motion AUC", "(cosine)", "ECE")
    for source, m in card["metrics"].items():
        numbers = ("pairs_auc", "pairs_auc_cosine", "motion_auc", "motion_auc_cosine", "ece")
        table.add_row(source, str(m["statements"]), *(f"{m[name]:.3f}" for name in numbers))
    console = Console()
    console.print(table, width=max(console.width, 100))


def _nothing(_stage: str, _done: int, _total: int) -> None:
    pass


def _lines() -> Callable[[str, int, int], None]:
    """Return a function that writes a line when a stage begins, and every half minute after that."""
    due: dict[str, float] = {}

    def tell(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= due.get(stage, 0.0) or done == total:
            sys.stderr.write(f"{_NAMES.get(stage, stage)}: {done} of {total}\n")
            due[stage] = now + 30.0

    return tell


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(_NAMES.get(stage, stage), total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield tell
