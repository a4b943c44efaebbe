"""Write the parts of the documentation that come from the code: parameters, measures, commands, the schema.

python docs/generate.py         rewrites them; a test fails when they are out of date.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent


def parameters() -> str:
    """Return the table of parameters, from the schema."""
    from ecosystem.scenario import Parameters

    properties = Parameters.model_json_schema()["properties"]
    rows = ["| parameter | default | accepted | meaning |", "|---|---|---|---|"]
    for name, entry in properties.items():
        default = "none" if entry["default"] is None else f"`{entry['default']}`"
        rows.append(f"| `{name}` | {default} | {_accepted(entry)} | {entry['description']} |")
    return "\n".join(rows)


def measures() -> str:
    """Return the table of measures, from the catalogue."""
    from ecosystem.measures import CATALOGUE

    rows = ["| column | measure | meaning |", "|---|---|---|"]
    for name, entry in CATALOGUE.items():
        rows.append(f"| [`{name}`](measures.md#{name}) | {entry.title} | {entry.meaning} |")
    return "\n".join(rows)


def measures_page() -> str:
    """Return the page of measures, with formulas and sources, from the catalogue."""
    from ecosystem.measures import CATALOGUE, NOTATION

    parts = [
        "# Measures",
        "Every step of a run is a row of `metrics.parquet`, and every measure a column of it, empty where it is not "
        "defined. A step is measured over the agents present. From Python, each is a function of arrays in "
        "`ecosystem.measures`.",
        "Symbols:",
        "\n".join(f"- `{symbol}`: {meaning}" for symbol, meaning in NOTATION.items()),
    ]
    for name, entry in CATALOGUE.items():
        facts = (f"Formula: `{entry.formula}`", f"Range: {entry.range_in_words}", f"Source: {entry.source}")
        parts += [f"## {name}", f"**{entry.title}**: {entry.meaning}.", "\n".join(f"- {fact}" for fact in facts)]
    return "\n\n".join(parts) + "\n"


def metrics() -> str:
    """Return the table of the shipped weights' metrics, from the card inside the file."""
    from ecosystem.jepa import PRETRAINED
    from ecosystem.jepa.affinity import FORMAT
    from ecosystem.tensors import read_tensors

    card = json.loads(read_tensors(PRETRAINED, FORMAT, "weights file")[1]["card"])
    rows = ["| held-out topics of | topics | statements | pairs AUC | cosine | motion AUC | cosine | ECE |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for source, m in card["metrics"].items():
        cells = [source, m["topics"], m["statements"]]
        for kind in ("pairs", "motion"):
            low, high = m[f"{kind}_low"], m[f"{kind}_high"]
            cells += [f"{m[f'{kind}_auc']:.3f} ({low:.2f} to {high:.2f})", f"{m[f'{kind}_auc_cosine']:.3f}"]
        rows.append("| " + " | ".join(map(str, [*cells, f"{m['ece']:.3f}"])) + " |")
    collapse = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in card["collapse"].items())
    return "\n".join(rows) + f"\n\nLatents of held-out statements: {collapse}."


def commands() -> str:
    """Return the command line reference, from the commands themselves."""
    import typer

    from ecosystem.cli import app

    status = (
        "Exit status 0; 2 with one line that says what is wrong; 1 where runs of a sweep have failed; 130 after Ctrl-C."
    )
    parts = ["# Command line", status]
    found: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in sorted(found.items()):
        rows = ["| | default | |", "|---|---|---|"]
        for parameter in command.params:
            is_option = parameter.param_type_name == "option"
            label = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name.upper())
            value = f" {parameter.metavar}" if is_option and parameter.metavar else ""
            default = "" if parameter.default in (None, False, ()) or not is_option else f"`{parameter.default}`"
            rows.append(f"| `{label}{value}` | {default} | {parameter.help} |")
        parts.append(f"## ecosystem {name}\n\n{command.help}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def schema() -> str:
    """Return the JSON Schema of scenario.yaml."""
    from ecosystem.reading import file_schema

    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def documents() -> dict[Path, str]:
    """Return what each generated document should hold."""
    card = DOCS.parent / "ecosystem" / "jepa" / "pretrained" / "MODEL_CARD.md"
    return {
        card: _insert(card, "metrics", metrics()),
        DOCS / "affinity.md": _insert(DOCS / "affinity.md", "metrics", metrics()),
        DOCS / "scenarios.md": _insert(DOCS / "scenarios.md", "parameters", parameters()),
        DOCS / "runs.md": _insert(DOCS / "runs.md", "measures", measures()),
        DOCS / "measures.md": measures_page(),
        DOCS / "cli.md": commands(),
        DOCS / "scenario.schema.json": schema(),
    }


def _insert(path: Path, name: str, table: str) -> str:
    """Return a document with the table between ``<!-- name -->`` and ``<!-- end -->`` (or the document's end)."""
    start, end = f"<!-- {name} -->", "<!-- end -->"
    pattern = re.compile(rf"{start}.*?(?:{end}|\Z)", re.DOTALL)
    return pattern.sub(lambda _: f"{start}\n\n{table}\n\n{end}", path.read_text()).rstrip("\n") + "\n"


def _accepted(entry: dict[str, Any]) -> str:
    for option in entry.get("anyOf", [entry]):
        if "enum" in option:
            return ", ".join(f"`{value}`" for value in option["enum"])
        if option.get("type") in ("integer", "number"):
            low = option.get("minimum", option.get("exclusiveMinimum"))
            kind = "whole" if option["type"] == "integer" else "real"
            above = "above " if "exclusiveMinimum" in option else ""
            none = " or none" if "anyOf" in entry else ""
            return f"{kind}, {above}{low:g} to {option['maximum']:g}{none}"
    return ""


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content)
