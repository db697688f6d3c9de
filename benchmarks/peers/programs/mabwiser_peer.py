"""MABWiser's linear policies, one `predict` and one `partial_fit` a query."""

import random
from typing import Any

from mabwiser.mab import MAB, LearningPolicy  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers.programs.protocol import Settings, World, main


class Linear:
    """settings: policy ("LinUCB" or "LinTS"), and that policy's alpha.

    MABWiser has to be fitted before it predicts, so the first arm is drawn evenly.
    """

    def __init__(self, world: World, settings: Settings) -> None:
        rest = {name: value for name, value in settings.items() if name != "policy"}
        self.contexts, self.arms = world.contexts, world.arms
        self.luck, self.is_fitted = random.Random(world.seed), False
        policy = getattr(LearningPolicy, settings["policy"])(**rest)
        self.mab: Any = MAB(list(range(world.arms)), policy, seed=world.seed)

    def choose(self, row: int) -> int:
        if not self.is_fitted:
            return self.luck.randrange(self.arms)
        return int(self.mab.predict(self.contexts[row : row + 1]))

    def learn(self, row: int, arm: int, quality: float) -> None:
        teach = self.mab.partial_fit if self.is_fitted else self.mab.fit
        teach([arm], [quality], self.contexts[row : row + 1])
        self.is_fitted = True


if __name__ == "__main__":
    main(Linear)
