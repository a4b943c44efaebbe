"""Writing a scenario's folder."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from pathlib import Path

from ecosystem.corpora import read_corpus
from ecosystem.errors import InputError, shorten
from ecosystem.files import write_atomic
from ecosystem.plain_yaml import dump_yaml
from ecosystem.reading import SCENARIO_FILE, file_schema, scenario_from_rows
from ecosystem.scenario import Scenario

SCHEMA_FILE = "scenario.schema.json"


def new_scenario(name: str, table: Path, root: Path) -> Path:
    """Make ``root/name`` from a table of who said what; return its ``scenario.yaml``.

    Raises
    ------
    InputError
        The name or the table cannot be used, or the folder exists.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise InputError("NAME", f"found {shorten(name)}; letters, digits, '.', '_' and '-' are accepted, up to 64")
    folder = root / name
    if folder.exists():
        raise InputError(str(folder), "exists already; choose another name")
    scenario = scenario_from_rows(read_corpus(table, str(table)), name, str(table))
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=root) as made:
        written = write_scenario(scenario, Path(made) / name)
        written.parent.rename(folder)
    return folder / SCENARIO_FILE


def write_scenario(scenario: Scenario, folder: Path) -> Path:
    """Write a scenario as ``scenario.yaml``, a CSV per persona and the schema for editors; return the YAML file."""
    for key, persona in scenario.personas.items():
        content = io.StringIO(newline="")
        rows = csv.writer(content, quoting=csv.QUOTE_ALL, lineterminator="\n")
        rows.writerow(["topic", "text"])
        rows.writerows([statement.topic, statement.text] for statement in persona.corpus)
        with write_atomic(folder / "corpora" / f"{key}.csv") as file:
            file.write(content.getvalue().encode())
    with write_atomic(folder / SCHEMA_FILE) as file:
        file.write(json.dumps(file_schema(), indent=2).encode())
    raw = scenario.model_dump(mode="json", exclude_unset=True)
    for key, dumped in raw["personas"].items():
        dumped["corpus"] = f"corpora/{key}.csv"
    with write_atomic(folder / SCENARIO_FILE) as file:
        file.write(f"# yaml-language-server: $schema={SCHEMA_FILE}\n".encode())
        dump_yaml(raw, file)
    return folder / SCENARIO_FILE
