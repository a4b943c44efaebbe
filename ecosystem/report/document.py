"""The report of a run: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE, NOTATION
from ecosystem.record.reader import RunTables
from ecosystem.report import findings, page, prose, story
from ecosystem.report.chronicle import chronicle
from ecosystem.report.deeds import Teller, capital, rows_of
from ecosystem.report.marks import letter_of
from ecosystem.report.prose import Name, Sentence, count, decimal, listed, shorten, signed
from ecosystem.report.provenance import provenance
from ecosystem.report.steadiness import steadiness
from ecosystem.report.story import Cast
from ecosystem.scenario import Parameters

TEMPLATE = "report.html.j2"

_BUDGET = 8_000_000
"""Characters that the pictures may take of the report's 10 MB."""

_MOST_INTERVENTIONS = 100

_KINDS = {
    "form": "formation",
    "merge": "merger",
    "split": "split",
    "dissolve": "dissolution",
    "join": "join",
    "leave": "leave",
}
_KERNELS = {"degroot": "DeGroot", "fj": "Friedkin–Johnsen", "deffuant": "Deffuant", "hk": "Hegselmann–Krause"}


@dataclass(frozen=True)
class MeasureLine:
    """A measure of the catalogue with its value at the last step."""

    title: str
    meaning: str
    formula: str
    source: str
    end: str


def write_report(folder: Path, run: RunTables | None = None) -> Path:
    """Write ``report.html`` into a run's folder, atomically, and return its path.

    The page embeds the figures it finds in ``figures/`` and leaves out those it does not.

    Parameters
    ----------
    folder : Path
        A run's folder with its tables.
    run : RunTables, optional
        The same run, where its tables have been read already.

    Raises
    ------
    InputError
        The folder is not a run, or a table cannot be read.
    """
    path = folder / "report.html"
    with write_atomic(path) as file:
        file.write(render(run or RunTables(folder)).encode("utf-8", "replace"))
    return path


def render(run: RunTables) -> str:
    """Return the report of a run as HTML."""
    return page.render(TEMPLATE, _content(run))


def _content(run: RunTables) -> dict[str, Any]:
    """Return everything that the template shows."""
    scenario, cast = run.scenario, Cast.of(run)
    told = chronicle(run, cast)
    standing = story.final_coalitions(run, cast)
    skill = findings.forecast_skill(run, len(cast.agents))
    ground = findings.common_ground(run, cast)
    summary = story.summarise(run, cast)
    spoken = {"coalition_timeline": summary[1], "forecast_skill": skill.reading, "alignment_network": summary[-1]}
    return {
        "title": Name(" ".join((scenario.title or scenario.name).split())),
        "scenario": scenario,
        "cast": cast,
        "steps": len(run.metrics),
        "summary": summary,
        "accuracy": findings.accuracy_in_short(run.manifest),
        "standing": standing,
        "steadiness": steadiness(run, cast),
        "given": scenario.affinity is not None,
        "kernel": _KERNELS.get(scenario.parameters.kernel),
        "threshold": _threshold(scenario.parameters),
        "alone": [cast.agents[key] for key in story.final_blocks(run)[1]],
        "interventions": _interventions(run, cast),
        "uncounted": max(len(run.interventions) - _MOST_INTERVENTIONS, 0),
        "unreached": sum(event.step > len(run.metrics) for event in scenario.interventions),
        "by_step": [(step, list(accounts)) for step, accounts in groupby(told.accounts, lambda a: (a.step, a.topic))],
        "told": told,
        "untold": _kinds(told.untold),
        "ground": ground,
        "skill": skill,
        "methods": findings.METHODS,
        "truth": findings.truth_check(run, cast),
        "held_out": findings.held_out_accuracy(run.manifest),
        "pictures": _pictures(run.path, _figures(), spoken),
        "measures": _measures(run),
        "notation": NOTATION,
        "parameters": _parameters(run),
        "provenance": provenance(run.manifest),
        "described": [
            (cast.agents[key], shorten(" ".join(persona.description.split()), 300), len(persona.corpus), persona.bloc)
            for key, persona in scenario.personas.items()
        ],
    }


def _threshold(p: Parameters) -> str:
    """Return in words what alignment must exceed."""
    if p.threshold_rule == "quantile":
        return f"the {prose.percent(p.threshold)} quantile of alignment"
    if p.threshold_rule == "mean":
        return f"the mean alignment {'plus' if p.threshold >= 0 else 'less'} {decimal(abs(p.threshold))}"
    return f"a threshold of {signed(p.threshold)}"


def _interventions(run: RunTables, cast: Cast) -> list[tuple[str, int, Sentence]]:
    """Return letter, step and account of the first interventions that took place, in their order."""
    teller = Teller(run, cast)
    return [
        (letter_of(k), int(row["step"]), _full_stop(capital(teller.intervention(row))))
        for k, row in enumerate(rows_of(run.interventions.iloc[:_MOST_INTERVENTIONS]))
    ]


def _full_stop(words: Sentence) -> Sentence:
    """Return words as a sentence; one that ends in a quoted sentence has its stop already."""
    return words if "".join(words).endswith((".”", "!”", "?”")) else (*words, ".")


def _figures() -> Iterable[Any]:
    from ecosystem.report.gallery import FIGURES

    return FIGURES


def _pictures(folder: Path, figures: Iterable[Any], spoken: dict[str, tuple[str, ...]]) -> dict[str, page.Picture]:
    """Return the figures that were drawn, numbered, within the budget of the page."""
    drawn, told = {}, []
    for figure in figures:
        path, _ = page.figure_files(folder, figure.name)
        if path.is_file():
            drawn[figure.name] = path.read_bytes()
        alt = "".join(spoken.get(figure.name, ("The numbers behind it are in the tables of the run.",)))
        told.append((figure.name, figure.title, figure.caption, f"{figure.title}. {alt}"))
    return page.number_pictures(drawn, told, _BUDGET)


def _kinds(counts: dict[str, int]) -> Sentence:
    """Return counts of events in words; nothing for none."""
    words = [count(counts[kind], noun) for kind, noun in _KINDS.items() if counts.get(kind)]
    return listed(words) if words else ()


def _measures(run: RunTables) -> list[MeasureLine]:
    last = run.metrics.iloc[-1]
    return [
        MeasureLine(
            measure.title,
            measure.meaning,
            measure.formula,
            measure.source,
            decimal(float(last[column]), 0 if column in ("coalitions", "defectors") else 3),
        )
        for column, measure in CATALOGUE.items()
    ]


def _parameters(run: RunTables) -> list[tuple[str, str, str, str]]:
    """Return name, value, default and description of every parameter."""
    values = run.scenario.parameters.model_dump()
    return [
        (key, _shown(values[key]), _shown(field.default), field.description or "")
        for key, field in Parameters.model_fields.items()
    ]


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
