"""The page of a sensitivity analysis: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ecosystem.report import page, prose
from ecosystem.report.experiments.sensitivity_figures import NAME, span
from ecosystem.report.experiments.sensitivity_story import cautions, finding, ranked, what
from ecosystem.report.prose import Name, decimal
from ecosystem.report.provenance import provenance
from ecosystem.scenario import Parameters, Scenario
from ecosystem.sweep.indices import FEWEST_EFFECTS
from ecosystem.sweep.study import Study

TEMPLATE = "experiments/sensitivity.html.j2"

METHODS = {"sobol": "Sobol’ indices", "morris": "Morris’s elementary effects", "oat": "One parameter at a time"}

_CAPTIONS = {
    "sobol": "Light: first order, what a parameter explains on its own. Dark: total order, what would be left of the "
    "variance if all others were known; the difference is what it does together with others.",
    "morris": "Bars: the mean size of the change as a parameter goes over its whole range, wherever the others stand. "
    "Diamonds: the standard deviation of the change, which is 0 where a parameter does the same everywhere.",
    "oat": "Each parameter in turn, the others as in the scenario. Where it is a word, bars stand for the band.",
}

_HEADS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "sobol": (("First order", "first", "first"), ("Total order", "total", "total")),
    "morris": (("μ*", "mu_star", "mu_star"), ("μ", "mu", ""), ("σ", "sigma", ""), ("Effects", "effects", "")),
    "oat": (("Range of the mean", "range", "range"), ("Slope over the whole range", "slope", "slope")),
}
"""Columns of the table of indices, by method: title, index, and what its interval is named for."""


def render(study: Study, scenario: Scenario, manifest: Mapping[str, Any], picture: bytes | None) -> str:
    """Return the page of a sensitivity analysis as HTML.

    Parameters
    ----------
    study : Study
        What was found.
    scenario : Scenario
        With the parameters that do not vary.
    manifest : mapping
        How the sweep came about: command, versions, hashes.
    picture : bytes, optional
        The figure as PNG, where there is one.
    """
    return page.render(TEMPLATE, _content(study, scenario, manifest, picture))


def _content(study: Study, scenario: Scenario, manifest: Mapping[str, Any], picture: bytes | None) -> dict[str, Any]:
    """Return everything that the template shows."""
    samples, sentence = study.indices.samples, finding(study)
    varied, title = set(samples.names), f"What matters for “{study.definition.title}”"
    return {
        "title": title,
        "debate": Name(" ".join(study.title.split())),
        "study": study,
        "what": what(study),
        "definition": study.definition,
        "method": samples.method,
        "method_title": METHODS[samples.method],
        "count": samples.count,
        "fewest": FEWEST_EFFECTS,
        "points": len(samples.points),
        "finding": sentence,
        "cautions": cautions(study),
        "heads": [head for head, _, _ in _HEADS[samples.method]],
        "lines": _lines(study),
        "additive": _interval(*study.indices.additive),
        "pictures": _pictures(study, title, sentence, picture),
        "varied": [
            (axis.name, span(axis), Parameters.model_fields[axis.name].description or "") for axis in samples.axes
        ],
        "fixed": [
            (key, "none" if value is None else str(value), Parameters.model_fields[key].description or "")
            for key, value in scenario.parameters.model_dump().items()
            if key not in varied
        ],
        "provenance": provenance({"seed": scenario.parameters.seed, **manifest}),
    }


def _lines(study: Study) -> list[tuple[str, list[str]]]:
    """Return the table of indices, the largest first: the parameter, and its indices with their intervals."""
    rows = study.indices.rows
    return [
        (
            effect.parameter,
            [
                _cell(rows[effect.parameter], column, interval, effect.digits)
                for _, column, interval in _HEADS[study.indices.samples.method]
            ],
        )
        for effect in ranked(study)
    ]


def _cell(row: Mapping[str, float], column: str, interval: str, places: int) -> str:
    if column == "effects":
        return f"{int(row[column]):,}" if row[column] == row[column] else prose.MISSING
    if not interval:
        return decimal(row[column], places)
    return _interval(row[column], row[f"{interval}_low"], row[f"{interval}_high"], places)


def _interval(value: float, low: float, high: float, places: int = 2) -> str:
    """Return a number with its interval.

    Examples
    --------
    >>> _interval(0.5, 0.25, 0.75), _interval(0.5, float("nan"), float("nan"))
    ('0.50 (0.25 to 0.75)', '0.50')
    """
    if math.isnan(low):
        return decimal(value, places)
    return f"{decimal(value, places)} ({decimal(low, places)} to {decimal(high, places)})"


def _pictures(study: Study, title: str, sentence: str, png: bytes | None) -> dict[str, page.Picture]:
    method = study.indices.samples.method
    alt = prose.shorten(f"{METHODS[method]} for {what(study)}. {sentence}", 600)
    return page.number_pictures({} if png is None else {NAME: png}, [(NAME, title, _CAPTIONS[method], alt)])
