"""river's LinUCBDisjoint. Its bonus is one predictive deviation; what widens it is the prior."""

from typing import Any

from river import bandit  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers.programs.protocol import Settings, World, main


class LinUCB:
    """settings: alpha, precision of the prior, and beta, precision of the noise."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.arms = list(range(world.arms))
        names = [str(feature) for feature in range(world.contexts.shape[1])]
        self.contexts = [dict(zip(names, x, strict=True)) for x in world.contexts.tolist()]
        self.policy: Any = bandit.LinUCBDisjoint(seed=world.seed, **settings)

    def choose(self, row: int) -> int:
        return int(self.policy.pull(self.arms, self.contexts[row]))

    def learn(self, row: int, arm: int, quality: float) -> None:
        self.policy.update(arm, self.contexts[row], quality)


if __name__ == "__main__":
    main(LinUCB)
