"""Charts of the browser view: what is drawn as plain data, and the panels that show it."""

from __future__ import annotations

from ecosystem.app.charts.chart import Chart
from ecosystem.app.charts.panels import AffinityMap, ForecastPanel, MeasuresPanel, Timeline, Trajectories

__all__ = ["AffinityMap", "Chart", "ForecastPanel", "MeasuresPanel", "Timeline", "Trajectories"]
