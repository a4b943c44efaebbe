"""How charts look, light and dark: colours, type, axes, tooltips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
SMALL, NORMAL = 11, 12
"""Sizes of type, pixels."""

LEVELS = 201
"""Colours of affinity: one for every hundredth from -1 to 1."""

_BEND = 0.6


@dataclass(frozen=True)
class Inks:
    """Colours of charts on a light or a dark page.

    Attributes
    ----------
    ink, faint : str
        Text, and text of less weight.
    line : str
        Rules and axes.
    paper : str
        What charts stand on.
    accent : str
        The one colour of what matters.
    second, third : str
        What it is compared with.
    alone, missing : str
        An agent in no coalition; what is not known.
    diverging : tuple of str
        Affinity from -1 to 1 in equal parts: orange below 0, purple above.
    """

    ink: str
    faint: str
    line: str
    paper: str
    accent: str
    second: str
    third: str
    alone: str
    missing: str
    diverging: tuple[str, ...]


LIGHT = Inks(
    ink="#1f2328",
    faint="#5b6470",
    line="#dfe3e8",
    paper="#ffffff",
    accent="#0072B2",
    second="#D55E00",
    third="#6e6e6e",
    alone="#dcdcdc",
    missing="#eef1f4",
    diverging=("#7f3b08", "#b35806", "#f1a340", "#fee0b6", "#f7f7f7", "#d8daeb", "#998ec3", "#542788", "#2d004b"),
)
DARK = Inks(
    ink="#e6e9ec",
    faint="#a2abb5",
    line="#363c44",
    paper="#1d2126",
    accent="#56B4E9",
    second="#E69F00",
    third="#a8a8a8",
    alone="#4a515a",
    missing="#262b31",
    diverging=("#ffe3b8", "#fdb863", "#c8741a", "#6b4013", "#353b43", "#3f3569", "#6f5fb5", "#a99ae6", "#e4deff"),
)


def inks(dark: bool) -> Inks:
    """Return the colours of a page."""
    return DARK if dark else LIGHT


@lru_cache(maxsize=2)
def affinity_colours(dark: bool) -> tuple[str, ...]:
    """Return the colour of every hundredth of affinity from -1 to 1, ``LEVELS`` of them.

    The scale is the same for all steps and debates, so that a colour always means the same. Most affinities are small:
    colours change faster near 0 than at the ends, and the bar beside the map shows how.

    Examples
    --------
    >>> colours = affinity_colours(False)
    >>> len(colours), colours[0], colours[100], colours[200]
    (201, '#7f3b08', '#f7f7f7', '#2d004b')
    """
    stops = np.array([_rgb(colour) for colour in inks(dark).diverging])
    value = np.linspace(-1, 1, LEVELS)
    bent = np.sign(value) * np.abs(value) ** _BEND
    at = (bent + 1) / 2 * (len(stops) - 1)
    mixed = np.stack([np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)], 1)
    return tuple("#" + "".join(f"{part:02x}" for part in row) for row in mixed.round().astype(int))


def readable(colour: str) -> str:
    """Return the ink, black or white, that can be read on a colour.

    Examples
    --------
    >>> readable("#F0E442"), readable("#332288")
    ('#222222', '#ffffff')
    """
    red, green, blue = _rgb(colour)
    return "#ffffff" if 0.3 * red + 0.59 * green + 0.11 * blue < 125 else "#222222"


def base(dark: bool, description: str) -> dict[str, Any]:
    """Return what all charts share.

    Parameters
    ----------
    dark : bool
        Whether the page is dark.
    description : str
        What the chart shows, for those who cannot see it.
    """
    colours = inks(dark)
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT, "fontSize": NORMAL, "color": colours.ink},
        "aria": {"enabled": True, "label": {"description": description}},
        "tooltip": {
            "renderMode": "richText",
            "confine": True,
            "hideDelay": 0,
            "backgroundColor": colours.paper,
            "borderColor": colours.faint,
            "borderWidth": 1,
            "padding": [7, 10],
            "textStyle": {"color": colours.ink, "fontFamily": FONT, "fontSize": NORMAL, "lineHeight": 18},
        },
    }


def value_axis(dark: bool, **more: Any) -> dict[str, Any]:
    """Return an axis of numbers; ``more`` goes into it, parts of parts merged."""
    colours = inks(dark)
    axis: dict[str, Any] = {
        "type": "value",
        "axisLine": {"show": True, "lineStyle": {"color": colours.faint}},
        "axisTick": {"show": False},
        "axisLabel": {"color": colours.faint, "fontSize": SMALL, "hideOverlap": True, "formatter": "number"},
        "splitLine": {"show": True, "lineStyle": {"color": colours.line}},
        "nameTextStyle": {"color": colours.faint, "fontSize": SMALL},
        "nameLocation": "middle",
    }
    return merged(axis, more)


def names_axis(dark: bool, names: list[str], **more: Any) -> dict[str, Any]:
    """Return an axis of names; ``more`` goes into it, parts of parts merged."""
    colours = inks(dark)
    axis: dict[str, Any] = {
        "type": "category",
        "data": names,
        "axisLine": {"show": False},
        "axisTick": {"show": False},
        "axisLabel": {"color": colours.ink, "fontSize": SMALL, "interval": 0},
        "nameTextStyle": {"color": colours.faint, "fontSize": SMALL},
        "nameLocation": "middle",
    }
    return merged(axis, more)


def room_for(names: list[str], most: int = 190) -> int:
    """Return the pixels that an axis of names takes, ``most`` at the most; longer ones are cut off.

    Examples
    --------
    >>> room_for(["Ada", "Ben"]), room_for(["The representative of the developing countries"])
    (72, 190)
    """
    return min(max(round(6.2 * max(map(len, names), default=0)) + 20, 72), most)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return a dict with another's entries laid over it, dicts within merged likewise.

    Examples
    --------
    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4})
    {'a': {'b': 1, 'c': 3}, 'd': 4}
    """
    both = dict(one)
    for key, value in other.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue
