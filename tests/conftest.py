"""Fixtures shared by all tests: the shipped scenarios and the shipped affinity model, loaded once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if "PYTEST_XDIST_WORKER" in os.environ:  # side by side, each on one thread: before anything reads these
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import pytest

from ecosystem.jepa import load_jepa
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel


@pytest.fixture(scope="session")
def jepa() -> AffinityModel:
    return load_jepa()


@pytest.fixture(scope="session")
def debate() -> Scenario:
    return load_scenario("climate-debate")


@pytest.fixture(scope="session")
def duet() -> Scenario:
    return load_scenario("climate-duet")
