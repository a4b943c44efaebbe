"""Measures over time: forecasts against outcomes, polarization, coalitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.measures import CATALOGUE
from ecosystem.measures.forecasts import brier, correlation
from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import Heard, heard, numbers, read_columns
from ecosystem.report.marks import LIFT, Mark, draw_marks, find_marks, note_height, write_note
from ecosystem.report.prose import count
from ecosystem.report.style import FAINT, WIDTH, fit, new_figure, panel, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORECASTS = {
    "forecast": ("JEPA", "#0072B2", "o"),
    "cosine": ("cosine similarity", "#D55E00", "s"),
    "persistence": ("persistence (last observed)", "#6b6b6b", "^"),
}
"""Column prefix of each forecast: its name, colour and marker."""

MEASURES = (
    "coalitions", "mean_alignment", "largest", "distance_variance", "alone", "esteban_ray", "churn", "frustration",
    "modularity", "balanced_triangles",
)  # fmt: skip
"""Measures in the small multiples, left to right and down: coalitions left, polarization right."""

_PAD = 6.0
_MAX_POINTS = 2500
_MIN_PAIRS = 6


def rolling_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the mean of the known values within a centred window; NaN where there are none.

    Examples
    --------
    >>> rolling_mean(np.array([1.0, np.nan, 3.0, 5.0]), 3)
    array([1., 2., 4., 4.])
    """
    known = ~np.isnan(values)
    half = width // 2
    window = np.ones(2 * half + 1)
    full = [np.convolve(series, window)[half : half + len(values)] for series in (np.where(known, values, 0), known)]
    mean: NDArray[np.float64] = np.where(full[1] > 0.5, full[0] / full[1].clip(1), np.nan)
    return mean


@styled
def draw_skill(run: RunTables) -> Figure:
    """Return the figure of forecasts against outcomes: correlation and Brier score over time, all pairs."""
    names = [f"{kind}_{score}" for kind in FORECASTS for score in ("correlation", "brier")]
    table = read_columns(run, "metrics", "step", *names)
    steps = table["step"].to_numpy()
    outcomes, marks = heard(run), find_marks(run)
    note, lift = note_height(marks), LIFT / 72 if marks else 0.0
    height = 6.4 + 2 * lift + note
    figure = new_figure(
        height,
        "Did the forecasts come true?",
        "Forecasts made before each step's utterances, against the affinity observed after them; "
        "faint: each step, lines: running mean",
    )
    time = WIDTH - 4.75
    above = panel(figure, 0.65, note + lift + 3.2, time, 2.1)
    below = panel(figure, 0.65, note + 0.5, time, 2.1)
    pooled = pooled_scores(outcomes)
    for ax, score, title in (
        (above, "correlation", "Correlation with the outcome (higher is better)"),
        (below, "brier", "Brier score of support (lower is better; .25 is a coin's)"),
    ):
        scores = {kind: numbers(table[f"{kind}_{score}"]) for kind in FORECASTS}
        if score == "correlation" and len(outcomes.step) < _MIN_PAIRS * len(steps):
            nothing = {kind: np.full(len(steps), np.nan) for kind in FORECASTS}
            _draw_scores(ax, steps, nothing, "too few pairs a step for a correlation")
        else:
            _draw_scores(ax, steps, scores)
        draw_marks(ax, marks)
        ax.set_title(title, pad=_PAD + lift * 72)
    above.axhline(0, color=FAINT, lw=0.7, zorder=0)
    below.axhline(0.25, color=FAINT, lw=0.7, ls=(0, (2, 2)), zorder=0)
    below.set_ylim(bottom=0)
    below.set_xlabel("Step")
    handles, _ = above.get_legend_handles_labels()
    figure.legend(
        handles=handles, ncols=3, loc="upper left", bbox_to_anchor=(0.045, 1 - 0.5 / height), columnspacing=1.4,
        handletextpad=0.4,
    )  # fmt: skip
    scatter = panel(figure, WIDTH - 3.45, note + lift + 1.75, 3.25, 3.25)
    _draw_outcomes(scatter, outcomes)
    _write_scores(figure, pooled, note + lift)
    write_note(figure, marks)
    return figure


def pooled_scores(table: Heard) -> dict[str, tuple[float, float]]:
    """Return correlation and Brier score of each forecast over all pairs of all steps.

    All are scored on the pairs that all of them forecast; one that forecasts none is left out of this.
    """
    series = {"forecast": table.forecast, "cosine": table.cosine, "persistence": table.persistence()}
    known = ~np.isnan(sum((s for s in series.values() if not np.isnan(s).all()), table.observed))
    observed = table.observed[known]
    return {kind: (correlation(s[known], observed), brier(s[known], observed)) for kind, s in series.items()}


def _draw_scores(
    ax: Axes, steps: NDArray[np.int64], scores: dict[str, NDArray[np.float64]], empty: str = "not defined in this run"
) -> None:
    width = min(max(len(steps) // 8, 1), 25)
    for kind, (name, colour, marker) in FORECASTS.items():
        values = scores[kind]
        size, alpha = (2.6, 0.3) if len(steps) > 8 else (5.0, 1.0)
        ax.plot(steps, values, ls="", marker=marker, ms=size, alpha=alpha, color=colour, mew=0, label="_points")
        ax.plot(steps, rolling_mean(values, width), color=colour, lw=1.7, label=name)
    if all(np.isnan(values).all() for values in scores.values()):
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center", color="#555555")
        ax.set_ylim(0, 1)
    _span(ax, steps)


def _draw_outcomes(ax: Axes, table: Heard) -> None:
    """Draw observed affinity against the forecast: points, or counts where there are many."""
    from matplotlib.colors import LogNorm

    known = ~np.isnan(table.forecast + table.observed)
    x, y = table.forecast[known], table.observed[known]
    if len(x) <= _MAX_POINTS:
        ax.scatter(x, y, s=9, color="#0072B2", alpha=0.35, linewidth=0)
    else:
        edges = np.linspace(-1, 1, 51)
        counts = np.histogram2d(x, y, [edges, edges])[0].T
        image = np.where(counts > 0, counts, np.nan)
        ax.imshow(
            image, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", norm=LogNorm(0.3, max(counts.max(), 2)),
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
    ax.plot([-1, 1], [-1, 1], color="#444444", lw=0.8, ls=(0, (3, 2)))
    ax.axhline(0, color=FAINT, lw=0.5)
    ax.axvline(0, color=FAINT, lw=0.5)
    ax.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xlabel="Forecast affinity (JEPA)", ylabel="Observed affinity")
    ax.set_title(f"Speakers and listeners at all steps: {count(len(x), 'pair')}")
    ticks = [-1, -0.5, 0, 0.5, 1]
    ax.set_xticks(ticks)
    ax.set_yticks(ticks)


def _write_scores(figure: Figure, pooled: dict[str, tuple[float, float]], bottom: float) -> None:
    """Write the scores over the whole run as a small table, some inches above the foot."""
    across, up = figure.get_size_inches()
    rows = [("Over the whole run", "correlation", "Brier"), *(
        (FORECASTS[kind][0], _score(values[0]), _score(values[1])) for kind, values in pooled.items()
    )]  # fmt: skip
    for k, row in enumerate(rows):
        y = (bottom + 1.05 - 0.19 * k) / up
        colour = "#222222" if k == 0 else list(FORECASTS.values())[k - 1][1]
        for text, x, ha in zip(row, (WIDTH - 3.45, WIDTH - 0.85, WIDTH - 0.2), ("left", "right", "right"), strict=True):
            figure.text(x / across, y, text, ha=ha, size=8, color=colour, weight="bold" if k == 0 else "normal")


def _score(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}".replace("-", "−")


@styled
def draw_measures(run: RunTables) -> Figure:
    """Return the figure of coalition and polarization measures over time, as small multiples."""
    table = read_columns(run, "metrics", "step", *MEASURES)
    steps = table["step"].to_numpy()
    marks = find_marks(run)
    rows = (len(MEASURES) + 1) // 2
    tall, gap, note = 0.9, 0.6 + (LIFT / 72 if marks else 0.0), note_height(marks)
    height = 0.75 + rows * (tall + gap) + 0.1 + note
    figure = new_figure(
        height, "Coalitions and polarization over time", "Left: coalitions. Right: how far apart the agents stand"
    )
    wide = (WIDTH - 1.6) / 2
    for k, name in enumerate(MEASURES):
        row, column = divmod(k, 2)
        bottom = note + 0.5 + (rows - 1 - row) * (tall + gap)
        ax = panel(figure, 0.55 + column * (wide + 0.75), bottom, wide, tall)
        _draw_measure(ax, steps, numbers(table[name]), name, marks)
        if row == rows - 1:
            ax.set_xlabel("Step")
        else:
            ax.tick_params(labelbottom=False)
    write_note(figure, marks)
    return figure


def _draw_measure(
    ax: Axes, steps: NDArray[np.int64], values: NDArray[np.float64], name: str, marks: tuple[Mark, ...]
) -> None:
    from matplotlib.ticker import MaxNLocator

    whole: dict[str, Any] = {"drawstyle": "steps-mid"} if name == "coalitions" else {}
    ax.plot(steps, values, color="#0072B2" if MEASURES.index(name) % 2 == 0 else "#D55E00", lw=1.3, label=name,
            marker="o" if np.sum(~np.isnan(values)) < 3 else "", ms=4, **whole)  # fmt: skip
    inches = ax.bbox.width / ax.figure.dpi
    meaning = fit(CATALOGUE[name].meaning.split(" (")[0], inches, 7)
    pad = _PAD + (LIFT if marks else 0.0)
    ax.set_title(CATALOGUE[name].title, weight="bold", pad=pad + 10)
    ax.annotate(
        meaning, (0, 1), (0, pad), xycoords="axes fraction", textcoords="offset points", va="baseline", size=7,
        color="#666666",
    )  # fmt: skip
    known = values[~np.isnan(values)]
    if not len(known):
        ax.text(0.5, 0.5, "not defined in this run", transform=ax.transAxes, ha="center", va="center", color="#555555")
        ax.set_ylim(0, 1)
    elif known.min() >= 0:
        ax.set_ylim(0, max(float(known.max()) * 1.12, 0.01))
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=name == "coalitions", min_n_ticks=2))
    ax.grid(axis="y", color="#eeeeee", lw=0.7)
    _span(ax, steps)
    draw_marks(ax, marks)


def _span(ax: Axes, steps: NDArray[np.int64]) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
