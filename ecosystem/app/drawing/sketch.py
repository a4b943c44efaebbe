"""The alignment network as a picture: what the page draws of a step, with title, topic and legend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.app.debates.view import View
from ecosystem.app.drawing.network import RECENT, network_data, network_names
from ecosystem.report.style import fit, text_width

WIDE, HIGH = 1200, 900
"""Size of a picture in its own unit, a pixel at full size."""

Box = NDArray[np.float64]  # centre x and y, width, height

_DPI = 100
_POINT = 72 / _DPI
_LEFT, _TOP, _RIGHT, _BOTTOM = 28, 96, 960, 846  # of the drawing
_MARGIN = (44, 40)
_STRETCH = 1.35  # most that the drawing is stretched to fill its place
_CROWD, _FEW = 40, 24  # agents beyond which names give way to each other, and up to which a name takes two lines
_LISTED = 12  # coalitions in the legend
_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (0.7, 1), (-0.7, 1), (0.7, -1), (-0.7, -1))


@dataclass(frozen=True)
class Colours:
    """Colours of the page: those of text, lines and ground."""

    ink: str
    faint: str
    line: str
    paper: str
    aligned: str
    opposed: str
    alone: str


LIGHT = Colours("#1f2328", "#5b6470", "#dfe3e8", "#ffffff", "#2166ac", "#b35806", "#9e9e9e")
DARK = Colours("#e6e9ec", "#a2abb5", "#363c44", "#1d2126", "#6baed6", "#fdae61", "#8a8a8a")


class Sketch:
    """Draws one step after another on one sheet.

    Names and numbers of coalitions stay on the side where they stood at the step before, if there is room.

    Parameters
    ----------
    dark : bool
        Whether the picture is dark.
    scale : float
        Size of a picture, of `WIDE` by `HIGH` pixels.
    """

    def __init__(self, dark: bool = False, scale: float = 1.0) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.colours = DARK if dark else LIGHT
        figure = Figure((WIDE / _DPI, HIGH / _DPI), dpi=_DPI * scale, facecolor=self.colours.paper)
        self._canvas = FigureCanvasAgg(figure)
        self._axes = figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, WIDE), ylim=(HIGH, 0))
        self._axes.axis("off")
        self._sides: dict[tuple[str, int], int] = {}

    def draw(self, view: View, note: str = "") -> NDArray[np.uint8]:
        """Return the picture of the step shown, ``(height, width, 4)`` RGBA; ``note`` is said beneath the legend."""
        for artist in [*self._axes.collections, *self._axes.patches, *self._axes.texts, *self._axes.lines]:
            artist.remove()
        data = network_data(view)
        frame = _Frame.of(data)
        self._hulls(data, frame)
        self._edges(data, frame)
        self._nodes(view, data, frame)
        boxes = self._badges(data, frame)
        self._names(view, data, frame, boxes)
        self._heading(view)
        self._legend(data, note)
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba()).copy()

    def forget(self) -> None:
        """Let names stand where they like at the next step."""
        self._sides.clear()

    def _hulls(self, data: dict[str, Any], frame: _Frame) -> None:
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Polygon

        for block in data["coalitions"]:
            corners = _around(frame.at[block["arrived"]], frame.pad)
            fill, line = to_rgba(block["colour"], 0.13), to_rgba(block["colour"], 0.55)
            self._axes.add_artist(Polygon(corners, facecolor=fill, edgecolor=line, linewidth=1.4 * _POINT, zorder=1))

    def _edges(self, data: dict[str, Any], frame: _Frame) -> None:
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgb

        edges = np.array(data["edges"], np.float64).reshape(-1, 3)
        strength = np.abs(edges[:, 2]) / max(0.2, np.abs(edges[:, 2]).max(initial=0.0))
        thin = 0.55 if len(frame.at) > _CROWD else 1.0
        looks = ((1, self.colours.aligned, "solid"), (-1, self.colours.opposed, (0, (3.2, 2.2))))
        for sign, colour, dashes in looks:
            of = np.sign(edges[:, 2]) == sign
            ends = frame.at[edges[of, :2].astype(np.int64)]
            rgba = [(*to_rgb(colour), opacity) for opacity in 0.22 + 0.5 * strength[of]]
            widths = 1.15 * thin * (0.8 + 2.4 * strength[of]) * _POINT
            lines = LineCollection(
                list(ends), colors=rgba, linewidths=widths, linestyles=[dashes], capstyle="butt", zorder=2
            )
            self._axes.add_artist(lines)

    def _nodes(self, view: View, data: dict[str, Any], frame: _Frame) -> None:
        from matplotlib.patches import Circle

        nodes, colours = data["nodes"], self.colours
        most = max(nodes["taken"])
        heard = [taken == most > 1 and nodes["taken"].count(most) <= 3 for taken in nodes["taken"]]
        for agent, (place, radius) in enumerate(zip(frame.at, frame.radius, strict=True)):
            label, here = nodes["coalition"][agent], nodes["present"][agent]
            fill = colours.paper if not here else colours.alone if label is None else view.colours[label]
            edge = {"edgecolor": colours.paper} if here else {"edgecolor": colours.alone, "linestyle": (0, (2, 2))}
            disc = Circle(tuple(place), radius, facecolor=fill, linewidth=1.8 * _POINT, zorder=4, **edge)
            self._axes.add_artist(disc)
            if heard[agent]:
                ring = Circle(
                    tuple(place),
                    radius + 4.5,
                    fill=False,
                    edgecolor=colours.ink,
                    alpha=0.55,
                    linewidth=2 * _POINT,
                    zorder=4,
                )
                self._axes.add_artist(ring)

    def _badges(self, data: dict[str, Any], frame: _Frame) -> list[Box]:
        """Write the number and size of each coalition on its outline, where it hides least; return the boxes taken."""
        from matplotlib.patches import FancyBboxPatch

        turns = np.array([(k + 1) // 2 * (-1) ** k for k in range(16)]) * np.pi / 8
        ways = np.stack([np.sin(turns), -np.cos(turns)], 1)
        taken: list[Box] = list(frame.dots)
        for block in data["coalitions"]:
            members = frame.at[block["arrived"]]
            ends = members[(members @ ways.T).argmax(0)] + frame.pad * ways
            text = f"{block['label']} · {len(block['members'])}"
            width = _width(text, 13) + 20
            boxes = np.column_stack([_inside(ends, width, 22), np.tile((width, 22.0), (16, 1))])
            box = self._best(("badge", block["label"]), boxes, ends, taken, step=2, stay=12)
            taken.append(box)
            corner = (box[0] - width / 2 + 11, box[1])
            self._axes.add_artist(
                FancyBboxPatch(corner, width - 22, 0, "round,pad=11", facecolor=block["colour"], linewidth=0, zorder=6)
            )
            self._write(box[0], box[1], text, 13, _ink_on(block["colour"]), weight="bold", zorder=7)
        return taken[len(frame.dots) :]

    def _names(self, view: View, data: dict[str, Any], frame: _Frame, taken: list[Box]) -> None:
        """Write names beside their nodes where they hide least; of many, those that have room."""
        from matplotlib.patheffects import withStroke

        names, n = network_names(view.viewing.setting), len(frame.at)
        size, crowded = (13, True) if n > _CROWD else (15, False)
        halo = [withStroke(linewidth=4 * _POINT, foreground=self.colours.paper)]
        sides = np.array(_SIDES)
        boxes = [*taken, *frame.dots]
        for agent in np.lexsort((np.arange(n), -frame.radius)).tolist():
            lines = _wrap(names[agent], 164 if n <= _FEW else 120, 2 if n <= _FEW else 1, size)
            width, height = max(_width(line, size) for line in lines) + 4, len(lines) * size * 1.15 + 2
            straight = (sides == 0).any(1)
            gap = np.where(straight[:, None], frame.radius[agent] + np.array([5, 3]), frame.radius[agent] * 0.75)
            ends = frame.at[agent] + np.sign(sides) * (gap + np.array([width, height]) / 2)
            places = np.column_stack([_inside(ends, width, height), np.tile((width, height), (len(sides), 1))])
            box = self._best(("name", agent), places, ends, boxes, step=5, stay=20)
            if crowded and (not data["nodes"]["present"][agent] or _hidden(box[None], boxes)[0] > 0.1 * width * height):
                continue
            boxes.append(box)
            self._write(box[0], box[1], "\n".join(lines), size, self.colours.ink, path_effects=halo, zorder=5)

    def _best(self, key: tuple[str, int], boxes: Box, wanted: Box, taken: list[Box], step: float, stay: float) -> Box:
        """Return the box that hides least of what is there, is moved least, and rather stays where it was."""
        cost = _hidden(boxes, taken) + step * np.arange(len(boxes))
        cost += 8 * np.hypot(*(boxes[:, :2] - wanted).T)
        if key in self._sides:
            cost[self._sides[key]] -= stay
        self._sides[key] = int(cost.argmin())
        best: Box = boxes[self._sides[key]]
        return best

    def _heading(self, view: View) -> None:
        setting, scene = view.viewing.setting, view.scene
        count = f"Step {scene.step} of {view.viewing.now}" if scene.step else "The opening"
        room = WIDE - 2 * _LEFT - _width(count, 20) - 40
        self._write(_LEFT, 38, _fitted(setting.title, room / 1.08, 24), 24, self.colours.ink, "left", weight="bold")
        self._write(WIDE - _LEFT, 38, count, 20, self.colours.faint, "right")
        under_debate = scene.topic is not None and setting.scenario.affinity is None
        if under_debate and scene.topic is not None:
            topic = _fitted(f"Under debate: {setting.topics[scene.topic]}", WIDE - 2 * _LEFT, 16)
            self._write(_LEFT, 70, topic, 16, self.colours.faint, "left")
        told = _as_fits([one.text for one in scene.told], WIDE - 2 * _LEFT, 14)
        self._write(_LEFT, 872, told, 14, self.colours.faint, "left")

    def _legend(self, data: dict[str, Any], note: str) -> None:
        """Say what colours, lines and sizes mean, and add a note."""
        colours, nodes, blocks = self.colours, data["nodes"], data["coalitions"]
        alone = sum(label is None and here for label, here in zip(nodes["coalition"], nodes["present"], strict=True))
        absent = len(nodes["present"]) - sum(nodes["present"])
        entries: list[tuple[str, str, Any]] = [
            ("dot", f"Coalition {block['label']} ({len(block['members'])})", {"facecolor": block["colour"]})
            for block in blocks[:_LISTED]
        ]
        if len(blocks) > _LISTED:
            entries.append(("", f"and {len(blocks) - _LISTED} smaller", {}))
        if alone:
            entries.append(("dot", f"Alone ({alone})", {"facecolor": colours.alone}))
        if absent:
            away = {"facecolor": colours.paper, "edgecolor": colours.alone, "linestyle": (0, (2, 2))}
            entries.append(("dot", f"Absent ({absent})", away))
        signs = {np.sign(edge[2]) for edge in data["edges"]}
        if entries and signs:
            entries.append(("", "", {}))
        entries += [("line", "Aligned", {"color": colours.aligned})] if 1 in signs else []
        entries += [("line", "Opposed", {"color": colours.opposed, "dashes": (3.2, 2.2)})] if -1 in signs else []
        meaning = {"taken": f"arguments taken over\nfrom it in {RECENT} steps", "weight": "its weight"}
        size = [f"Size of an agent:\n{meaning[data['influence']]}"] if data["influence"] else []
        entries += [("", "", {}), *(("", text, {}) for text in [*size, *([note] if note else [])])]
        down = _TOP + 20.0
        for kind, text, look in entries:
            self._entry(kind, text, look, down)
            down += 12 if not text else 26 * (1 + 0.75 * text.count("\n")) + 4 * ("\n" in text)

    def _entry(self, kind: str, text: str, look: dict[str, Any], down: float) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Circle

        left = _RIGHT + 24
        if kind == "dot":
            self._axes.add_artist(Circle((left + 8, down), 7, linewidth=1.5 * _POINT, **look))
        elif kind == "line":
            self._axes.add_artist(Line2D([left - 2, left + 18], [down, down], linewidth=3 * _POINT, **look))
        lines = text.split("\n")
        for k, line in enumerate(lines):
            self._write(left + (30 if kind else 0), down + 20 * k, line, 14.5, self.colours.faint, "left")

    def _write(
        self, x: float, y: float, text: str, size: float, colour: str, align: str = "center", **look: Any
    ) -> None:
        """Write a text, given the middle of its height, its size in pixels; signs in it mean nothing."""
        options: dict[str, Any] = {"zorder": 8, "va": "center" if "\n" in text else "center_baseline", **look}
        self._axes.text(
            x, y, text, size=size * _POINT, color=colour, ha=align, parse_math=False, linespacing=1.1, **options
        )


@dataclass(frozen=True)
class _Frame:
    """Where agents stand on the sheet, how large they are, and how far outlines are from them."""

    at: NDArray[np.float64]
    radius: NDArray[np.float64]
    pad: float
    dots: list[Box]

    @classmethod
    def of(cls, data: dict[str, Any]) -> _Frame:
        """Stretch the drawing a little where that fills its place."""
        nodes, (left, top, right, bottom) = data["nodes"], data["frame"]
        wide = (_RIGHT - _LEFT - 2 * _MARGIN[0]) / (right - left)
        high = (_BOTTOM - _TOP - 2 * _MARGIN[1]) / (bottom - top)
        scale = np.array([min(wide, high * _STRETCH), min(high, wide * _STRETCH)])
        middle = np.array([(_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2])
        seen = np.array([(left + right) / 2, (top + bottom) / 2])
        at = middle + (np.column_stack([nodes["x"], nodes["y"]]) - seen) * scale
        radius = np.clip(np.array(nodes["radius"]) * scale.min(), 4, 26)
        pad = float(np.clip(0.44 * data["spacing"] * scale.min(), 11, 44))
        dots = [np.array([x, y, 2 * r + 2, 2 * r + 2]) for (x, y), r in zip(at, radius, strict=True)]
        return cls(at, radius, pad, dots)


def _around(points: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """Return the corners of the convex outline at some distance around points, ``(n, 2)``."""
    from scipy.spatial import ConvexHull

    angle = 2 * np.pi * np.arange(64) / 64
    circle = distance * np.stack([np.cos(angle), np.sin(angle)], 1)
    near = (points[:, None] + circle).reshape(-1, 2)
    corners: NDArray[np.float64] = near[ConvexHull(near).vertices]
    return corners


def _hidden(boxes: Box, others: list[Box]) -> NDArray[np.float64]:
    """Return how much of others each box covers, ``(n_boxes,)``."""
    if not others:
        return np.zeros(len(boxes))
    one, other = boxes[:, None, :], np.stack(others)[None]
    reach = np.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    start = np.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    area: NDArray[np.float64] = (reach - start).clip(0).prod(2).sum(1)
    return area


def _inside(centres: Box, width: float, height: float) -> Box:
    """Return centres moved so that a box around each is inside the drawing."""
    half = np.array([width / 2, height / 2])
    moved: Box = np.clip(centres, np.array([4, _TOP - 14]) + half, np.array([_RIGHT + 6, _BOTTOM + 6]) - half)
    return moved


def _wrap(name: str, width: float, lines: int, size: float) -> list[str]:
    """Return a name on some lines of a width, broken where words end; what does not fit gives way to an ellipsis."""
    words = [word for word in re.split(r"(?<=[ -])", name) if word]
    broken = [""]
    for word in words:
        if broken[-1] and _width((broken[-1] + word).strip(), size) > width and len(broken) < lines:
            broken.append("")
        broken[-1] += word
    return [_fitted(line.strip(), width, size) for line in broken]


def _as_fits(sentences: list[str], width: float, size: float) -> str:
    """Return as many sentences as a line has room for, and how many there are besides."""
    for shown in range(len(sentences), 0, -1):
        rest = len(sentences) - shown
        text = " ".join([*sentences[:shown], *([f"And {rest} more."] if rest else [])])
        if _width(text, size) <= width:
            return text
    more = f" And {len(sentences) - 1} more." if len(sentences) > 1 else ""
    return _fitted(sentences[0], width - _width(more, size), size) + more if sentences else ""


def _width(text: str, size: float) -> float:
    """Return how wide a text is on the sheet, its size given in pixels."""
    return text_width([text], size * _POINT) * _DPI


def _fitted(text: str, width: float, size: float) -> str:
    return fit(text, width / _DPI, size * _POINT)


def _ink_on(colour: str) -> str:
    """Return the colour of text that can be read on another."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#1a1a1a" if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else "#ffffff"
