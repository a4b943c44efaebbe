"""Markdown in which text from a scenario stays text: escaping and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ecosystem.report.prose import MISSING, count, name

MAX_ROWS = 40
"""Rows that a table of a scenario's own things may take; the rest is counted."""

_LONGEST = 1500
"""Characters that a text may take."""


class Markdown(str):
    """Text that is Markdown already, and is not to be escaped."""

    __slots__ = ()


def as_text(value: Any) -> Markdown:
    r"""Return a value as Markdown that shows it as it is, on one line and in its own order.

    Nothing in it makes emphasis, code, a link, HTML, a cell, a heading, a list or a rule.

    Examples
    --------
    >>> print(as_text("<b>*Ada*</b> | 2.0"))
    \<b\>\*Ada\*\</b\> \| 2.0
    >>> as_text(2.0), as_text(None), as_text(Markdown("`h`"))
    ('2', 'none', '`h`')
    """
    if isinstance(value, Markdown):
        return value
    text = name(value, _LONGEST) if isinstance(value, str) else shown(value)
    text = re.sub(r"[\\`*_\[\]<>&|~^$#@]", r"\\\g<0>", text)
    text = re.sub(r":(?=//)|(?<=\w)\.(?=[A-Za-z])", r"\\\g<0>", text)  # else some readers make it a link
    text = re.sub(r"^(?:[-+=:](?=[-+=:\s]|$)|\((?=\w{1,9}\)))", r"\\\g<0>", text)
    return Markdown(re.sub(r"^(\w{1,9})([.)])(?=\s|$)", r"\1\\\2", text))


def shown(value: Any) -> str:
    """Return a value of a parameter as readers see it.

    Examples
    --------
    >>> shown(2.0), shown(0.1), shown(None), shown("hk")
    ('2', '0.1', 'none', 'hk')
    """
    if value is None:
        return "none"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def code(text: str) -> Markdown:
    r"""Return text from the code in the type of code, fit for a table's cell; a dash for none.

    Examples
    --------
    >>> print(code("|a|"))
    `\|a\|`
    """
    escaped = text.replace("|", "\\|")
    return Markdown(f"`{escaped}`" if text else MISSING)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markdown:
    """Return a table; cells that are not `Markdown` are escaped, empty ones hold a dash."""
    lines: list[Sequence[str]] = [head, ["---"] * len(head)]
    lines += [[as_text(MISSING if cell == "" else cell) for cell in row] for row in rows]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def columns_table(columns: dict[str, list[Any]], noun: str) -> Markdown:
    """Return a table of the first rows of the columns that hold anything, and how many rows there are beyond them."""
    kept = {head: cells for head, cells in columns.items() if any(cells)}
    rows = list(zip(*kept.values(), strict=True))
    drawn = table([as_text(head) for head in kept], rows[:MAX_ROWS])
    if len(rows) <= MAX_ROWS:
        return drawn
    return Markdown(f"{drawn}\n\n{count(len(rows) - MAX_ROWS, f'further {noun}')}: `config.yaml`.")
