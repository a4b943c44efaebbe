"""Which parameters a sweep varies, and the points at which it runs: grids and space-filling samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ecosystem.complaints import explain
from ecosystem.errors import InputError, brief, nearest, shorten
from ecosystem.scenario import Parameters

Scale = Literal["linear", "log"]
Design = Literal["grid", "latin-hypercube", "sobol", "given"]

SAMPLED: tuple[Design, ...] = ("latin-hypercube", "sobol")

MOST_POINTS = 100_000

_ACCEPTED = "a,b,c or low:high:count[:log] is accepted, low:high[:log] where points are sampled"


@dataclass(frozen=True)
class Axis:
    """A parameter that varies: over values, or over a range from which points are sampled.

    Attributes
    ----------
    name : str
        One of `Parameters`.
    values : tuple
        The values; empty for a range.
    low, high : float
        Ends of the range.
    scale : {"linear", "log"}
        Whether equal distances along the range are equal differences or equal ratios.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    scale: Scale = "linear"

    @property
    def is_range(self) -> bool:
        """Whether points along it are sampled rather than listed."""
        return not self.values

    def at(self, share: float) -> Any:
        """Return the value at a share of the way along the axis, in [0, 1); lists and whole numbers in equal parts.

        Examples
        --------
        >>> Axis("bias", low=1, high=100, scale="log").at(0.5)
        10.0
        >>> Axis("entry", ("nash", "individual")).at(0.7)
        'individual'
        """
        if self.values:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if _is_whole(self.name):
            return int(min(max(math.floor(self._along(share, self.low, self.high + 1)), self.low), self.high))
        return float(min(max(_tidy(self.name, self._along(share, self.low, self.high)), self.low), self.high))

    def spaced(self, count: int) -> Axis:
        """Return ``count`` values along the range, its ends included; whole numbers rounded, each once."""
        shares = [k / (count - 1) for k in range(count)] if count > 1 else [0.0]
        values = [self._along(share, self.low, self.high) for share in shares]
        values[-1] = self.high if count > 1 else values[-1]
        return Axis(self.name, tuple(dict.fromkeys(check(self.name, _tidy(self.name, value)) for value in values)))

    def describe(self) -> dict[str, Any]:
        """Return what ``plan.json`` keeps of it."""
        if self.values:
            return {"name": self.name, "values": list(self.values)}
        return {"name": self.name, "low": self.low, "high": self.high, "scale": self.scale}

    def _along(self, share: float, low: float, high: float) -> float:
        if self.scale == "log":
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return low + share * (high - low)


def read_axes(vary: Mapping[str, Any] | Sequence[str], option: str = "--vary") -> tuple[Axis, ...]:
    """Return the axes that a user names: ``["homophily=0:10:5", "entry=nash,individual"]``, or a mapping to values.

    Raises
    ------
    InputError
        A parameter or a value cannot be used, or a parameter is named twice.
    """
    if isinstance(vary, Mapping):
        axes = [
            parse_axis(f"{name}={given}", option) if isinstance(given, str) else listed(name, given)
            for name, given in vary.items()
        ]
    else:
        axes = [parse_axis(text, option) for text in vary]
    if not axes:
        raise InputError(option, f"found nothing; at least one key={_ACCEPTED}")
    for place, axis in enumerate(axes):
        if axis.name in {other.name for other in axes[:place]}:
            raise InputError(option, f"found {axis.name!r} twice; each parameter is accepted once")
    return tuple(axes)


def parse_axis(text: str, option: str = "--vary") -> Axis:
    """Return the axis that a text names.

    Examples
    --------
    >>> parse_axis("homophily=0,2,5").values
    (0.0, 2.0, 5.0)
    >>> parse_axis("bias=1:100:3:log").values
    (1.0, 10.0, 100.0)
    >>> parse_axis("threshold=-0.1:0.1").is_range
    True
    """
    name, equals, given = (part.strip() for part in text.partition("="))
    if not equals or not name or not given:
        raise InputError(option, f"found {shorten(text)}; key={_ACCEPTED}")
    _refuse_unknown(name, option)
    if ":" not in given:
        return listed(name, [value.strip() for value in given.split(",")], option)
    parts = [part.strip() for part in given.split(":")]
    scale: Scale = "linear"
    if parts[-1] in ("log", "linear"):
        scale = "log" if parts.pop() == "log" else "linear"
    if len(parts) not in (2, 3):
        raise InputError(f"{option} {name}", f"found {shorten(given)}; {_ACCEPTED}")
    axis = _range(name, parts[0], parts[1], scale, f"{option} {name}")
    if len(parts) == 2:
        return axis
    count = _number(parts[2], f"{option} {name}")
    if count != int(count) or not 2 <= count <= 100_000:
        raise InputError(f"{option} {name}", f"found a count of {shorten(parts[2])}; 2 to 100000 is accepted")
    return axis.spaced(int(count))


def listed(name: str, values: Sequence[Any], option: str = "--vary") -> Axis:
    """Return the axis over some values of a parameter, each checked."""
    _refuse_unknown(name, option)
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or not len(values):
        raise InputError(f"{option} {name}", f"found {shorten(values)}; a list of values, or a text, is accepted")
    checked = [check(name, value, option) for value in values]
    for place, value in enumerate(checked):
        if value in checked[:place]:
            raise InputError(f"{option} {name}", f"found {value!r} twice; each value is accepted once")
    return Axis(name, tuple(checked))


def check(name: str, value: Any, option: str = "--vary") -> Any:
    """Return a value as the parameter has it; refuse what no other parameters could make right.

    Values that only go ill with other parameters pass: those runs fail, and the others go on.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        return getattr(Parameters.model_validate({name: plain}), name)
    except ValidationError as error:
        if any(complaint["loc"] == (name,) for complaint in error.errors(include_url=False)):
            raise explain(error, option, Parameters) from None
        return Parameters.model_construct(**{name: plain}).model_dump()[name]


@cache
def kind_of(name: str) -> str:
    """Return whether a parameter is an ``integer``, a ``number`` or a ``string``, none at all aside.

    Examples
    --------
    >>> kind_of("homophily"), kind_of("max_coalitions"), kind_of("entry")
    ('number', 'integer', 'string')
    """
    described = Parameters.model_json_schema()["properties"][name]
    return next(kind for option in described.get("anyOf", [described]) if (kind := str(option["type"])) != "null")


def grid(axes: Sequence[Axis]) -> tuple[dict[str, Any], ...]:
    """Return every combination of the axes' values, the last axis changing fastest.

    Raises
    ------
    InputError
        An axis is a range without a count.
    """
    for axis in axes:
        if axis.is_range:
            ends = f"{axis.low:g}:{axis.high:g}"
            raise InputError(
                f"--vary {axis.name}", f"found the range {ends}; a grid needs a count, as {ends}:5, or --design another"
            )
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_POINTS:
        raise InputError("--vary", f"found {count:,} combinations; up to {MOST_POINTS:,} design points are accepted")
    names = [axis.name for axis in axes]
    return tuple(dict(zip(names, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes)))


def sample(axes: Sequence[Axis], design: Design, count: int, seed: int) -> tuple[dict[str, Any], ...]:
    """Return points that fill the space of the axes: a Latin hypercube, or a scrambled Sobol' sequence.

    Parameters
    ----------
    axes : sequence of Axis
        Ranges and lists.
    design : {"latin-hypercube", "sobol"}
        Which.
    count : int
        Number of points; for ``sobol`` a power of two.
    seed : int
        Of the sample.

    References
    ----------
    McKay, Beckman & Conover 1979, *Technometrics* 21(2); Owen 1998, *ACM Transactions on Modeling and Computer
    Simulation* 8(1).
    """
    from scipy.stats import qmc

    if count > MOST_POINTS:
        raise InputError("--samples", f"found {count:,}; up to {MOST_POINTS:,} design points are accepted")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    if design == "sobol":
        if count & (count - 1):
            below = 1 << (count.bit_length() - 1)
            raise InputError(
                "--samples", f"found {count}; a Sobol' design takes a power of two, as {below} or {below * 2}"
            )
        shares = qmc.Sobol(len(axes), rng=rng).random(count)
    else:
        shares = qmc.LatinHypercube(len(axes), rng=rng).random(count)
    return points_at(axes, shares)


def points_at(axes: Sequence[Axis], shares: NDArray[np.float64]) -> tuple[dict[str, Any], ...]:
    """Return the points at shares of the way along each axis, (n_points, n_axes) in [0, 1)."""
    return tuple({axis.name: axis.at(float(share)) for axis, share in zip(axes, row, strict=True)} for row in shares)


def _range(name: str, low: str, high: str, scale: Scale, where: str) -> Axis:
    if kind_of(name) == "string":
        raise InputError(where, f"found the range {low}:{high}; values are accepted, as a,b")
    ends = [_number(end, where) for end in (low, high)]
    for end in ends:
        check(name, _tidy(name, end), where.removesuffix(f" {name}"))
    if not ends[0] < ends[1]:
        raise InputError(where, f"found {low}:{high}; a low end below the high one is accepted")
    if scale == "log" and ends[0] <= 0:
        raise InputError(where, f"found {low}:{high}:log; ends above 0 are accepted")
    return Axis(name, (), ends[0], ends[1], scale)


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InputError(where, f"found {shorten(text)}; {_ACCEPTED}") from None
    if not math.isfinite(number):
        raise InputError(where, f"found {shorten(text)}; a finite number is accepted")
    return number


def _tidy(name: str, value: float) -> float | int:
    """Return a number along a range without the noise of its last digits; whole where the parameter is."""
    return round(value) if _is_whole(name) else float(f"{value:.12g}")


def _is_whole(name: str) -> bool:
    return kind_of(name) == "integer"


def _refuse_unknown(name: str, option: str) -> None:
    if name == "seed":
        raise InputError(option, "found 'seed'; --seeds N says how many seeds each design point gets")
    if name not in Parameters.model_fields:
        raise InputError(f"{option} {brief(name)}", f"is not a parameter{nearest(name, Parameters.model_fields)}")
