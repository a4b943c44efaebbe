"""The page that compares variants of a run: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE
from ecosystem.report import prose
from ecosystem.report.prose import Name, Sentence, count, decimal, listed, sentence, signed
from ecosystem.report.provenance import provenance
from ecosystem.report.story import Cast
from ecosystem.report.style import WIDTH, style
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

_DPI = 150
_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"metadata": {"Software": None}, "dpi": _DPI},
    "svg": {"metadata": {"Date": None}},
}


_MARKED = " Dashed lines mark interventions; each variant’s own report says what they were."


@dataclass(frozen=True)
class Picture:
    """A figure on the page, as a data URI, and how wide it is, as a share of the widest."""

    number: int
    title: str
    caption: str
    alt: str
    source: str
    share: float


def write_figures(folder: Path, contrast: Contrast) -> dict[str, bytes]:
    """Draw the figures into ``folder/figures`` as PNG and SVG; return the PNGs by name.

    How alike the final coalitions are takes two variants, and opinions take someone who says something.
    """
    drawn: dict[str, bytes] = {}
    missing = {
        *(() if len(contrast.variants) > 1 else ("agreement",)),
        *(() if contrast.opinionated else ("opinions",)),
    }
    with style():
        for spec in FIGURES:
            if spec.name in missing:
                continue
            figure = spec.draw(contrast)
            for suffix, options in _OPTIONS.items():
                path = folder / "figures" / f"{spec.name}.{suffix}"
                with write_atomic(path) as file:
                    figure.savefig(file, format=suffix, **options)
                if suffix == "png":
                    drawn[spec.name] = path.read_bytes()
    return drawn


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
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.tests["name"] = lambda part: isinstance(part, Name)
    environment.filters |= {
        "signed": signed,
        "decimal": decimal,
        "percent": prose.percent,
        "count": lambda number, noun: count(int(number), noun),
    }
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text("utf-8"))
    return template.render(_content(contrast, manifest, pictures, links))


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
) -> dict[str, Picture]:
    topic = list(cast.topics.values())[divided_topic(contrast)]
    alts = {
        "opinions": f"The topic most divided at the first step is {topic}. In words: " + "".join(summary[0]),
        "measures": "The values at the end are in the table of variants, all of them in variants.parquet.",
        "together": "Who ends together is told in words in the summary.",
        "agreement": "The most important of its numbers are told in the summary.",
    }
    found: dict[str, Picture] = {}
    marked = _MARKED if len(contrast.run.interventions) else ""
    for spec in FIGURES:
        if spec.name in drawn:
            source = f"data:image/png;base64,{base64.b64encode(drawn[spec.name]).decode()}"
            alt = prose.shorten(f"{spec.title}. {alts[spec.name]}", 500)
            caption = spec.caption + (marked if spec.of_time else "")
            found[spec.name] = Picture(len(found) + 1, spec.title, caption, alt, source, _share(drawn[spec.name]))
    return found


def _share(png: bytes) -> float:
    """Return how wide a figure is, as a share of the widest: the width stands in a PNG's first chunk."""
    return min(int.from_bytes(png[16:20]) / (WIDTH * _DPI), 1.0)


def _shared(parameters: Parameters) -> list[tuple[str, str, str]]:
    """Return name, value and description of the parameters that all variants share."""
    return [
        (key, "none" if value is None else str(value), Parameters.model_fields[key].description or "")
        for key, value in parameters.model_dump().items()
        if key not in ("kernel", "entry")
    ]
