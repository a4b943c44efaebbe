"""Short tables with sentences below: what a difference says, for a terminal and for a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ecosystem.measures import CATALOGUE
from ecosystem.record.settings import COUNTED
from ecosystem.report.prose import MISSING, name

Summary = Mapping[str, Any]

MOST = 15
"""Rows of a table; those that matter most come first, and the others are counted."""

_OF_A_KIND = 5
_ORDER = ("scenario", "plan", "axis", "parameter", "weights", "software")


@dataclass(frozen=True)
class Sheet:
    """A table, and what is to be said of it.

    Attributes
    ----------
    title : str
        What it is about.
    columns : tuple of str
        Headings of its columns.
    rows : tuple of tuple of str
        Its cells, which may hold text from outside.
    notes : tuple of str
        Sentences below it, likewise.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def html(self) -> str:
        """The table and its sentences as HTML."""
        parts = [f"<h4>{escape(self.title)}</h4>"]
        if self.rows:
            head = "".join(f"<th style='text-align:left'>{escape(column)}</th>" for column in self.columns)
            rows = ("".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row) for row in self.rows)
            body = "".join(f"<tr>{cells}</tr>" for cells in rows)
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in self.notes)])


def settings(summary: Summary) -> Sheet:
    """Return in what the two were given different things, a few rows of each kind."""
    rows, left = [], dict[str, int]()
    kinds = [row["what"] for row in summary["parameters"]]
    for kind in sorted(dict.fromkeys(kinds), key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER)):
        mine = [row for row in summary["parameters"] if row["what"] == kind]
        most = MOST if kind in ("parameter", "axis") else _OF_A_KIND
        rows += [_setting(row) for row in mine[: most if len(mine) > most + 1 else None]]
        if len(mine) > most + 1:
            left[kind] = len(mine) - most
    notes = [f"Left out: {', '.join(f'{n} more of {kind}' for kind, n in left.items())}."] if left else []
    return Sheet("Given", ("setting", "A", "B"), tuple(rows), tuple(notes) if rows else ("The same settings.",))


def number(value: float | None, sign: bool = False) -> str:
    """Return a number with three digits that count; a dash where it is not known.

    Examples
    --------
    >>> number(0.04567), number(-2.0, sign=True), number(0.0, sign=True), number(None), number(123456.7)
    ('0.0457', '−2', '0', '–', '123,457')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    plus = "+" if sign and value > 0 else ""
    return f"{plus}{shown}".replace("-", "−")


def title_of(measure: str) -> str:
    """Return what a reader calls a measure."""
    return CATALOGUE[measure].title if measure in CATALOGUE else measure


def names_of(names: Sequence[str], most: int = 8) -> str:
    """Return names as a list, beyond some only counted."""
    shown = [name(text, 40) for text in names[: most if len(names) > most + 1 else None]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _setting(row: Mapping[str, Any]) -> tuple[str, str, str]:
    what = row["what"]
    shown = row["name"] if what in ("parameter", "plan") else f"{what} {row['name']}"
    values = [_value(row[side]) for side in "ab"]
    if what in COUNTED:
        noun = "statement" if what == "corpus" else "pair"
        values = [f"{row[side]} {noun}{'' if row[side] == 1 else 's'} of its own" for side in "ab"]
    return name(shown, 44), values[0], values[1]


def _value(value: Any) -> str:
    """Return a setting as a cell shows it."""
    if value is None:
        return MISSING
    if isinstance(value, list):
        shown = [_value(item) for item in value]
        return ", ".join(shown) if len(shown) <= 10 else f"{', '.join(shown[:9])}, ... {shown[-1]} ({len(shown)})"
    if isinstance(value, float):
        return f"{value:.12g}".replace("-", "−")
    return name(str(value), 80)
