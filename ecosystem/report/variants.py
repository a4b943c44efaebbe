"""The page that compares variants of a run: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecosystem.measures import CATALOGUE
from ecosystem.report import page
from ecosystem.report.prose import Name, Sentence, count, listed, sentence, shorten
from ecosystem.report.provenance import provenance
from ecosystem.report.story import Cast
from ecosystem.report.variants_arrays import ENTRIES, KERNELS, Contrast, heading
from ecosystem.report.variants_figures import FIGURES, divided_topic
from ecosystem.report.variants_story import lines, summarise
from ecosystem.scenario import Parameters

TEMPLATE = "variants.html.j2"

MEANINGS = {
    "argument": (
        "Agents hold statements. A listener weighs what one speaker said, drawn by homophily, and takes it over with a "
        "probability that rises with how far it agrees; its opinion is the mean position of what it holds.",
        "Mäs & Flache (2013); Banisch & Olbrich (2021)",
    ),
    "degroot": (
        "An opinion moves to a mean: one’s own keeps the weight 1 − openness, the rest goes to those who spoke, by "
        "homophily.",
        "DeGroot (1974)",
    ),
    "fj": (
        "As DeGroot, but each agent is drawn back to the opinion it came with, by its stubbornness.",
        "Friedkin & Johnsen (1990)",
    ),
    "deffuant": (
        "Those who spoke meet two by two. Two whose opinions lie within the confidence ε of each other approach by μ "
        "of their difference; others do not move.",
        "Deffuant et al. (2000)",
    ),
    "hk": (
        "An opinion moves to the mean of all spoken opinions within the confidence ε of it.",
        "Hegselmann & Krause (2002)",
    ),
    "nash": ("Anyone may enter a coalition.", ""),
    "individual": ("Who enters may hurt no member of the coalition entered.", ""),
    "contractual": ("Who moves may hurt no member of the coalition entered, nor any of the one left.", ""),
}
"""What kernels and entry rules do, and who proposed them."""


_MARKED = " Dashed lines mark interventions; each variant’s own report says what they were."


def write_figures(folder: Path, contrast: Contrast) -> dict[str, bytes]:
    """Draw the figures into ``folder/figures`` as PNG and SVG; return the PNGs by name.

    How alike the final coalitions are takes two variants, and opinions take someone who says something.
    """
    missing = {
        *(() if len(contrast.variants) > 1 else ("agreement",)),
        *(() if contrast.opinionated else ("opinions",)),
    }
    return {
        spec.name: page.save_figure(spec.draw(contrast), folder, spec.name)
        for spec in FIGURES
        if spec.name not in missing
    }


def render(contrast: Contrast, manifest: Mapping[str, Any], pictures: Mapping[str, bytes], links: Sequence[str]) -> str:
    """Return the page that compares variants as HTML.

    Parameters
    ----------
    contrast : Contrast
        The variants.
    manifest : mapping
        How the comparison came about: command, versions, hashes.
    pictures : mapping of str to bytes
        Figures as PNG, by name; those that are missing are left out.
    links : sequence of str
        Where the report of each variant is, relative to the page.
    """
    return page.render(TEMPLATE, _content(contrast, manifest, pictures, links))


def _content(
    contrast: Contrast, manifest: Mapping[str, Any], pictures: Mapping[str, bytes], links: Sequence[str]
) -> dict[str, Any]:
    """Return everything that the template shows."""
    run = contrast.run
    cast, parameters = Cast.of(run), run.scenario.parameters
    summary = summarise(contrast, cast)
    return {
        "title": _title(contrast),
        "debate": Name(" ".join((run.scenario.title or run.scenario.name).split())),
        "cast": cast,
        "steps": len(contrast.steps),
        "seed": parameters.seed,
        "contrast": contrast,
        "summary": summary,
        "lines": lines(contrast, links),
        "pictures": _pictures(contrast, pictures, cast, summary),
        "kernels": [(heading(KERNELS.get(key, key)), key, *MEANINGS.get(key, ("", ""))) for key in contrast.kernels],
        "entries": [(heading(ENTRIES.get(key, key)), key, *MEANINGS.get(key, ("", ""))) for key in contrast.entries],
        "measures": [(measure.title, key, measure.meaning) for key, measure in CATALOGUE.items()],
        "shared": _shared(parameters),
        "provenance": provenance(manifest),
    }


def _title(contrast: Contrast) -> Sentence:
    """Return what is compared: ``Five opinion kernels and three entry rules``."""
    counted = [
        count(len(contrast.kernels), "opinion kernel") if len(contrast.kernels) > 1 else "",
        count(len(contrast.entries), "entry rule") if len(contrast.entries) > 1 else "",
    ]
    what = [part for part in counted if part]
    if not what:
        return (f"One debate under {KERNELS.get(contrast.kernels[0], contrast.kernels[0])}",)
    return sentence("One debate under ", *listed(what))


def _pictures(
    contrast: Contrast, drawn: Mapping[str, bytes], cast: Cast, summary: Sequence[Sentence]
) -> dict[str, page.Picture]:
    topic = list(cast.topics.values())[divided_topic(contrast)]
    alts = {
        "opinions": f"The topic most divided at the first step is {topic}. In words: " + "".join(summary[0]),
        "measures": "The values at the end are in the table of variants, all of them in variants.parquet.",
        "together": "Who ends together is told in words in the summary.",
        "agreement": "The most important of its numbers are told in the summary.",
    }
    marked = _MARKED if len(contrast.run.interventions) else ""
    told = (
        (
            spec.name,
            spec.title,
            spec.caption + (marked if spec.of_time else ""),
            shorten(f"{spec.title}. {alts[spec.name]}", 500),
        )
        for spec in FIGURES
    )
    return page.number_pictures(drawn, told)


def _shared(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return name, value and description of the parameters that all variants share."""
    return [
        (key, "none" if value is None else str(value), Parameters.model_fields[key].description or "")
        for key, value in parameters.model_dump().items()
        if key not in ("kernel", "entry")
    ]
