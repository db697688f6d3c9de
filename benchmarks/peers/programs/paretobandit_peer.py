"""paretobandit's router, as somebody with vectors of their own uses it: `route`, then feedback.

No priors, and no cost penalty, because the runs are compared on quality: with its penalty of 0.3 it
would avoid dear arms, good or bad. With a budget it has list prices, and its pacer as it comes.
Its feedback charges what it expected a call to cost; told what the call did cost, it charges that.
"""

import logging
from typing import Any

from pareto_bandit import BanditRouter  # type: ignore[import-not-found,unused-ignore]
from pareto_bandit.budget_pacer import (  # type: ignore[import-not-found,unused-ignore]
    BudgetPacer,
)
from pareto_bandit.feature_service import (  # type: ignore[import-not-found,unused-ignore]
    FeatureService,
)

from benchmarks.peers.programs.protocol import Settings, World, main


class Router:
    """settings: alpha, the width of its upper confidence bound; budget, USD a query; told, whether
    it hears what calls cost."""

    def __init__(self, world: World, settings: Settings) -> None:
        rest = dict(settings)
        budget, self.told = rest.pop("budget", None), rest.pop("told", False)
        prices = [(1.0, 1.0)] * world.arms  # required, and without effect but for a budget
        if budget is not None:
            prices = world.list_prices.tolist()
            rest["budget_pacer"] = BudgetPacer(budget)
        self.contexts, self.costs = world.contexts, world.costs
        self.slots = {f"arm-{arm}": arm for arm in range(world.arms)}
        self.router: Any = BanditRouter.create(
            model_registry={
                name: {"input_cost_per_m": prices[arm][0], "output_cost_per_m": prices[arm][1]}
                for name, arm in self.slots.items()
            },
            priors="none",
            feature_service=FeatureService.for_precomputed(world.contexts.shape[1]),
            cost_penalty=0.0,
            bandit_seed=world.seed,
            **rest,
        )
        self.log: Any = None

    def choose(self, row: int) -> int:
        name, self.log = self.router.route(self.contexts[row])
        return self.slots[name]

    def learn(self, row: int, arm: int, quality: float) -> None:
        if self.told:
            self.log.cost_usd = self.costs.item(row, arm)
        self.router.process_feedback(self.log.request_id, reward=quality)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(Router)
