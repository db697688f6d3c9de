"""Budgets of a live policy, on this replica: what is booked, and what may still be spent."""
