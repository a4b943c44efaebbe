"""A model's state as a file: everything needed to go on as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.dynamics.exchange import Memory
from ecosystem.dynamics.state import State
from ecosystem.errors import InputError
from ecosystem.files import write_atomic

FORMAT = "ecosystem-checkpoint-1"

_ARRAYS = ("alignment", "partition", "heard", "heard_affinity", "last_observed")
_MEMORY = ("held", "age", "locked", "said")


def save_checkpoint(path: Path, state: State, rng: np.random.Generator) -> None:
    """Write the state and the random generator's position as safetensors, atomically."""
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {name: getattr(state, name) for name in _ARRAYS}
    tensors |= {f"memory.{name}": getattr(state.memory, name) for name in _MEMORY}
    metadata = {
        "format": FORMAT,
        "scalars": json.dumps({"tick": state.tick, "topic": state.topic, "next_label": state.next_label}),
        "rng": json.dumps(rng.bit_generator.state),
    }
    with write_atomic(path) as file:
        file.write(save({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata))


def load_checkpoint(path: Path) -> tuple[State, dict[str, Any]]:
    """Return the state in a checkpoint and the state of its random generator.

    Raises
    ------
    InputError
        The file is not a checkpoint of this format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if metadata.get("format") != FORMAT:
            raise InputError(str(path), f"format is {metadata.get('format')!r}; {FORMAT!r} is accepted")
        memory = Memory(**{name: tensors[f"memory.{name}"].copy() for name in _MEMORY})
        arrays = {name: tensors[name].copy() for name in _ARRAYS}
        state = State(memory=memory, **json.loads(metadata["scalars"]), **arrays)
        return state, json.loads(metadata["rng"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"is not a readable checkpoint ({error})") from None
