"""How far things are: whoever takes long tells it, and the edges decide how to show it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a stage (``encode``, ``simulate``, ``runs``), how much of it is done, and how much there is."""


def silent(_stage: str, _done: int, _total: int) -> None:
    """Tell no one."""
