"""The report of a training: losses, collapse measures and validation AUC over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecosystem.files import write_atomic

_PANELS = (
    ("Losses", ("contrast", "prediction", "retrieval"), "loss (a batch)"),
    ("Same side or opposite, on validation topics", ("validation_auc",), "AUC"),
    ("Spread of the latents (validation topics)", ("least_deviation", "rankme"), "healthy: above 0.2 and 0.3"),
)
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_MARKS = ("o", "s", "^")


def write_training_report(weights: Path, history: Sequence[Mapping[str, float | str]]) -> None:
    """Write ``<weights>.training.csv`` and ``.png``; nothing where no step was taken."""
    if not history:
        return
    table = pd.DataFrame(history)
    with write_atomic(weights.with_name(f"{weights.name}.training.csv")) as file:
        file.write(table.to_csv(index=False).encode())
    with write_atomic(weights.with_name(f"{weights.name}.training.png")) as file:
        draw_training(table).savefig(file, format="png", dpi=130, metadata={"Software": None})


def draw_training(table: pd.DataFrame) -> Figure:
    """Draw the history of a training: one row a check, with ``stage`` and ``step``."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle("Training of the affinity model")
    steps, ends = _along(table)
    for axes, (title, columns, label) in zip(figure.subplots(1, 3), _PANELS, strict=True):
        for column, colour, mark in zip(columns, _COLOURS, _MARKS, strict=False):
            if column in table:
                name = column.replace("_", " ")
                axes.plot(steps, table[column], color=colour, marker=mark, markersize=4, label=name)
        for number, (stage, end) in enumerate(ends[:-1]):
            label_of = {"head": "encoder tuned from here", "encoder": "rounds"}.get(stage, "_")
            axes.axvline(end, color="0.6", linewidth=1, linestyle=(":", "--")[number > 0], label=label_of)
        axes.set(title=title, xlabel="step", ylabel=label)
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False, fontsize=8)
    return figure


def _along(table: pd.DataFrame) -> tuple[NDArray[np.float64], list[tuple[str, float]]]:
    """Return the steps counted on through all stages, and each stage with the step it ends at."""
    steps, ends, before = table["step"].to_numpy(float).copy(), list[tuple[str, float]](), 0.0
    for stage in table["stage"].unique():
        rows = (table["stage"] == stage).to_numpy()
        steps[rows] += before
        before = float(steps[rows].max())
        ends.append((str(stage), before))
    return steps, ends
