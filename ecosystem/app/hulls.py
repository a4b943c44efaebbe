"""Outlines around the members of coalitions in the drawing of the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CORNERS = 96
_DECIMALS = 4


def outline(points: NDArray[np.floating], margin: float) -> NDArray[np.float64]:
    """Return a rounded, convex outline around some points: of one a circle, of two a capsule.

    The outline is cut out by the same lines of support whatever the points, one for each of its corners, so that
    corner k of one outline corresponds to corner k of another and outlines can turn into each other.

    Parameters
    ----------
    points : (n, 2) float
        At least one.
    margin : float
        Distance that the outline keeps from the points; circles of this radius around them are inside.

    Returns
    -------
    (96, 2) float
        Corners, in order.

    Examples
    --------
    >>> corners = outline(np.array([[0.2, 0.5], [0.8, 0.5]]), 0.1)
    >>> corners.min(0).round(2).tolist(), corners.max(0).round(2).tolist()
    ([0.1, 0.4], [0.9, 0.6])
    """
    angle = 2 * np.pi * np.arange(_CORNERS) / _CORNERS
    outward = np.stack([np.cos(angle), np.sin(angle)], 1)
    support = (outward @ np.asarray(points, np.float64).T).max(1) + margin
    # The line of support k is outward_k . x = support_k; a corner is where it meets the next one.
    step = 2 * np.pi / _CORNERS
    along = (np.roll(support, -1) - support * np.cos(step)) / np.sin(step)
    sideways = np.stack([-outward[:, 1], outward[:, 0]], 1)
    corners: NDArray[np.float64] = support[:, None] * outward + along[:, None] * sideways
    return corners


def svg_path(points: NDArray[np.floating]) -> str:
    """Return a closed SVG path through some points.

    Parameters
    ----------
    points : (n, 2) float
        At least one.

    Returns
    -------
    str
        Coordinates have four decimals.

    Examples
    --------
    >>> svg_path(np.array([[0, 0], [1, 0], [1, 0.25]]))
    'M0 0L1 0L1 0.25Z'
    """
    rounded = np.round(np.asarray(points, np.float64), _DECIMALS) + 0.0  # no -0
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in rounded.tolist()) + "Z"
