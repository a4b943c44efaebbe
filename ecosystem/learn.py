"""Training the affinity model: from data folders to a weights file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecosystem.errors import InputError


def train(
    data: Path | None, out: Path, recipe: Mapping[str, Any], tell: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Train, check and save an affinity model; return its card.

    Parameters
    ----------
    data : Path or None
        Folder with the public stance sets; None: the shipped statements only.
    out : Path
        The weights file to write.
    recipe : mapping
        Fields of `ecosystem.jepa.training.Recipe` that differ from the defaults.
    tell : callable
        Told (stage, done, total).

    Raises
    ------
    InputError
        The data cannot be used, or the latents collapsed.
    """
    import numpy as np

    from ecosystem.jepa.encoder import PACKAGED_MODEL
    from ecosystem.jepa.fitting import CollapseError, fit
    from ecosystem.jepa.stance import read_stance
    from ecosystem.jepa.training import Recipe

    settings = Recipe(**recipe)
    table = read_stance(data, np.random.default_rng(settings.seed))
    if out.is_dir():
        raise InputError(str(out), "is a folder; a file to write is needed")
    counted: dict[str, int] = {}

    def report(stage: str, done: int, total: int, parts: Mapping[str, float]) -> None:
        del parts
        # Encoding reports what it has just done, the optimizers how far they are.
        counted[stage] = counted.get(stage, 0) + done if stage in ("encode", "check") else done
        tell(stage, counted[stage], total)

    try:
        fitted = fit(table, settings, report)
    except CollapseError as error:
        raise InputError("training", str(error)) from None
    fitted.model.save(out, PACKAGED_MODEL, fitted.tuned)
    return fitted.model.card
