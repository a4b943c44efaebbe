"""At which points a model must run so that its sensitivity to parameters can be told: Sobol', Morris, one at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError, shorten
from ecosystem.sweep.design import Axis

Array = NDArray[np.float64]
Method = Literal["sobol", "morris", "oat"]

METHODS: tuple[Method, ...] = get_args(Method)

SAMPLES: dict[str, int] = {"sobol": 64, "morris": 20, "oat": 9}
"""Base points, trajectories or levels where nothing is said: with `REPLICATES`, hundreds of runs for three ranges."""

REPLICATES: dict[str, int] = {"sobol": 3, "morris": 5, "oat": 10}
"""Seeds a point where nothing is said."""

BASE = -1
"""What varies at the point where nothing does."""

_LEVELS = 4
_MOST = 2**20


@dataclass(frozen=True)
class Samples:
    """The rows of a design, in the order that its analysis needs, and the distinct points at which to run.

    Attributes
    ----------
    method : {"sobol", "morris", "oat"}
        Whose rows they are.
    axes : tuple of Axis
        What varies.
    count : int
        Base points (sobol), trajectories (morris) or levels of a range (oat).
    points : tuple of dict
        Distinct points, parameter -> value.
    place : (n_rows,) int64
        The point of each row.
    shares : (n_rows, n_axes) float64
        How far along its axis each value is, in [0, 1]; between two values of a list, 0 or 1.
    varied : (n_rows,) int64
        The axis that a row varies (oat), `BASE` where it is none; the axis that the next row varies (morris).
    """

    method: Method
    axes: tuple[Axis, ...]
    count: int
    points: tuple[dict[str, Any], ...]
    place: NDArray[np.int64]
    shares: Array
    varied: NDArray[np.int64]

    @property
    def names(self) -> list[str]:
        """The parameters, in order."""
        return [axis.name for axis in self.axes]


def sample(axes: Sequence[Axis], method: str, count: int, base: Mapping[str, Any], seed: int) -> Samples:
    """Return the points of a method's design.

    Parameters
    ----------
    axes : sequence of Axis
        Ranges, and lists, whose values are equally likely; so are the whole numbers of a range.
    method : {"sobol", "morris", "oat"}
        ``sobol``: ``count * (n_axes + 2)`` rows of Saltelli's scheme on a scrambled Sobol' sequence. ``morris``:
        ``count`` trajectories of ``n_axes + 1`` rows; each row moves one parameter by two thirds of its range, or to
        another value of its list. ``oat``: the base point, then each parameter at ``count`` levels across its range,
        or at all values of its list, with the others at the base point.
    count : int
        A power of two for ``sobol``; two or more.
    base : mapping
        The base point: a value for each parameter.
    seed : int
        Of the sample.

    Raises
    ------
    InputError
        The method or the count cannot be used, the method needs more parameters, or SALib is not installed.

    References
    ----------
    Saltelli et al. 2010, *Computer Physics Communications* 181(2):259-270. Morris 1991, *Technometrics*
    33(2):161-174.
    """
    if method == "oat":
        _check_count(count, "levels")
        return _one_at_a_time(tuple(axes), count, base)
    if method not in METHODS:
        raise InputError("--method", f"found {shorten(method)}; {', '.join(METHODS)} are accepted")
    if len(axes) < 2:
        raise InputError("--over", f"found one parameter; {method} takes two or more, oat also one")
    for axis in axes:
        if len(axis.values) == 1:
            raise InputError(f"--over {axis.name}", "found one value; two or more, or low:high, are accepted")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0)))
    if method == "sobol":
        _check_count(count, "base points")
        if count & (count - 1):
            below = 1 << (count.bit_length() - 1)
            raise InputError("--samples", f"found {count}; sobol takes a power of two, as {below} or {2 * below}")
        return _saltelli(tuple(axes), count, rng)
    _check_count(count, "trajectories")
    return _trajectories(tuple(axes), count, rng)


def is_ordered(values: Sequence[Any]) -> bool:
    """Return whether the values of an axis are numbers; those of a range, which lists none, are."""
    return all(isinstance(value, int | float) for value in values)


def position(axis: Axis, value: Any) -> float:
    """Return how far a value lies from its axis's lowest to its highest; where they are words, by place.

    Examples
    --------
    >>> position(Axis("bias", low=1, high=100, scale="log"), 10.0)
    0.5
    >>> position(Axis("entry", ("nash", "individual", "contractual")), "individual")
    0.5
    """
    if axis.scale == "log":
        return math.log(value / axis.low) / math.log(axis.high / axis.low)
    if not is_ordered(axis.values):
        return axis.values.index(value) / max(len(axis.values) - 1, 1)
    low, high = (min(axis.values), max(axis.values)) if axis.values else (axis.low, axis.high)
    return float((value - low) / (high - low)) if high > low else 0.0


def _saltelli(axes: tuple[Axis, ...], count: int, rng: np.random.Generator) -> Samples:
    """Return blocks of rows: a point A, A with each parameter in turn taken from B, and B."""
    sobol = require_salib("sample.sobol")
    shares = np.asarray(sobol.sample(unit_cube(len(axes)), count, calc_second_order=False, seed=rng), np.float64)
    rows = [{axis.name: axis.at(float(u)) for axis, u in zip(axes, row, strict=True)} for row in shares]
    return _of_rows("sobol", axes, count, rows, shares, np.full(len(rows), BASE))


def _trajectories(axes: tuple[Axis, ...], count: int, rng: np.random.Generator) -> Samples:
    """Return walks on a grid of four levels, on which each parameter moves once, across the middle of its range.

    So a walk shows two values of each parameter. Of a list, these are two of its values, drawn for the walk.
    """
    morris = require_salib("sample.morris")
    levels = np.asarray(morris.sample(unit_cube(len(axes)), count, num_levels=_LEVELS, seed=rng), np.float64)
    walks = levels.reshape(count, len(axes) + 1, len(axes))
    rows: list[dict[str, Any]] = []
    shares = np.empty_like(walks)
    for k, walk in enumerate(walks):
        ends = {axis.name: _two_of(axis.values, rng) for axis in axes if not axis.is_range}
        for row, us in enumerate(walk.tolist()):
            both = list(zip(axes, us, strict=True))
            rows.append({axis.name: axis.at(u) if axis.is_range else ends[axis.name][u > 0.5] for axis, u in both})
            shares[k, row] = [position(axis, rows[-1][axis.name]) if axis.is_range else u > 0.5 for axis, u in both]
    moved = np.abs(np.diff(walks, axis=1)).argmax(2)
    varied = np.hstack([moved, np.full((count, 1), BASE)]).ravel()
    return _of_rows("morris", axes, count, rows, shares.reshape(levels.shape), varied)


def _two_of(values: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    """Return two values of a list, drawn without regard to order; of numbers the lower first."""
    ordered = sorted(values) if is_ordered(values) else list(values)
    return [ordered[k] for k in np.sort(rng.choice(len(ordered), 2, replace=False))]


def _one_at_a_time(axes: tuple[Axis, ...], count: int, base: Mapping[str, Any]) -> Samples:
    start = {axis.name: base[axis.name] for axis in axes}
    rows, shares, varied = [start], [[math.nan] * len(axes)], [BASE]
    for k, axis in enumerate(axes):
        for value in (axis.spaced(count) if axis.is_range else axis).values:
            rows.append({**start, axis.name: value})
            shares.append([position(axis, value) if j == k else math.nan for j in range(len(axes))])
            varied.append(k)
    return _of_rows("oat", axes, count, rows, np.array(shares), np.array(varied))


def _of_rows(
    method: Method, axes: tuple[Axis, ...], count: int, rows: list[dict[str, Any]], shares: Array,
    varied: NDArray[np.int64],
) -> Samples:  # fmt: skip
    """Return samples that run at each distinct point once."""
    found: dict[tuple[Any, ...], int] = {}
    place = [found.setdefault(tuple(row.values()), len(found)) for row in rows]
    names = [axis.name for axis in axes]
    points = tuple(dict(zip(names, point, strict=True)) for point in found)
    return Samples(method, axes, count, points, np.array(place), shares, varied.astype(np.int64))


def _check_count(count: int, what: str) -> None:
    if not 2 <= count <= _MOST:
        raise InputError("--samples", f"found {count}; 2 to {_MOST:,} {what} are accepted")


def unit_cube(n_axes: int) -> dict[str, Any]:
    """Return SALib's description of shares along some axes."""
    return {"num_vars": n_axes, "names": [str(k) for k in range(n_axes)], "bounds": [[0.0, 1.0]] * n_axes}


def require_salib(module: str) -> Any:
    """Return a module of SALib.

    Raises
    ------
    InputError
        SALib is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"SALib.{module}")
    except ImportError:
        raise InputError(
            "--method", 'needs SALib, which is not installed: pip install "jepa-ecosystem[sensitivity]"'
        ) from None
