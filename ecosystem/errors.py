"""The one error that means: what the user gave cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, told in one line: the file, the field, what was found, what is accepted.

    The command line prints the line and exits with status 2.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(" ".join(f"{where}: {what}".split()))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word nearest to ``word``: ``"; did you mean 'steps'?"``, or the list.

    Examples
    --------
    >>> nearest("affinty", ["affinity", "latent"])
    "; did you mean 'affinity'?"
    >>> nearest("x", ["steps", "seed"])
    '; accepted: seed, steps'
    """
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; accepted: {', '.join(known)}" if known else ""


def shorten(text: object, limit: int = 60) -> str:
    """Return ``repr(text)`` cut to ``limit`` characters, for messages about input of any length."""
    shown = repr(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
