"""Estimates beside the Open Bandit Pipeline's, on the same arrays."""
