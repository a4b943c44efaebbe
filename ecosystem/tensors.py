"""Arrays in files: safetensors with a format name, written atomically, refused in one line when damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.files import write_atomic


def write_tensors(path: Path, format_name: str, tensors: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write arrays by name, and texts as metadata beside them."""
    from safetensors.numpy import save

    content = save(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()}, {"format": format_name, **texts}
    )
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
            texts: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(str(path), f"is not a readable {what} ({error})") from None
    if texts.get("format") != format_name:
        raise InputError(str(path), f"format is {texts.get('format')!r}; {format_name!r} is accepted")
    return tensors, texts
