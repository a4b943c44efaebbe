"""The one error that means: what the user gave cannot be used."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, told in one line: the file, the field, what was found, what is accepted.

    The command line prints the line and exits with status 2.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(one_line(f"{where}: {what}"))


def one_line(text: str, limit: int = 480) -> str:
    r"""Return ``text`` as one line of at most ``limit`` printable characters.

    Examples
    --------
    >>> print(one_line("a\n b\x1b[31m"))
    a b\u001b[31m
    """
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in " ".join(text.split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word nearest to ``word``: ``"; did you mean 'steps'?"``, or the list.

    Examples
    --------
    >>> nearest("affinty", ["affinity", "latent"])
    "; did you mean 'affinity'?"
    >>> nearest("x", ["steps", "seed"])
    '; accepted: seed, steps'
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(word[:100], known, n=1)
    if close:
        return f"; did you mean {shorten(close[0])}?"
    return f"; accepted: {textwrap.shorten(', '.join(known), 200, placeholder=' ...')}" if known else ""


def brief(key: object, limit: int = 60) -> str:
    """Return a key as it stands in the path to a field, cut to ``limit`` characters."""
    return shorten(str(key), limit).strip("'\"")


def shorten(text: object, limit: int = 60) -> str:
    """Return ``repr(text)`` cut to ``limit`` characters, for messages about input of any length."""
    shown = repr(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."
