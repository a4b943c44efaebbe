"""How two runs, or two sweeps, differ, as short tables and sentences: for the terminal, and for a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ecosystem.measures import CATALOGUE
from ecosystem.record.settings import COUNTED
from ecosystem.report.prose import MISSING, count, listed, name

Summary = Mapping[str, Any]

_ROWS = 15
_PER_KIND = 5
_NAMES = 8
_KINDS = ("scenario", "plan", "axis", "parameter", "weights", "software", "corpus")


@dataclass(frozen=True)
class Sheet:
    """A table with what is to be said of it.

    Attributes
    ----------
    title : str
        What it is about.
    columns : tuple of str
        Headings; none where there is no table.
    rows : tuple of tuple of str
        Cells, which may hold text from outside.
    notes : tuple of str
        Sentences below.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def sheets(summary: Summary) -> list[Sheet]:
    """Return what the summary of a difference says, what matters most first."""
    parts = _OF_RUNS if summary["kind"] == "runs" else _OF_SWEEPS
    found = [part(summary) for part in parts]
    return [sheet for sheet in found if sheet.rows or sheet.notes]


def to_html(summary: Summary) -> str:
    """Return the same as a fragment of HTML."""
    return "".join(_html(sheet) for sheet in sheets(summary))
