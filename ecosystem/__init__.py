"""Ecosystem: personas argue from corpora, a JEPA predicts how far they agree, coalitions follow.

The public names are imported when first used, so that ``import ecosystem`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.debater import Debater
    from agents.persona import Persona
    from ecosystem.comparing import compare
    from ecosystem.errors import InputError
    from ecosystem.evaluation import evaluate
    from ecosystem.execute import run
    from ecosystem.jepa import load_jepa
    from ecosystem.model import EcosystemModel
    from ecosystem.reading import load_scenario
    from ecosystem.report.experiments.notebook import read_sweep
    from ecosystem.report.notebook import Run, read_run
    from ecosystem.scenario import Parameters, Scenario
    from ecosystem.sweeping import run_sweep

__version__ = "0.1.0"

_HOME = {
    "Debater": "agents.debater",
    "EcosystemModel": "ecosystem.model",
    "InputError": "ecosystem.errors",
    "Parameters": "ecosystem.scenario",
    "Persona": "agents.persona",
    "Run": "ecosystem.report.notebook",
    "Scenario": "ecosystem.scenario",
    "compare": "ecosystem.comparing",
    "evaluate": "ecosystem.evaluation",
    "load_jepa": "ecosystem.jepa",
    "load_scenario": "ecosystem.reading",
    "read_run": "ecosystem.report.notebook",
    "read_sweep": "ecosystem.report.experiments.notebook",
    "run": "ecosystem.execute",
    "run_sweep": "ecosystem.sweeping",
}

__all__ = [
    "Debater",
    "EcosystemModel",
    "InputError",
    "Parameters",
    "Persona",
    "Run",
    "Scenario",
    "compare",
    "evaluate",
    "load_jepa",
    "load_scenario",
    "read_run",
    "read_sweep",
    "run",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ecosystem' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
