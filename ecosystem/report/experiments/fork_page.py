"""The page of a fork: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE
from ecosystem.progress import Progress
from ecosystem.record.reader import RunTables
from ecosystem.report import page, prose
from ecosystem.report.deeds import rows_of
from ecosystem.report.experiments.fork_effects import ENOUGH, find_effects, find_parting
from ecosystem.report.experiments.fork_figures import APART, FIGURES, Sources
from ecosystem.report.experiments.fork_story import (
    Tale,
    chance_alone,
    contrast,
    debate_name,
    number,
    over_replicates,
    summarise,
)  # fmt: skip
from ecosystem.report.provenance import provenance
from ecosystem.report.story import Cast

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE = "experiments/fork.html.j2"


def write_page(
    folder: Path, parent: RunTables, changed: RunTables, manifest: Mapping[str, Any], tell: Progress
) -> None:
    """Draw the figures of a fork and write its page, from the tables in its folder.

    Parameters
    ----------
    folder : Path
        With ``branches.parquet`` and ``divergence.parquet``; it gets ``figures/`` and ``report.html``.
    parent, changed : RunTables
        The branches under the run's own random numbers.
    manifest : mapping
        How the comparison came about; ``fork`` says at which step, and what changes.
    tell : callable
        Told how far it is.
    """
    import pandas as pd

    stage, total = "compare branches", len(FIGURES) + 1
    tell(stage, 0, total)
    branches, divergence = (pd.read_parquet(folder / f"{name}.parquet") for name in ("branches", "divergence"))
    at = int(manifest["fork"]["at"])
    sources = Sources(parent, changed, at, branches, divergence)
    tale = Tale(parent, changed, at, manifest["fork"]["changes"], find_parting(parent, changed), Cast.of(parent))
    drawn: dict[str, bytes] = {}
    never = not (divergence[["said", "company", "alignment"]] > 0).any(axis=None)
    for done, spec in enumerate(FIGURES, 1):
        if never and spec.name == "divergence":
            continue
        drawn[spec.name] = page.save_figure(spec.draw(sources), folder, spec.name)
        tell(stage, done, total)
    html = render(tale, sources, manifest, drawn, _links(folder, parent, changed))
    with write_atomic(folder / "report.html") as file:
        file.write(html.encode("utf-8", "replace"))
    tell(stage, total, total)


def render(
    tale: Tale, sources: Sources, manifest: Mapping[str, Any], drawn: Mapping[str, bytes], links: tuple[str, str]
) -> str:
    """Return the page of a fork as HTML.

    Parameters
    ----------
    tale : Tale
        The branches under the run's own random numbers.
    sources : Sources
        The branches over replicates.
    manifest : mapping
        How the comparison came about.
    drawn : mapping of str to bytes
        Figures as PNG, by name.
    links : tuple of two str
        Where the reports of the run that forked and of the changed one are, relative to the page.
    """
    return page.render(TEMPLATE, _content(tale, sources, manifest, drawn, links))


def _content(
    tale: Tale, sources: Sources, manifest: Mapping[str, Any], drawn: Mapping[str, bytes], links: tuple[str, str]
) -> dict[str, Any]:
    """Return everything that the template shows."""
    effects = find_effects(sources.branches)
    summary = summarise(tale, sources.divergence, effects)
    return {
        "debate": debate_name(tale.parent),
        "at": tale.at,
        "steps": len(tale.parent.metrics),
        "seed": manifest["seed"],
        "replicates": sources.replicates,
        "enough": ENOUGH,
        "summary": summary,
        "changes": tale.changes,
        "examples": tale.examples(),
        "parts": tale.parting.first,
        "branches": contrast(tale),
        "over": over_replicates(sources.divergence, effects),
        "lines": _lines(effects),
        "chance": chance_alone(effects),
        "pictures": _pictures(drawn, "".join(summary[1])),
        "columns": [(title, key, meaning) for key, (title, meaning, _) in APART.items()],
        "links": links,
        "provenance": provenance(manifest),
    }


@dataclass(frozen=True)
class Line:
    """A measure in the table: its cells, and which of them are of clear differences."""

    title: str
    meaning: str
    cells: list[tuple[str, bool]]


def _lines(effects: pd.DataFrame) -> list[Line]:
    """Return the table of measures: both branches at the end, and the difference then and since the fork."""
    table = {(row["measure"], row["outcome"]): row for row in rows_of(effects)}
    lines = []
    for key, measure in CATALOGUE.items():
        end, mean = table[key, "end"], table[key, "mean"]
        if end["n"] or mean["n"]:
            cells = [(_banded(end, name), False) for name in ("as_it_was", "changed")]
            for row in (end, mean):
                cells += [(_banded(row, "difference"), bool(row["clear"])), (_ways(row), bool(row["clear"]))]
            lines.append(Line(measure.title, measure.meaning, cells))
    return lines


def _banded(row: Mapping[str, Any], name: str) -> str:
    middle, low, high = (number(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return middle if low == high == middle else f"{middle} ({low} to {high})"


def _ways(row: Mapping[str, Any]) -> str:
    return f"{row['same_way']} of {row['n']}" if row["n"] else prose.MISSING


def _pictures(drawn: Mapping[str, bytes], told: str) -> dict[str, page.Picture]:
    return page.number_pictures(
        drawn,
        (
            (spec.name, spec.title, spec.caption, prose.shorten(f"{spec.title}. In words: {told}", 500))
            for spec in FIGURES
        ),
    )


def _links(folder: Path, parent: RunTables, changed: RunTables) -> tuple[str, str]:
    """Return where the reports of both runs are, relative to the page."""

    def to(run: RunTables) -> str:
        try:
            return quote(Path(os.path.relpath(run.path.resolve() / "report.html", folder.resolve())).as_posix())
        except ValueError:  # another drive
            return (run.path.resolve() / "report.html").as_uri()

    return to(parent), to(changed)
