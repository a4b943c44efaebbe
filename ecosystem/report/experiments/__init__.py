"""Figures and pages of experiments: sweeps, sensitivity, counterfactuals, differences."""
