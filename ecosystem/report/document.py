"""The report of a run: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE, NOTATION
from ecosystem.record.reader import RunTables
from ecosystem.report import findings, prose, story
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
class Picture:
    """A figure on the page; without ``source`` it is only named, as too large to embed."""

    number: int
    name: str
    title: str
    caption: str
    alt: str
    source: str


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
    page = render(run or RunTables(folder))
    with write_atomic(path) as file:
        file.write(page.encode("utf-8", "replace"))
    return path


def render(run: RunTables) -> str:
    """Return the report of a run as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.tests["name"] = lambda part: isinstance(part, Name)
    environment.filters |= {"signed": signed, "decimal": decimal, "percent": prose.percent, "count": _count}
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text("utf-8"))
    return template.render(_content(run))


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return count(int(number), noun, plural)


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
        "pictures": {picture.name: picture for picture in _pictures(run.path, _figures(), spoken)},
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


def _pictures(folder: Path, figures: Iterable[Any], spoken: dict[str, tuple[str, ...]]) -> list[Picture]:
    """Return the figures that were drawn, numbered, within the budget of the page."""
    pictures: list[Picture] = []
    left = _BUDGET
    for figure in figures:
        path = folder / "figures" / f"{figure.name}.png"
        if not path.is_file():
            continue
        size = (path.stat().st_size + 2) // 3 * 4
        source = ""
        if size <= left:
            source = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
            left -= size
        alt = "".join(spoken.get(figure.name, ("The numbers behind it are in the tables of the run.",)))
        number = len(pictures) + 1
        pictures.append(Picture(number, figure.name, figure.title, figure.caption, f"{figure.title}. {alt}", source))
    return pictures


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
