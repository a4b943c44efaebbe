"""How figures look: colours that colour-blind readers can tell apart, text that is shown as it is written."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from threading import RLock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
    "#332288", "#999933", "#882255", "#44AA99", "#AA4499",
)  # fmt: skip
"""Okabe & Ito's colours (2008) without black, then five of Tol's muted scheme."""

_BEST = 7

ALONE = "#dcdcdc"
INK = "#222222"
FAINT = "#8a8a8a"
POSITIVE, NEGATIVE = "#2166ac", "#b35806"
DIVERGING = "PuOr"
"""Colour map for affinity in [-1, 1]: orange below 0, white at 0, purple above."""

WIDTH = 9.5
"""Width of a figure, inches."""

_MEASURED = 40.0

RC: dict[str, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,
    "text.hinting": "none",  # costs a fifth less, and looks the same at these sizes
    "svg.fonttype": "none",
    "svg.hashsalt": "ecosystem",
}


_DRAWING = RLock()


@contextmanager
def style() -> Iterator[None]:
    """Draw in this project's style; a `$` is a dollar sign, and a glyph the font lacks is no warning.

    One thread draws at a time: matplotlib's settings are those of the whole process.
    """
    from matplotlib import rc_context

    with _DRAWING, rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a drawing function draw in this project's style."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with style():
            return draw(*args, **kwargs)

    return wrapper


def new_figure(height: float, title: str, subtitle: str = "", width: float = WIDTH) -> Figure:
    """Return an empty figure of a size in inches with its title at the top left."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    title, subtitle = fit(title, width - 0.25, 12.5), fit(subtitle, width - 0.25, 8.5)
    figure.text(0.12 / width, 1 - 0.1 / height, title, size=11.5, weight="bold", va="top")
    if subtitle:
        figure.text(0.12 / width, 1 - 0.34 / height, subtitle, size=8.5, color="#555555", va="top")
    return figure


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, **options: Any) -> Axes:
    """Return new axes at a place given in inches from the lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **options)


def own_axes(ax: Axes | None, width: float = 7.0, height: float = 5.0) -> Axes:
    """Return ``ax``, or the axes of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    axes: Axes = Figure(figsize=(width, height), layout="constrained").add_subplot()
    return axes


def clean(text: str) -> str:
    r"""Return text on one line without characters that cannot be shown.

    Examples
    --------
    >>> clean("one\n two\x07")
    'one two'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shorten(text: str, width: int) -> str:
    """Return text of at most ``width`` characters on one line, its end cut off with an ellipsis.

    Examples
    --------
    >>> shorten("Developing-country negotiator", 12)
    'Developing…'
    """
    line = clean(text)
    if len(line) <= width:
        return line
    return line[: width - 1].rstrip(" -,.;:") + "…"


def text_width(texts: list[str], size: float = 8.0) -> float:
    """Return how many inches the longest of some texts takes at a font size in points."""
    return max((_measure(text) for text in texts), default=0.0) * size


def fit(text: str, inches: float, size: float = 8.0) -> str:
    """Return text on one line, its end cut off with an ellipsis where it is wider than some inches."""
    line = clean(text)
    low, high = 1, len(line)
    if text_width([line], size) <= inches:
        return line
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width([shorten(line, middle)], size) <= inches else (low, middle - 1)
    return shorten(line, low)


def _measure(text: str) -> float:
    """Return the width of a text in inches per point of font size, kerning aside."""
    return sum(_advance(letter) for letter in text)


@lru_cache(maxsize=4096)
def _advance(letter: str) -> float:
    font = _font()
    # The font has no East Asian letters and no pictures; what stands in for them is as wide as a W.
    code = font.get_char_index(ord(letter)) if ord(letter) < 0x2E80 else font.get_char_index(ord("W"))
    width: float = font.load_glyph(code).linearHoriAdvance / 65536 / _MEASURED / 72
    return width


@lru_cache(maxsize=1)
def _font() -> Any:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    font = FT2Font(findfont(FontProperties()))
    font.set_size(_MEASURED, 72)
    return font


class Colouring:
    """Gives coalitions their colours as they appear, so that those alive together differ.

    Labels take colours in order of appearance; a colour is taken again only when no coalition alive has
    it, the longest unused first. The first seven colours, which are the easiest to tell apart, are all
    alive before another is taken. With more coalitions at once than colours, colours repeat.

    Attributes
    ----------
    colours : dict of int to str
        Colour of every coalition so far, by label.
    """

    def __init__(self) -> None:
        self.colours: dict[int, str] = {}
        self._last_used = dict.fromkeys(PALETTE, -1)
        self._steps = 0

    def add(self, partition: NDArray[Any]) -> None:
        """Look at the labels of a step, ``(n_agents,) int``; negative for an agent alone, which has no colour."""
        colours, last_used, step = self.colours, self._last_used, self._steps
        alive = [int(label) for label in np.unique(partition) if label >= 0]
        for label in alive:
            if label in colours:
                last_used[colours[label]] = step
        for label in alive:
            if label not in colours:
                free = [colour for colour in PALETTE if last_used[colour] < step]
                best = [colour for colour in free if colour in PALETTE[:_BEST]] or free[:1]
                shared = Counter(colours[other] for other in alive if other in colours)
                colours[label] = min(best or PALETTE, key=lambda c: (shared[c], last_used[c]))
                last_used[colours[label]] = step
        self._steps += 1


def coalition_colours(partitions: NDArray[np.int64]) -> dict[int, str]:
    """Return a colour for every coalition label of a run, as `Colouring` gives them.

    Parameters
    ----------
    partitions : (n_steps, n_agents) int
        Coalition labels; negative for an agent alone.
    """
    colouring = Colouring()
    for partition in partitions:
        colouring.add(partition)
    return colouring.colours
