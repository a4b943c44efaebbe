"""What the page opens with: set once, before the server starts, and the same for all visitors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecosystem.app.server.local import keep_local
from ecosystem.files import RUNS
from ecosystem.jepa import PRETRAINED
from ecosystem.opening import Reading
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

# The page imports this module whoever serves it, `solara run` among them.
keep_local()

DEFAULT = "climate-debate"
"""The scenario that is opened where none is named."""


@dataclass(frozen=True)
class Served:
    """What a new visitor's page begins with.

    Attributes
    ----------
    scenario : Scenario
        The debate that is opened first, with its parameters.
    out : Path
        Folder for runs: where runs are saved, and where those to replay are found.
    weights : Path
        Weights of the affinity model.
    reading : Reading or None
        What that model makes of the scenario's statements; None where it has not read them yet.
    """

    scenario: Scenario
    out: Path = RUNS
    weights: Path = PRETRAINED
    reading: Reading | None = None


_served: Served | None = None


def serve_this(what: Served) -> None:
    """Set what new visitors' pages begin with."""
    global _served
    _served = what


def served() -> Served:
    """Return what a new visitor's page begins with; climate-debate where nothing was set."""
    if _served is None:
        serve_this(Served(load_scenario(DEFAULT)))
    assert _served is not None
    return _served
