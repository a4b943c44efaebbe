"""What a terminal shows while things go on: a progress bar, or quiet lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecosystem.errors import one_line
from ecosystem.progress import Progress, silent

_NAMES = {
    "encode": "encoding statements",
    "variants": "running variants",
    "runs": "runs",
    "summarise": "summarising",
    "simulate": "simulating",
    "report": "writing the report",
    "contrast": "comparing variants",
    "branches": "simulating both branches",
    "compare branches": "comparing branches",
    "indices": "working out what matters",
    "head": "training the head",
    "encoder": "tuning the encoder",
    "check": "checking",
    "compare": "encoding for comparison",
    "examine": "comparing",
    "measure": "measuring",
    "ensemble": "training the ensemble",
}

_MEANING = (
    "AUC: how often a pair that agrees scores above one that opposes (chance: 0.5). "
    "Accuracy: share of pairs on the right side of P(agree) = 0.5. "
    "ECE: mean gap between P(agree) and the frequency of agreement (best: 0)."
)


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """Yield a function to be told (stage, done, total); show it on stderr unless ``quiet``."""
    if quiet:
        yield silent
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


def print_evaluation(found: dict[str, Any]) -> None:
    """Print how well each method tells agreement from opposition as a table, and a line on what it says."""
    from rich.console import Console
    from rich.table import Table

    def shown(row: dict[str, Any], name: str) -> str:
        interval = row[f"{name}_interval"]
        value = "-" if row[name] is None else f"{row[name]:.3f}"
        return value if interval is None else f"{value} ({interval[0]:.2f}-{interval[1]:.2f})"

    table = Table("", "AUC", "accuracy", "ECE")
    for method in ("affinity", "cosine", "seed"):
        table.add_row(method, *(shown(found[method], name) for name in ("auc", "accuracy", "ece")))
    Console().print(table)
    kinds = f"{_counted(found['topics'], 'topic')}; 95 % intervals over {'topics' if found['topics'] > 1 else 'pairs'}"
    # Plain print: rich would break the line to the terminal's width, and colour the numbers.
    print(f"{_counted(found['n'], 'pair')} on {kinds}. {_MEANING}")


def print_comparison(found: dict[str, Any], most: int = 8) -> None:
    """Print the most agreed and the most disputed topics of a comparison as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "topic", "affinity", "90 % interval", "confidence")
    shared = [row for row in found["topics"] if row["side"] != "alone"]
    for side, words in (("agree", "agreement"), ("disagree", "disagreement"), ("divided", "divided")):
        rows = [row for row in shared if row["side"] == side]
        for row in (rows[::-1] if side == "disagree" else rows)[:most]:
            interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
            table.add_row(words, Text(row["topic"]), f"{row['affinity']:+.2f}", interval, f"{row['confidence']:.0%}")
        if len(rows) > most:
            table.add_row(words, f"and {len(rows) - most} more", "", "", "")
    unclear = sum(not row["clear"] for row in shared)
    if table.row_count:
        Console().print(table)
    print(f"{_counted(len(shared), 'topic')} on which two or more speak; on {unclear} the interval reaches both sides.")


def print_landscape(found: dict[str, Any], most: int = 20) -> None:
    """Print the minima of a landscape as a table, the lowest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    minima = found["minima"]
    known = bool(minima) and "bloc_recovery" in minima[0]
    table = Table("energy", "basin", "coalitions", *(["ARI with blocs"] if known else []), show_lines=True)
    for row in minima[:most]:
        members = "\n".join(", ".join(coalition) for coalition in row["coalitions"])
        recovery = [f"{row['bloc_recovery']:.2f}"] if known else []
        table.add_row(f"{row['energy']:.6g}", f"{row['basin'] / found['configurations']:.1%}", Text(members), *recovery)
    Console().print(table)
    tried = f"{_counted(found['configurations'], 'division')} into at most {found['max_coalitions']} coalitions"
    left = f", of which the lowest {most} are shown" if len(minima) > most else ""
    print(f"{tried}: {len(minima):,} with no better neighbour{left}. Basin: what steepest descent leads there.")


def print_variants(found: dict[str, Any]) -> None:
    """Print how each variant of a run ended as a table."""
    from rich.console import Console
    from rich.table import Table

    columns = {"coalitions": ".0f", "largest": ".0%", "alone": ".0%", "opinion_variance": ".3f"}
    table = Table("kernel", "entry", *(name.replace("_", " ") for name in columns))
    for row in found["variants"]:
        ends = [(row["metrics"].get(name), how) for name, how in columns.items()]
        table.add_row(row["kernel"], row["entry"], *("-" if end is None else format(end, how) for end, how in ends))
    Console().print(table)


def print_plan(found: dict[str, Any]) -> None:
    """Print what a sweep is about to do, on stderr: runs, what is done already, an estimate of time and disk."""
    axes = " x ".join(_axis_words(axis) for axis in found["axes"])
    how = "" if found["design"] in ("grid", "given") else f"{found['design']} design, "
    points, runs = _counted(found["points"], "design point"), _counted(found["runs"], "run")
    lines = [f"{runs}: {points} ({how}{axes}) x {_counted(found['replicates'], 'seed')}"]
    left = found["runs"] - found["done"]
    if found["done"]:
        lines.append(f"{found['done']:,} done already, {left:,} to do")
    if left and found["seconds"] is not None:
        workers = _counted(found["workers"], "worker")
        lines.append(f"about {duration(found['seconds'])} of runs on {workers}, {size(found['bytes'])} on disk")
    sys.stderr.write("; ".join(lines) + f"\nin {found['sweep']}\n")


def _axis_words(axis: dict[str, Any]) -> str:
    if "values" in axis:
        return f"{axis['name']} {len(axis['values'])}"
    return f"{axis['name']} {axis['low']:g} to {axis['high']:g}{', log' if axis['scale'] == 'log' else ''}"


def size(count: float) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> size(900), size(2.1e6)
    ('1 kB', '2.1 MB')
    """
    for unit, words in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.2g} {words}"
    return f"{max(count / 1e3, 1):.0f} kB"


def print_sweep(found: dict[str, Any]) -> None:
    """Print how a sweep went, on stderr: how many runs, and why those that failed did."""
    failed = f", {found['failed']:,} failed" if found["failed"] else ""
    sys.stderr.write(f"{found['done']:,} of {_counted(found['runs'], 'run')} on disk{failed}\n")
    for error in found["errors"][:5]:
        where = ", ".join(f"{name}={value}" for name, value in error["point"].items())
        more = f" and {error['runs'] - 1:,} more runs" if error["runs"] > 1 else ""
        sys.stderr.write(one_line(f"failed: {where}, seed {error['seed']}{more}: {error['error']}") + "\n")


def print_sensitivity(found: dict[str, Any]) -> None:
    """Print what matters for an outcome as a table, the finding in words, and how far to trust it."""
    from rich.console import Console
    from rich.table import Table

    def shown(value: Any) -> str:
        return value if isinstance(value, str) else "-" if value is None else f"{value:.3g}"

    rows = found["indices"]
    columns = list(rows[0]) if rows else []
    table = Table(*(name.replace("_", " ") for name in columns))
    for row in rows:
        table.add_row(*(shown(row[name]) for name in columns))
    console = Console()
    console.print(table, width=max(console.width, 100))
    for line in (found["finding"], *found["cautions"]):
        print(line)


def print_fork(found: dict[str, Any]) -> None:
    """Print where the branches of a fork part, and in which measures they differ, as a table."""
    from rich.console import Console
    from rich.table import Table

    if found["parts_at"] is None:
        print("The branches do not part.")
        return

    def shown(value: float | None, sign: str = "") -> str:
        return "-" if value is None or value != value else format(value, f"{sign}.3g")

    table = Table("measure at the end", "as it was", "changed", "difference (5 to 95 %)", "same sign", "")
    for row in sorted(found["measures"], key=lambda row: (not row["clear"], -row["same_way"]))[:12]:
        middle, low, high = (shown(row[f"difference{end}"], "+") for end in ("", "_low", "_high"))
        table.add_row(
            row["measure"].replace("_", " "), shown(row["as_it_was"]), shown(row["changed"]),
            f"{middle} ({low} to {high})", f"{row['same_way']} of {row['n']}", "clear" if row["clear"] else "",
        )  # fmt: skip
    console = Console()
    console.print(table, width=max(console.width, 110))
    futures = _counted(found["seeds"], "future")
    chance = f"of {len(found['measures'])} measures chance alone would make about {found['by_chance']:g} clear"
    print(f"The branches part at step {found['parts_at']}. Medians over {futures}; {chance}.")


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


class _Pace:
    """How fast a stage goes on, and how much of it has failed."""

    def __init__(self) -> None:
        self.failed = 0
        self._begun: tuple[int, float] | None = None

    def note(self, done: int, total: int) -> str:
        """Return what is worth saying: failures, and from the second call on the rate and the time left."""
        words = [f"{self.failed:,} failed"] if self.failed else []
        now = time.monotonic()
        if self._begun is None:
            self._begun = (done, now)
        elif done > self._begun[0] and now > self._begun[1]:
            rate = (done - self._begun[0]) / (now - self._begun[1])
            words.append(f"{rate:.2g} a second" if rate >= 0.5 else f"{1 / rate:.0f} s each")
            if done < total:
                words.append(f"{duration((total - done) / rate)} left")
        return ", ".join(words)


def duration(seconds: float) -> str:
    """Return a time in words, roughly.

    Examples
    --------
    >>> duration(8.2), duration(200), duration(9000)
    ('8 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _lines() -> Progress:
    """Return a function that writes a line when a stage begins, and every half minute after that."""
    due: dict[str, float] = {}
    pace = _Pace()

    def tell(stage: str, done: int, total: int) -> None:
        if stage == "failed":
            pace.failed = done
            return
        note = pace.note(done, total) if stage == "runs" else ""
        now = time.monotonic()
        if now >= due.get(stage, 0.0) or done == total:
            sys.stderr.write(f"{_NAMES.get(stage, stage)}: {done} of {total}{', ' * bool(note)}{note}\n")
            due[stage] = now + 30.0

    return tell


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[note]}"),
    )
    pace = _Pace()
    with rich.Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage == "failed":
                pace.failed = done
                return
            if stage not in tasks:
                tasks[stage] = bar.add_task(_NAMES.get(stage, stage), total=total, completed=done, note="")
            note = pace.note(done, total) if stage == "runs" else ""
            bar.update(tasks[stage], completed=done, total=total, note=note)

        yield tell
