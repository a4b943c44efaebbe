"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generate() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_up_to_date(generate: Any) -> None:
    for path, content in generate.documents().items():
        assert path.read_text() == content, f"{path.name} is out of date: run python docs/generate.py"


def test_every_command_and_option_has_help(generate: Any) -> None:
    import typer

    from ecosystem.cli import app

    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"
        assert f"## ecosystem {name}" in (ROOT / "docs" / "cli.md").read_text()


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_has_its_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "pip install -e . && ecosystem run climate-debate\n" in readme
    assert 'pip install -e ".[test]" && pytest -n auto\n' in readme


def test_changelog_and_citation_know_the_version() -> None:
    import ecosystem

    assert f"## {ecosystem.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {ecosystem.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f'version = "{ecosystem.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_readme_example_of_affinity(jepa: Any) -> None:
    found = jepa.affinity(
        ["A carbon tax is the fairest way to cut emissions."], ["Taxing carbon only hurts families and cuts nothing."]
    )
    assert found[0] == pytest.approx(-0.75, abs=0.02)


def test_wheel_carries_the_scenarios_of_the_repository_and_no_others() -> None:
    import subprocess
    import tomllib

    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "scenarios"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {"/".join(line.split("/")[:2]) for line in listed.stdout.splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]) == tracked


def test_scenarios_have_what_readers_need() -> None:
    for folder in (ROOT / "scenarios").iterdir():
        text = (folder / "README.md").read_text()
        for part in ("Hypothesis", "What to look for", "Source", "Licence"):
            assert part in text, f"{folder.name}: {part}"
        assert (folder / "scenario.yaml").read_text().startswith("# yaml-language-server: $schema=")
