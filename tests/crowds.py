"""Debates of many, drawn from one of few."""

from __future__ import annotations

import numpy as np

from ecosystem.scenario import Scenario


def crowd(debate: Scenario, size: int) -> Scenario:
    """Return the debate with personas drawn many times, each with its own name, traits and part of the corpus."""
    rng, kinds = np.random.default_rng(0), list(debate.personas)
    personas = {}
    for number in range(size):
        persona = debate.personas[kinds[rng.integers(len(kinds))]].model_dump()
        kept = rng.random(len(persona["corpus"])) < 0.8
        kept[rng.integers(len(kept))] = True
        persona["corpus"] = [s for s, keep in zip(persona["corpus"], kept, strict=True) if keep]
        persona["traits"]["openness"] = float(rng.uniform(0.2, 0.8))
        personas[f"agent-{number}"] = {**persona, "name": f"{persona['name']} {number}"}
    return Scenario.model_validate({**debate.model_dump(), "personas": personas})
