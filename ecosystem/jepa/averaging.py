"""The mean of several trainings' weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.jepa.affinity import FORMAT
from ecosystem.jepa.training import Recipe
from ecosystem.tensors import read_tensors

_SHARED = ("seed", "head_steps", "head_rate", "tuned_layers", "latent_dim", "hidden", "topics_per_batch")
"""What trainings must have in common to begin with one head."""


def read_averaged(files: Sequence[Path], recipe: Recipe) -> tuple[dict[str, NDArray[np.float32]], list[dict[str, Any]]]:
    """Return the mean of the first network and the tuned layers of weights files, and the files' recipes.

    Raises
    ------
    InputError
        A file is no weights file, or of a training that did not begin with the head of ``recipe``.
    """
    own, total, recipes = recipe.describe(), dict[str, NDArray[np.float32]](), []
    for path in files:
        tensors, texts = read_tensors(path, FORMAT, "weights file")
        theirs = json.loads(texts["card"])["recipe"]
        for name in _SHARED:
            if theirs.get(name) != own[name]:
                found = f"was trained with {name} {theirs.get(name)}"
                raise InputError(str(path), f"{found}; to be averaged here, {own[name]} is accepted")
        recipes.append(theirs)
        for name, value in tensors.items():
            if name.startswith(("network.0.", "encoder.")):
                total.setdefault(name, np.zeros(value.shape, np.float32))
                total[name] += value.astype(np.float32) / np.float32(len(files))
    return total, recipes
