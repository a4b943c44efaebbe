"""Fixtures shared by all tests: the shipped scenarios and the shipped affinity model, loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
