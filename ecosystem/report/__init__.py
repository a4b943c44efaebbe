"""Figures, the report and the notebook view of a run."""
