"""paretobandit's router, as somebody with vectors of their own uses it: `route`, then feedback.

No priors, no budget, and no cost penalty, because the runs are compared on quality: with its
penalty of 0.3 it would avoid dear arms, good or bad.
"""

import logging
from typing import Any

from pareto_bandit import BanditRouter  # type: ignore[import-not-found,unused-ignore]
from pareto_bandit.feature_service import (  # type: ignore[import-not-found,unused-ignore]
    FeatureService,
)

from benchmarks.peers.programs.protocol import Settings, World, main


class Router:
    """settings: alpha, the width of its upper confidence bound."""

    def __init__(self, world: World, settings: Settings) -> None:
        prices = {"input_cost_per_m": 1.0, "output_cost_per_m": 1.0}  # required, and without effect
        self.contexts = world.contexts
        self.slots = {f"arm-{arm}": arm for arm in range(world.arms)}
        self.router: Any = BanditRouter.create(
            model_registry={name: dict(prices) for name in self.slots},
            priors="none",
            feature_service=FeatureService.for_precomputed(world.contexts.shape[1]),
            cost_penalty=0.0,
            bandit_seed=world.seed,
            **settings,
        )
        self.request_id = ""

    def choose(self, row: int) -> int:
        name, log = self.router.route(self.contexts[row])
        self.request_id = log.request_id
        return self.slots[name]

    def learn(self, row: int, arm: int, quality: float) -> None:
        self.router.process_feedback(self.request_id, reward=quality)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(Router)
