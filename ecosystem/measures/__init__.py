"""Measures of a debate: pure functions on arrays, and the catalogue of those a run records."""

from __future__ import annotations

from ecosystem.measures.catalogue import CATALOGUE, measure
from ecosystem.measures.definition import NOTATION, Measure
from ecosystem.measures.snapshot import Snapshot

__all__ = ["CATALOGUE", "NOTATION", "Measure", "Snapshot", "measure"]
