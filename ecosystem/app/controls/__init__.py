"""What a visitor can choose and change: scenario, preset, parameters, interventions."""

from ecosystem.app.controls.interventions import Interventions
from ecosystem.app.controls.parameters import ParameterForm
from ecosystem.app.controls.scenarios import Presets, ScenarioChooser

__all__ = ["Interventions", "ParameterForm", "Presets", "ScenarioChooser"]
