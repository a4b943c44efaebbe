"""What a visitor can take away: the network as a picture, a debate as an animation, figures of the report."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.scenes import Viewing
from ecosystem.app.debates.telling import LiveTables
from ecosystem.app.debates.view import View
from ecosystem.app.drawing.sketch import Sketch
from ecosystem.errors import InputError, nearest, shorten
from ecosystem.progress import Progress, silent
from ecosystem.record.reader import RunTables
from ecosystem.report.style import RC, style

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 200
"""Steps in an animation; of more, every second is left out, or every third ..."""

OF_THE_END = ("trajectories", "utterance_pca", "predictions", "weight_importance")
"""Figures of the report that take tables which only a finished run has."""

_SCALE = 0.8  # of frames
_LONGEST, _SHORTEST = 400, 120  # ms that a frame stays
_WHOLE = 24_000  # ms that an animation takes, about
_LAST = 2500  # ms that its last frame stays

_SAMPLED = 8  # frames whose colours are looked at beforehand
_SHADES = (1.0, 0.55, 0.13, 0.75, 0.35)  # of colours on the ground: as drawn, of outlines, within them, and at edges


class Recorded(Viewing, Protocol):
    """A debate whose tables can be had."""

    def tables(self) -> RunTables:
        """Return the tables, as far as the debate went."""


def network_picture(view: View) -> bytes:
    """Return the alignment network at the step shown as a PNG, 1200 by 900 pixels."""
    with style():
        return _png(_image(Sketch(view.dark).draw(view)))


def animation(
    viewing: Viewing,
    first: int,
    last: int,
    tell: Progress = silent,
    dark: bool = False,
    every: int = 1,
) -> bytes:
    """Return the alignment network over some steps as a GIF, 960 by 720 pixels.

    Parameters
    ----------
    viewing : Viewing
        The debate.
    first, last : int
        The steps it goes from and to; both are in it.
    tell : callable
        Told how many frames are drawn; what it raises ends the drawing.
    dark : bool
        Whether it is dark.
    every : int
        Steps from one frame to the next; more where there would be more than `MOST_FRAMES`.

    Raises
    ------
    InputError
        There are no such steps.
    """
    if not 0 <= first <= last <= viewing.now:
        raise InputError("steps", f"found {first} to {last}; steps from 0 to {viewing.now} are accepted")
    steps = _steps(first, last, every)
    apart = steps[1] - steps[0] if len(steps) > 1 else 1
    note = f"Every {apart}{_ending(apart)} step" if apart > 1 else ""
    sketch = Sketch(dark, _SCALE)

    def draw(step: int) -> NDArray[np.uint8]:
        with style():
            return sketch.draw(View(viewing, step, dark=dark), note)

    tell("animation", 0, len(steps))
    some = np.unique(np.linspace(0, len(steps) - 1, _SAMPLED).round().astype(int))
    palette = _Palette.of(sketch, viewing, [draw(steps[number]) for number in some])
    sketch.forget()
    frames = []
    for number, step in enumerate(steps, start=1):
        frames.append(palette.image(draw(step)))
        tell("animation", number, len(steps))
    return _gif(frames)


def report_picture(viewing: Recorded, name: str) -> bytes:
    """Return a figure of the report, of the debate so far, as a PNG.

    Parameters
    ----------
    viewing : Session or Replay
        The debate.
    name : str
        Of a figure in `ecosystem.report.gallery.FIGURES`.

    Raises
    ------
    InputError
        There is no such figure, or nothing to draw in it yet.
    """
    from ecosystem.report.gallery import FIGURES as SPECS

    specs = {spec.name: spec for spec in SPECS}
    if name not in specs:
        raise InputError("figure", f"found {shorten(name)}{nearest(name, specs)}")
    if viewing.now == 0:
        raise InputError("figure", "no step has been taken yet; take one first")
    if specs[name].of_words and viewing.setting.scenario.affinity is not None:
        raise InputError("figure", f"{name} shows what was said, and where affinity is given nothing is")
    tables = viewing.tables()
    if name in OF_THE_END and isinstance(tables, LiveTables):
        raise InputError("figure", f"{name} is drawn of a finished run; save the debate first")
    with style():
        content = BytesIO()
        specs[name].draw(tables).savefig(content, format="png", dpi=RC["savefig.dpi"], metadata={"Software": None})
        return content.getvalue()


def _steps(first: int, last: int, every: int) -> list[int]:
    """Return the steps that are drawn: evenly spaced, the last one aside."""
    apart = max(every, -(-(last - first) // (MOST_FRAMES - 1)), 1)
    return [*range(first, last, apart), last]


def _ending(number: int) -> str:
    """Return how an ordinal ends."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


@dataclass(frozen=True)
class _Palette:
    """The 256 colours of an animation, the same for all frames, so that nothing flickers.

    Attributes
    ----------
    colours : (256, 3) uint8
    nearest : (64, 64, 64) uint8
        Which of them stands for a colour, by the upper six bits of red, green and blue.
    """

    colours: NDArray[np.uint8]
    nearest: NDArray[np.uint8]

    @classmethod
    def of(cls, sketch: Sketch, viewing: Viewing, frames: list[NDArray[np.uint8]]) -> _Palette:
        """Choose colours: those drawn with, some between each and the ground, and what else some frames are made of."""
        from matplotlib.colors import to_rgb
        from PIL import Image
        from scipy.spatial import KDTree

        look = sketch.colours
        ground = np.array(to_rgb(look.paper))
        coalitions = list(dict.fromkeys(viewing.course.colours.values()))
        solid = [
            np.array(to_rgb(c)) for c in (look.ink, look.faint, look.aligned, look.opposed, look.alone, *coalitions)
        ]
        shades = [ground + share * (colour - ground) for share in _SHADES for colour in solid]
        named = (np.vstack([ground, *shades]) * 255).round().astype(np.uint8)
        seen = Image.fromarray(np.vstack([frame[..., :3] for frame in frames]))
        found = seen.quantize(256 - len(named), Image.Quantize.MEDIANCUT).getpalette() or []
        others = np.array(found, np.uint8).reshape(-1, 3)[: 256 - len(named)]
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(named) + len(others)] = np.vstack([named, others])
        levels = np.arange(64) * 4 + 2
        cells = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
        nearest = np.asarray(KDTree(colours.astype(np.float64)).query(cells)[1], np.uint8)
        for number in range(len(named) - 1, -1, -1):  # what is drawn with is shown as it is, the ground above all
            nearest[tuple(named[number] // 4)] = number
        return cls(colours, nearest)

    def image(self, pixels: NDArray[np.uint8]) -> Image:
        """Return a frame in these colours."""
        from PIL import Image

        red, green, blue = (pixels[..., channel] >> 2 for channel in range(3))
        frame = Image.fromarray(self.nearest[red, green, blue])
        frame.putpalette(self.colours.tobytes())
        return frame


def _image(pixels: NDArray[np.uint8]) -> Image:
    from PIL import Image

    return Image.fromarray(pixels[..., :3])


def _png(image: Image) -> bytes:
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _gif(frames: list[Image]) -> bytes:
    stay = int(np.clip(_WHOLE / len(frames), _SHORTEST, _LONGEST)) // 10 * 10
    content = BytesIO()
    durations = [stay] * (len(frames) - 1) + [_LAST]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)
    return content.getvalue()
