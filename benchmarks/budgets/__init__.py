"""Policies under budgets, on real outcomes: see `python -m benchmarks.budgets --help`."""
