"""Vowpal Wabbit's `--cb_explore_adf` over its Python binding, a text example a query.

The arm is drawn here from the chances it predicts, which are then part of what it learns from.
"""

import random
from itertools import accumulate
from typing import Any

from vowpalwabbit import Workspace  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers.programs.protocol import Settings, World, main


class Explorer:
    """settings: options of vw, by name; True is an option without a value.

    Contexts go in namespace C and the arm's name in A; `-q CA` gives every arm weights of its own.
    vw adds a constant of its own, so ours is left out. What it minimises is 1 - quality; with
    -quality it learned more slowly once it explored less.
    """

    def __init__(self, world: World, settings: Settings) -> None:
        chosen = " ".join(
            f"--{name}" if value is True else f"--{name} {value}"
            for name, value in settings.items()
        )
        self.vw: Any = Workspace(
            f"--cb_explore_adf {chosen} -q CA --quiet --random_seed {world.seed}"
        )
        self.luck = random.Random(world.seed)
        self.shared = [
            "shared |C " + " ".join(f"{i}:{x:.6g}" for i, x in enumerate(context) if x)
            for context in world.contexts[:, :-1].tolist()
        ]
        self.actions = [f"|A a{arm}" for arm in range(world.arms)]
        self.chances: list[float] = []

    def choose(self, row: int) -> int:
        self.chances = self.vw.predict([self.shared[row], *self.actions])
        cumulated = list(accumulate(self.chances))
        reached = self.luck.random() * cumulated[-1]
        return next(arm for arm, chance in enumerate(cumulated) if reached < chance)

    def learn(self, row: int, arm: int, quality: float) -> None:
        actions = self.actions.copy()
        actions[arm] = f"0:{1.0 - quality:.6g}:{self.chances[arm]:.6g} {actions[arm]}"
        self.vw.learn([self.shared[row], *actions])


if __name__ == "__main__":
    main(Explorer)
