"""Streams of queries for controllers, and the best that could have been done with them."""

from benchmarks.budgets.optimum import played, relaxed
from policies.best import best_split
from policies.budget import Prices

__all__ = ["chances", "played", "relaxed"]


def chances(prices: Prices, scores, amounts):
    """Of a learner that plays the best, (n, K), mixed from both prices."""
    first = best_split(scores - amounts @ prices.first)
    if prices.second is None:
        return first
    return prices.weight * first + (1 - prices.weight) * best_split(
        scores - amounts @ prices.second
    )
