"""What all runs of a sweep share, and how it reaches workers: a scenario, and what the affinity model makes of it.

A worker that reads it from disk maps the arrays into memory instead of holding them, and needs no torch.
"""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecosystem.files import write_atomic
from ecosystem.jepa.statements import Statements
from ecosystem.opening import Reading
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

SHARED = ".shared"

_ARRAYS = tuple(field.name for field in fields(Statements) if field.name != "texts")


@dataclass(frozen=True)
class Sources:
    """What all runs of a sweep share.

    Attributes
    ----------
    scenario : Scenario
        Before the design points change its parameters.
    reading : Reading
        What the affinity model makes of its statements.
    weights : str
        File of the affinity model's weights, for runs in which it learns.
    """

    scenario: Scenario
    reading: Reading
    weights: str

    def jepa(self) -> AffinityModel:
        """Return the affinity model itself: loading it takes torch and a second."""
        return _load(self.weights)


def write_sources(sources: Sources, folder: Path) -> None:
    """Write what runs share into a folder's ``.shared``, the scenario last."""
    shared = folder / SHARED
    arrays = {name: getattr(sources.reading.statements, name) for name in _ARRAYS}
    for name, array in (arrays | {"positions": sources.reading.positions}).items():
        content = io.BytesIO()  # numpy, writing to a file itself, does not say that a disk is full
        np.save(content, array, allow_pickle=False)
        with write_atomic(shared / f"{name}.npy") as file:
            file.write(content.getbuffer())
    described = {
        "scenario": sources.scenario.model_dump(mode="json"),
        "texts": sources.reading.statements.texts,
        "weights": sources.weights,
    }
    with write_atomic(shared / "sources.json") as file:
        file.write(json.dumps(described, ensure_ascii=False).encode())


@lru_cache(maxsize=2)
def read_sources(folder: str) -> Sources:
    """Return what `write_sources` wrote, its arrays mapped into memory; once a process."""
    shared = Path(folder) / SHARED
    content = json.loads((shared / "sources.json").read_bytes())
    arrays = {name: np.asarray(np.load(shared / f"{name}.npy", mmap_mode="r")) for name in (*_ARRAYS, "positions")}
    positions = arrays.pop("positions")
    statements = Statements(texts=tuple(content["texts"]), **arrays)
    return Sources(Scenario.model_validate(content["scenario"]), Reading(statements, positions), content["weights"])


def drop_sources(folder: Path) -> None:
    """Remove what `write_sources` wrote: it can be made again from the scenario."""
    shutil.rmtree(folder / SHARED, ignore_errors=True)


@lru_cache(maxsize=1)
def _load(weights: str) -> AffinityModel:
    from ecosystem.jepa import load_jepa

    return load_jepa(weights)
