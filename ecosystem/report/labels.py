"""Labels beside points, placed so that none covers another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecosystem.report.style import text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Boxes = NDArray[np.float64]

_RADII = (6.0, 12.0, 20.0, 30.0, 42.0, 58.0)
_ANGLES = np.radians([0, 180, 30, 330, 150, 210, 60, 300, 120, 240, 90, 270])


def place_labels(
    points: NDArray[np.float64], widths: NDArray[np.float64], height: float, bounds: tuple[float, float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where the centre of each label goes, and whether there was room for it.

    Greedy: each label takes the nearest place free of points, of labels placed before it, and of the
    bounds.

    Parameters
    ----------
    points : (n, 2) float
        What the labels belong to, in points (1/72 inch).
    widths : (n,) float
        Widths of the labels, in points.
    height : float
        Height of a label, in points.
    bounds : tuple of float
        Left, bottom, right, top.
    """
    obstacles = np.hstack([points - 3, points + 3])
    centres = np.zeros_like(points)
    placed = np.zeros(len(points), bool)
    radius, angle = (grid.ravel() for grid in np.meshgrid(_RADII, _ANGLES, indexing="ij"))
    for k, (point, width) in enumerate(zip(points, widths, strict=True)):
        across, up = np.cos(angle), np.sin(angle)
        # The label's edge, not its centre, lies at the radius: push it out sideways by half its width.
        centre = point + np.stack(
            [across * radius + np.sign(across.round(6)) * width / 2, up * (radius + height / 2)], 1
        )
        half = np.array([width / 2, height / 2])
        boxes = np.hstack([centre - half, centre + half])
        free = ~_overlap(boxes, obstacles).any(1)
        free &= (boxes[:, :2] >= bounds[:2]).all(1) & (boxes[:, 2:] <= bounds[2:]).all(1)
        if free.any():
            best = int(free.argmax())
            centres[k], placed[k] = centre[best], True
            obstacles = np.vstack([obstacles, boxes[best]])
    return centres, placed


def label_points(ax: Axes, points: NDArray[np.float64], texts: list[str], size: float = 8.0) -> int:
    """Write texts beside points of axes whose limits are set; return how many found room.

    Parameters
    ----------
    ax : Axes
        With its limits and place in the figure final.
    points : (n, 2) float
        In data coordinates.
    texts : list of str
        One a point.
    size : float
        Font size, points.
    """
    scale = 72 / ax.figure.dpi
    places = ax.transData.transform(points) * scale
    left, bottom, right, top = (float(edge) * scale for edge in ax.bbox.extents)
    widths = np.array([text_width([text], size) * 72 for text in texts])
    centres, placed = place_labels(places, widths, size * 1.25, (left, bottom, right, top))
    for point, place, centre, text in zip(
        points[placed], places[placed], centres[placed], np.array(texts, object)[placed], strict=True
    ):
        offset = centre - place
        far = bool(np.abs(offset[1]) > 14)
        ax.annotate(
            text, point, offset, textcoords="offset points", ha="center", va="center", size=size,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#999999", "shrinkA": 0, "shrinkB": 3} if far else None,
        )  # fmt: skip
    return int(placed.sum())


def _overlap(boxes: Boxes, obstacles: Boxes) -> NDArray[np.bool_]:
    """Return which boxes (left, bottom, right, top) overlap which obstacles, ``(n, m)``."""
    one, other = boxes[:, None, :], obstacles[None, :, :]
    overlap = (one[..., :2] < other[..., 2:]) & (one[..., 2:] > other[..., :2])
    return np.asarray(overlap.all(-1), np.bool_)
