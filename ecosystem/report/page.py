"""What the pages share: pictures, figures as files, and the templates with their base.

A page is one HTML file that opens anywhere, without network or script. Its template extends ``page.html.j2``, which has
the head, the style sheet, the summary's frame and the provenance, and may import what ``parts.html.j2`` has.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.files import write_atomic
from ecosystem.report import prose
from ecosystem.report.prose import Name
from ecosystem.report.style import WIDTH, style

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

DPI = 150
"""Pixels an inch of a figure, where nothing else is asked."""

_PNG: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}}
_SVG: dict[str, Any] = {"metadata": {"Date": None}}
"""No version and no date: the same figure gives the same bytes."""


@dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Attributes
    ----------
    number : int
        From 1, in the order of the page.
    name : str
        Stem of its files.
    title, caption, alt : str
        What it shows, how to read it, and what it says to those who do not see it.
    source : str
        A data URI; empty where the figure is too large to embed.
    share : float
        How wide it is, as a share of the widest, in (0, 1].
    """

    number: int
    name: str
    title: str
    caption: str
    alt: str
    source: str
    share: float


def number_pictures(
    drawn: Mapping[str, bytes], told: Iterable[tuple[str, str, str, str]], budget: float = float("inf")
) -> dict[str, Picture]:
    """Return the figures that were drawn, by name, in the order in which they are told.

    Parameters
    ----------
    drawn : mapping of str to bytes
        Figures as PNG, by name.
    told : iterable of tuple of four str
        Name, title, caption and alternative text of each figure there may be.
    budget : float
        Characters that all sources together may take; what does not fit is named without its source.
    """
    pictures: dict[str, Picture] = {}
    left = budget
    for name, title, caption, alt in told:
        if name not in drawn:
            continue
        png = drawn[name]
        size, source = (len(png) + 2) // 3 * 4, ""
        if size <= left:
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            left -= size
        # The width stands in a PNG's first chunk.
        share = min(int.from_bytes(png[16:20]) / (WIDTH * DPI), 1.0)
        pictures[name] = Picture(len(pictures) + 1, name, title, caption, alt, source, share)
    return pictures


def png_of(figure: Figure, dpi: float = DPI) -> bytes:
    """Return a figure as PNG."""
    content = io.BytesIO()
    with style():
        figure.savefig(content, format="png", dpi=dpi, **_PNG)
    return content.getvalue()


def save_figure(figure: Figure, folder: Path, name: str, dpi: float = DPI) -> bytes:
    """Write a figure into ``folder/figures`` as PNG and SVG, each atomically; return the PNG."""
    png, svg = figure_files(folder, name)
    drawn = png_of(figure, dpi)
    with write_atomic(png) as file:
        file.write(drawn)
    with style(), write_atomic(svg) as file:
        figure.savefig(file, format="svg", **_SVG)
    return drawn


def drop_figure(folder: Path, name: str) -> None:
    """Remove a figure's files, if there are any: of an earlier page, where there was something to draw."""
    for path in figure_files(folder, name):
        path.unlink(missing_ok=True)


def figure_files(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where a figure's PNG and SVG are in the folder of a page."""
    return folder / "figures" / f"{name}.png", folder / "figures" / f"{name}.svg"


def render(template: str, content: Mapping[str, Any]) -> str:
    """Return a page as HTML: a template, named by its path in this folder, filled with its content."""
    return environment().get_template(template).render(content)


@cache
def environment() -> Environment:
    """Return what templates are read with: they escape all text, and refuse names that they are not given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.tests["name"] = lambda part: isinstance(part, Name)
    made.filters |= {"signed": prose.signed, "decimal": prose.decimal, "percent": prose.percent, "count": _count}
    return made


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return prose.count(int(number), noun, plural)
