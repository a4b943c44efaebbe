"""Arrays in files: safetensors with a format name, written atomically, refused in one line when damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.files import write_atomic

_TEXTS = "ecosystem"


def write_tensors(path: Path, format_name: str, tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write arrays by name, and texts beside them; the same content gives the same bytes."""
    from safetensors.numpy import save

    # All texts in one entry: safetensors writes its metadata in no particular order.
    metadata = {_TEXTS: json.dumps({"format": format_name, **texts}, sort_keys=True)}
    content = save({name: np.asarray(value, order="C") for name, value in tensors.items()}, metadata)
    with write_atomic(path) as file:
        file.write(content)


def read_tensors(path: Path, format_name: str, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and the texts of a file; ``what`` it is meant to be goes into messages.

    Raises
    ------
    InputError
        The file is missing, damaged, or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            texts = json.loads((file.metadata() or {}).get(_TEXTS, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(str(path), f"is not a readable {what} ({error})") from None
    found = texts.get("format") if isinstance(texts, dict) else None
    if found != format_name:
        raise InputError(str(path), f"format is {found!r}; {format_name!r} is accepted")
    return tensors, texts
