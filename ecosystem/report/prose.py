"""Words for a report: numbers, counts, lists of names, and sentences that keep names apart from words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

# Embeddings, overrides and isolates: inside a name they could reorder the sentence around it.
_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])

MISSING = "–"


class Name(str):
    """Text from a scenario, which may hold anything; a page sets it apart from the words around it."""

    __slots__ = ()


Sentence = tuple[str, ...]
"""Parts of a sentence: words, and what is a `Name`."""


def name(text: str, limit: int = 80) -> Name:
    """Return a name fit for a sentence: one line of at most ``limit`` characters, in its own order.

    Examples
    --------
    >>> name("The  Honourable Member", 12)
    'The Honoura…'
    """
    return Name(shorten(" ".join(text.translate(_REORDERING).split()), limit))


def shorten(text: str, limit: int) -> str:
    """Return ``text``, cut to ``limit`` characters with an ellipsis if it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def signed(value: float) -> str:
    """Return a number with its sign and two decimals; a dash where it is not known.

    Examples
    --------
    >>> signed(0.251), signed(-0.3), signed(-0.001), signed(float("nan"))
    ('+0.25', '−0.30', '0.00', '–')
    """
    if not math.isfinite(value):
        return MISSING
    shown = f"{value:+.2f}"
    return "0.00" if float(shown) == 0 else shown.replace("-", "−")


def decimal(value: float, digits: int = 2) -> str:
    """Return a number with a sign only below zero; a dash where it is not known."""
    if not math.isfinite(value):
        return MISSING
    shown = f"{value:.{digits}f}"
    return shown.lstrip("-") if float(shown) == 0 else shown.replace("-", "−")


def percent(share: float) -> str:
    """Return a share as whole percent."""
    return f"{100 * share:.0f}%" if math.isfinite(share) else MISSING


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "step"), count(1200, "step"), count(0, "entry", "entries")
    ('1 step', '1,200 steps', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def times(number: int) -> str:
    """Return ``once``, ``twice``, ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def listed(items: Sequence[str | Sentence], limit: int = 6, joint: str = ", ") -> Sentence:
    """Return items as a list in words; beyond ``limit`` they are only counted.

    Examples
    --------
    >>> "".join(listed(["A", "B", "C"]))
    'A, B and C'
    >>> "".join(listed(["A", "B", "C", "D"], limit=2))
    'A, B and 2 others'
    """
    parts = [(item,) if isinstance(item, str) else item for item in items]
    if len(parts) > limit + 1:
        parts = [*parts[:limit], (count(len(parts) - limit, "other"),)]
    if not parts:
        return ("no one",)
    *head, last = parts
    if not head:
        return last
    between = tuple(word for part in head for word in (joint, *part))[1:]
    return (*between, " and " if joint == ", " else f"{joint}and ", *last)


def sentence(*parts: str | Iterable[str]) -> Sentence:
    """Return words and lists of words as one sentence."""
    return tuple(word for part in parts for word in ([part] if isinstance(part, str) else part))


def moved(before: float, after: float) -> str:
    """Return how a number went: ``rose from +0.10 to +0.25``.

    Examples
    --------
    >>> moved(0.1, 0.25), moved(0.1, -0.2), moved(0.1, 0.1)
    ('rose from +0.10 to +0.25', 'fell from +0.10 to −0.20', 'stayed at +0.10')
    """
    if not (math.isfinite(before) and math.isfinite(after)):
        return "is not known"
    if signed(before) == signed(after):
        return f"stayed at {signed(after)}"
    return f"{'rose' if after > before else 'fell'} from {signed(before)} to {signed(after)}"


def label(identifier: str) -> str:
    """Return an identifier as words.

    Examples
    --------
    >>> label("max_coalitions")
    'max coalitions'
    """
    return re.sub(r"[_-]+", " ", identifier)
