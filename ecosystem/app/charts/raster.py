"""Many cells as one picture: a byte a cell, a colour a byte."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.charts.theme import LEVELS, affinity_colours, inks
from ecosystem.report.prose import signed

MOST = 255
"""Codes that fit a byte, beside 0 for what is left out."""


def raster(codes: NDArray[np.integer[Any]], palette: list[str | None], said: list[str], **more: Any) -> dict[str, Any]:
    """Return a grid of coloured cells as ``chart.vue`` draws it.

    Forty thousand cells take 54 kB and one picture, where a chart of as many rectangles takes ten times as much to
    send and a quarter of a second to draw.

    Parameters
    ----------
    codes : (n_rows, n_columns) int
        In [0, len(palette)), at most 256 different.
    palette : list of str or None
        Colour of each code; None lets through what is beneath.
    said : list of str
        What a tooltip says of each code.
    **more
        ``gap`` in pixels between cells as [across, down], ``hatch`` beneath them, ``x`` and ``y`` as
        [first, last] edges in data coordinates where cells do not fill the grid, ``columns`` and ``rows`` as names for
        tooltips where an axis has none, ``between`` the two names.
    """
    rows, columns = codes.shape
    assert len(palette) == len(said) <= MOST + 1
    return {
        "kind": "raster",
        "size": [int(rows), int(columns)],
        "cells": b64encode(np.ascontiguousarray(codes, np.uint8).tobytes()).decode(),
        "palette": palette,
        "said": said,
        **more,
    }


def affinity_raster(affinity: NDArray[np.floating[Any]], dark: bool, **more: Any) -> dict[str, Any]:
    """Return affinity or alignment as a grid of cells, in hundredths; hatched where there is none.

    Parameters
    ----------
    affinity : (n, n) float
        In [-1, 1]; NaN for none.
    dark : bool
        Whether the page is dark.
    **more
        As for `raster`.
    """
    half = (LEVELS - 1) // 2
    level = np.rint(np.nan_to_num(affinity.astype(np.float64)).clip(-1, 1) * half).astype(np.int64) + half + 1
    codes = np.where(np.isnan(affinity), 0, level)
    np.fill_diagonal(codes, LEVELS + 1)
    said = ["nothing said", *(signed(value) for value in np.linspace(-1, 1, LEVELS)), "itself"]
    palette = [None, *affinity_colours(dark), inks(dark).missing]
    return raster(codes, palette, said, hatch=inks(dark).alone, **more)


def cells_of(drawn: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the codes of a raster, ``(n_rows, n_columns) uint8``."""
    from base64 import b64decode

    rows, columns = drawn["size"]
    return np.frombuffer(b64decode(drawn["cells"]), np.uint8).reshape(rows, columns)
