"""The browser view (Mesa SolaraViz)."""
