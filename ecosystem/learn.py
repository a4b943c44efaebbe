"""Training the affinity model: from data folders to a weights file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosystem.errors import InputError

if TYPE_CHECKING:
    from ecosystem.jepa.training import Recipe


def _recipe(changes: Mapping[str, Any]) -> Recipe:
    """Return the default recipe with changes; raise `InputError` for a field or value that it does not take."""
    from dataclasses import asdict

    from ecosystem.jepa.training import Recipe

    known, taken = asdict(Recipe()), dict[str, Any]()
    for name, value in changes.items():
        if name not in known:
            raise InputError(name, f"is no part of a recipe; accepted: {', '.join(known)}")
        kind = type(known[name])
        try:
            taken[name] = kind(value)
        except (TypeError, ValueError):
            taken[name] = -1
        if not 0 <= taken[name] < 1e6:
            raise InputError(name, f"found {value}; a {'whole ' if kind is int else ''}number from 0 is accepted")
    return Recipe(**taken)


def train(
    data: Path | None,
    out: Path,
    recipe: Mapping[str, Any],
    tell: Callable[[str, int, int], None],
    threads: int = 1,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train, check and save an affinity model; return its card.

    While training goes on, its state is kept in ``<out>.partial``: called again with the same arguments after
    an interruption, it goes on from there, to the same bytes.

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
    start : Path or None
        Weights from which the rounds at the end set out at once; None: train from the beginning.
    threads : int
        Threads that compute. Results are the same for the same number on the same kind of machine.

    Raises
    ------
    InputError
        The data cannot be used, or the latents collapsed.
    """
    import numpy as np

    from ecosystem.files import cache_folder
    from ecosystem.jepa.encoder import CachedEncoder, LayerEncoder, SentenceEncoder, on_threads
    from ecosystem.jepa.fitting import CollapseError, Training
    from ecosystem.jepa.stance import read_stance
    from ecosystem.report.training import write_training_report

    settings = _recipe(recipe)
    table = read_stance(data, np.random.default_rng(settings.seed))
    if out.is_dir():
        raise InputError(str(out), "is a folder; a file to write is needed")
    counted: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        # Encoders report what they have just done, the optimizers how far they are.
        counted[stage] = counted.get(stage, 0) + done if stage in ("encode", "check", "compare") else done
        tell(stage, counted[stage], total)

    encoder, folder = LayerEncoder(), cache_folder() / "training"
    checkpoint = out.with_name(f"{out.name}.partial")
    training = Training(
        table,
        settings,
        encoder,
        CachedEncoder(encoder, folder),
        CachedEncoder(SentenceEncoder(encoder), folder),
        checkpoint,
        start,
    )
    try:
        with on_threads(threads):
            model = training.run(report)
    except CollapseError as error:
        checkpoint.unlink(missing_ok=True)  # going on from it leads to the same collapse
        raise InputError("training", str(error)) from None
    if training.history:
        write_training_report(out, training.history)
    model.save(out)
    checkpoint.unlink(missing_ok=True)
    return model.card
