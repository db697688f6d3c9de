"""Streams of queries for controllers, and the best that could have been done with them."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from policies.best import best_split
from policies.budget import Prices, Purse


def relaxed(values, amounts, budgets):
    """Value of the best fractional choice, (n, K) values, (K, R) amounts, (R,) in all. scipy."""
    count, arms = values.shape
    taken = np.tile(amounts.T, (1, count))
    one_each = csr_matrix(
        (np.ones(count * arms), (np.repeat(np.arange(count), arms), np.arange(count * arms)))
    )
    found = linprog(
        -values.ravel(), A_ub=taken, b_ub=budgets, A_eq=one_each, b_eq=np.ones(count),
        method="highs",
    )  # fmt: skip
    assert found.status == 0
    return -found.fun


def chances(prices: Prices, scores, amounts):
    """Of a learner that plays the best, (n, K), mixed from both prices."""
    first = best_split(scores - amounts @ prices.first)
    if prices.second is None:
        return first
    return prices.weight * first + (1 - prices.weight) * best_split(
        scores - amounts @ prices.second
    )


def played(controller, values, amounts, rate, seed=0, with_end=True):
    """Value earned and amounts taken in all: each query gets one arm, drawn from the chances."""
    rng = np.random.default_rng(seed)
    state, spent, earned = controller.start(len(rate)), np.zeros(len(rate)), 0.0
    for step, row in enumerate(values):
        left = float(len(values) - step) if with_end else None
        purse = Purse(np.asarray(rate), spent, step, left)
        prices = controller.prices(state, purse, amounts, row[None])
        is_first = prices.second is None or rng.random() < prices.weight
        arm = int((row - amounts @ (prices.first if is_first else prices.second)).argmax())
        controller.settle(state, purse, amounts[arm])
        spent = spent + amounts[arm]
        earned += row[arm]
    return earned, spent
