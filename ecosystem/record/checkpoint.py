"""A model's state as a file: everything needed to go on as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ecosystem.dynamics.draws import Draws
from ecosystem.dynamics.exchange import Memory
from ecosystem.dynamics.state import State
from ecosystem.errors import InputError
from ecosystem.tensors import read_tensors, write_tensors

FORMAT = "ecosystem-checkpoint-2"

_ARRAYS = (
    "alignment", "partition", "heard", "heard_affinity", "last_observed", "opinions", "initial", "corpus",
    "stubbornness", "present", "agenda", "born",
)  # fmt: skip
_MEMORY = ("held", "age", "locked", "said")


def stem(step: int) -> str:
    """Return the name, without ending, of what a run writes at a checkpoint; names sort as steps do."""
    return f"{step:08d}"


def checkpoint_path(run: Path, step: int) -> Path:
    """Return where a run has the checkpoint of a step."""
    return run / "checkpoints" / f"{stem(step)}.safetensors"


def save_checkpoint(path: Path, state: State, draws: Draws) -> None:
    """Write the state, and what the random draws after it follow from, atomically."""
    tensors: dict[str, NDArray[Any]] = {name: getattr(state, name) for name in _ARRAYS}
    tensors |= {f"memory.{name}": getattr(state.memory, name) for name in _MEMORY}
    tensors |= {f"learned.{name}": value for name, value in state.learned.items()}
    scalars = json.dumps(
        {"tick": state.tick, "topic": state.topic, "next_label": state.next_label, "shocks": state.shocks}
    )
    write_tensors(path, FORMAT, tensors, {"scalars": scalars, "draws": json.dumps(draws.entropy)})


def load_checkpoint(path: Path) -> tuple[State, Draws]:
    """Return the state in a checkpoint and the random draws that go with it.

    Raises
    ------
    InputError
        The file is not a checkpoint of this format.
    """
    tensors, texts = read_tensors(path, FORMAT, "checkpoint")
    try:
        memory = Memory(**{name: tensors[f"memory.{name}"].copy() for name in _MEMORY})
        arrays: dict[str, Any] = {name: tensors[name].copy() for name in _ARRAYS}
        learned = {n.removeprefix("learned."): tensors[n].copy() for n in tensors if n.startswith("learned.")}
        state = State(memory=memory, learned=learned, **json.loads(texts["scalars"]), **arrays)
        return state, Draws(json.loads(texts["draws"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(str(path), f"is not a complete checkpoint ({error})") from None
