"""What a terminal shows of the difference of two runs, or of two sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def print_difference(summary: Mapping[str, Any]) -> None:
    """Print the summary of a difference (`ecosystem.differing.diff`) as short tables."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from ecosystem.report.differences import sheets

    console = Console(highlight=False)
    for number, sheet in enumerate(sheets(summary)):
        if number:
            console.print()
        console.print(Text(sheet.title, "bold"))
        if sheet.rows:
            table = Table(*(Column(heading, overflow="fold") for heading in sheet.columns))
            for row in sheet.rows:
                # Cells hold text from outside, in which brackets are brackets.
                table.add_row(*map(Text, row))
            console.print(table)
        for note in sheet.notes:
            console.print(Text(note))
