"""The page of a sweep: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE
from ecosystem.progress import Progress, silent
from ecosystem.report import page
from ecosystem.report.experiments import sweep_lines, sweep_story
from ecosystem.report.experiments.sweep_effects import by_points
from ecosystem.report.experiments.sweep_figures import FIGURES
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.prose import Name, shorten
from ecosystem.report.provenance import provenance
from ecosystem.scenario import Parameters
from ecosystem.sweep.reader import SweepTables

TEMPLATE = "experiments/sweep.html.j2"

_SEEDS = 20

_OF_MAKING = ("weights_sha256", "corpora_sha256", "git_commit", "python", "platform", "versions")
"""What the manifest says that neither time nor the number of workers changes."""

_CAPTIONS = {
    "responses": "What each outcome means is under Measures. Where replicates share their seeds across the design, "
    "differences between points are steadier than the width of the bands suggests.",
    "phases": "The scale of colours spans no less than a usual band, so that differences within chance look alike.",
    "over-time": "The same scale in every panel of a row. Dashed lines, if any, are interventions.",
}


def write_report(folder: Path, tell: Progress = silent) -> None:
    """Draw a sweep's figures into ``figures/`` and write ``report.html``, from its tables and summaries.

    The same results give the same bytes: nothing here depends on the time or on the number of workers.

    Raises
    ------
    InputError
        The folder is not a sweep, or its summaries are missing.
    """
    tell("report", 0, 2)
    response = Response(SweepTables(folder))
    pictures = write_figures(folder, response)
    tell("report", 1, 2)
    with write_atomic(folder / "report.html") as file:
        file.write(render(response, pictures).encode("utf-8", "replace"))
    tell("report", 2, 2)


def write_figures(folder: Path, response: Response) -> dict[str, bytes]:
    """Draw what there is to draw into ``folder/figures`` as PNG and SVG; return the PNGs by name."""
    drawn: dict[str, bytes] = {}
    for spec in FIGURES:
        figure = spec.draw(response)
        if figure is None:
            page.drop_figure(folder, spec.name)  # of fewer runs, before these
        else:
            drawn[spec.name] = page.save_figure(figure, folder, spec.name)
    return drawn


def render(response: Response, pictures: Mapping[str, bytes]) -> str:
    """Return the page of a sweep as HTML.

    Parameters
    ----------
    response : Response
        What came of it.
    pictures : mapping of str to bytes
        Figures as PNG, by name; those that are missing are left out.
    """
    return page.render(TEMPLATE, _content(response, pictures))


def _content(response: Response, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """Return everything that the template shows."""
    sweep = response.sweep
    done, failed = (int(counts.sum()) for counts in response.counts)
    told = sweep_story.findings(response)
    seeds, maker = sweep_lines.seeds(sweep), sweep_lines.Maker.of(sweep)
    pandas, duckdb = sweep_lines.reading(sweep)
    return {
        "title": sweep_story.title(response),
        "debate": Name(" ".join((sweep.scenario.title or sweep.scenario.name).split())),
        "design": sweep_story.design_in_words(sweep),
        "planned": response.n_points * sweep.replicates,
        "done": done,
        "failed": failed,
        "findings": told,
        "pointwise": by_points(response),
        "replicates": sweep.replicates,
        "sufficiency": sweep_story.replicates_in_words(response) if done else "",
        "split": sweep_story.split_outcomes(response),
        "names": sweep.parameters,
        "headlines": response.headlines,
        "lines": sweep_lines.lines(response),
        "n_points": response.n_points,
        "most": sweep_lines.MOST,
        "failures": [(one, maker.command(one.point, one.seed)) for one in sweep_lines.failures(sweep)],
        "pictures": _pictures(pictures, " ".join(part.text for part in told)),
        "seeds": list(enumerate(seeds[:_SEEDS])),
        "more_seeds": max(len(seeds) - _SEEDS, 0),
        "command": maker.command(sweep.plan["points"][0], seeds[0]),
        "known": maker.known,
        "shipped": maker.shipped,
        "pandas": pandas,
        "duckdb": duckdb,
        "measures": [(of.title, of.measure, of.when, CATALOGUE[of.measure].meaning) for of in response.headlines],
        "varied": [(one.name, ", ".join(_few(one.labels)), _description(one.name)) for one in response.varied],
        "fixed": [
            (key, "none" if value is None else str(value), _description(key))
            for key, value in sweep.scenario.parameters.model_dump().items()
            if key not in sweep.parameters
        ],
        "provenance": _provenance(sweep),
    }


def _pictures(drawn: Mapping[str, bytes], told: str) -> dict[str, page.Picture]:
    return page.number_pictures(
        drawn,
        (
            (spec.name, spec.title, _CAPTIONS[spec.name], shorten(f"{spec.title}. In words: {told}", 500))
            for spec in FIGURES
        ),
    )


def _few(labels: list[str], most: int = 12) -> list[str]:
    return labels if len(labels) <= most else [*labels[:3], "…", labels[-1]]


def _description(name: str) -> str:
    return Parameters.model_fields[name].description or ""


def _provenance(sweep: SweepTables) -> list[tuple[str, str]]:
    try:
        manifest = sweep.manifest
    except InputError:  # read before the sweep wrote it
        manifest = {}
    of_making = {key: manifest[key] for key in _OF_MAKING if key in manifest}
    plan = {"seed": sweep.plan.get("seed"), "config_hash": sweep.plan["hash"]}
    return provenance({"weights_sha256": sweep.plan.get("weights_sha256"), **of_making, **plan})
