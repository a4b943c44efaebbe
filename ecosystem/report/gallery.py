"""The figures of a run: their names, what they show, and writing them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import read_columns
from ecosystem.report.heatmaps import draw_affinity, draw_importance
from ecosystem.report.latents import draw_trajectories, draw_utterances
from ecosystem.report.network import draw_network
from ecosystem.report.page import figure_files, save_figure
from ecosystem.report.series import draw_measures, draw_skill
from ecosystem.report.style import RC, style
from ecosystem.report.support import draw_predictions
from ecosystem.report.timeline import draw_timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureSpec:
    """A figure of a run.

    Attributes
    ----------
    name : str
        Stem of its files.
    title : str
        What it shows.
    caption : str
        How to read it.
    draw : callable
        Returns the figure of a run.
    of_words : bool
        Whether it shows what was said, and so nothing where affinity is given instead of corpora.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[RunTables], Figure]
    of_words: bool = False


FIGURES: tuple[FigureSpec, ...] = (
    FigureSpec(
        "coalition_timeline",
        "Coalition timeline",
        "Each row is an agent, each colour (and number) a coalition, light grey an agent standing alone. "
        "Markers show who formed, joined, left, merged, split off or dissolved at a step; the topics under "
        "debate stand along the top.",
        draw_timeline,
    ),
    FigureSpec(
        "alignment_network",
        "Alignment at the end",
        "Agents stand on a circle by coalition (coloured bands). Solid blue lines join aligned agents, dashed "
        "orange lines opposed ones, wider for stronger; only each agent's strongest of either sign are drawn.",
        draw_network,
    ),
    FigureSpec(
        "affinity_heatmap",
        "Observed affinity at the start, in the middle and at the end",
        "Purple: the listener (column) agreed with what the speaker (row) said, orange: it disagreed, averaged "
        "over the steps named above each panel. All panels order agents by their coalition at the end; part "
        "of the difference between panels comes from the topics then under debate.",
        draw_affinity,
        of_words=True,
    ),
    FigureSpec(
        "trajectories",
        "Trajectories of the agents",
        "Each line follows the mean latent of the statements an agent holds, from the open circle to the full "
        "one, in the plane of the statements' first two principal components. Agents move as they take over "
        "arguments; the plane shows only the share of variance named on its axes.",
        draw_trajectories,
        of_words=True,
    ),
    FigureSpec(
        "utterance_pca",
        "What was said",
        "Each mark is a statement said by a persona, placed by its latent's first two principal components. "
        "Statements close together are close for the model, which is mostly a matter of topic.",
        draw_utterances,
        of_words=True,
    ),
    FigureSpec(
        "predictions",
        "Statements predicted to be supported and opposed",
        "A bar is the mean affinity the model predicts between a statement and the other personas' statements "
        "on its topic: blue to the right for support, orange to the left for opposition.",
        draw_predictions,
        of_words=True,
    ),
    FigureSpec(
        "weight_importance",
        "Weight importance of statement pairs",
        "For the two personas least aligned at the end, how far each pair of statements moves the predicted "
        "logit of agreement (left, integrated gradients), and the legacy reading mean |W z|, which shows how "
        "strongly the predictor is driven, not what it concludes (right).",
        draw_importance,
        of_words=True,
    ),
    FigureSpec(
        "forecast_skill",
        "Forecast against outcome",
        "Correlation and Brier score of the affinity forecast before each step with the affinity observed "
        "after it, for the JEPA, cosine similarity and persistence. Right: all forecasts of the JEPA against "
        "outcomes; a perfect forecast lies on the dashed line.",
        draw_skill,
        of_words=True,
    ),
    FigureSpec(
        "measures",
        "Coalitions and polarization over time",
        "One panel a measure; the axes differ. The glossary says what each measure means.",
        draw_measures,
    ),
)
"""All figures, in the report's order."""


def write_figures(folder: Path, run: RunTables | None = None) -> list[Path]:
    """Draw the figures of a run into ``folder/figures`` as PNG and SVG; return the files.

    Parameters
    ----------
    folder : Path
        A run's folder with its tables.
    run : RunTables, optional
        The same run, where its tables have been read already.
    """
    run = run or RunTables(folder)
    written: list[Path] = []
    spoken = len(read_columns(run, "statements", "statement")["statement"])
    with _thrift(), style():
        for spec in FIGURES:
            if spec.of_words and not spoken:
                continue
            save_figure(spec.draw(run), folder, spec.name, RC["savefig.dpi"])
            written += figure_files(folder, spec.name)
    return written


@contextmanager
def _thrift() -> Iterator[None]:
    """Spare CPU time: no idle BLAS threads that spin, no garbage collection over what was there before."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    gc.freeze()
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        gc.unfreeze()
