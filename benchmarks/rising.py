"""TI-UCB on arms that get better the more they are played, beside UCB1.

    python -m benchmarks.rising [--seeds N] [--json FILE]

Four arms, 3,000 queries: three are steady, at .6, .5 and .4, and one rises over its own first 300
plays from .2 to .85. Regret is against playing it from the first query on. The false-alarm rate of
the very same settings is measured on 10,000 rewards of one steady arm.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import paired
from policies.ti_ucb import TIUCB

STARTS, ENDS, PLAYS = np.array([0.6, 0.5, 0.4, 0.2]), np.array([0.6, 0.5, 0.4, 0.85]), 300
HORIZON, STEADY = 3000, 10_000
NOTHING = np.ones((1, 1))
GAUSSIAN, THUMBS = "noise .05", "thumbs"
SETTINGS: dict[str, dict[str, Any]] = {
    "ti_ucb": {},
    "ti_ucb, alarm 3": {"alarm": 3.0},
}
UCB1 = "ucb1"


def regret(seed: int, policy: TIUCB | None, world: str) -> float:
    """Of one run. Without a policy: of UCB1."""
    rng = np.random.default_rng(seed)
    plays, earned, got = np.zeros(4), np.zeros(4), 0.0
    state = None if policy is None else policy.start(4)
    for clock in range(HORIZON):
        if policy is not None and state is not None:
            arm = int(rng.choice(4, p=policy.probabilities(state, NOTHING)[0]))
        elif (plays == 0.0).any():
            arm = int(plays.argmin())
        else:
            arm = int((earned / plays + np.sqrt(2.0 * np.log(clock + 1) / plays)).argmax())
        mean = float((STARTS + (ENDS - STARTS) * np.minimum(1.0, plays / PLAYS))[arm])
        reward = _reward(rng, mean, world)
        plays[arm] += 1
        earned[arm] += reward
        got += mean
        if policy is not None and state is not None:
            policy.update(state, arm, NOTHING[0], reward, clock=float(clock))
    rising = STARTS[3] + (ENDS[3] - STARTS[3]) * np.minimum(1.0, np.arange(HORIZON) / PLAYS)
    return float(rising.sum() - got)


def is_false_alarm(seed: int, policy: TIUCB, world: str) -> bool:
    """Whether 10,000 rewards of one steady arm raise any alarm."""
    rng, state = np.random.default_rng((seed, 1)), policy.start(1)
    for clock in range(STEADY):
        policy.update(state, 0, NOTHING[0], _reward(rng, 0.6, world), clock=float(clock))
    return bool(state.alarms[0])


def _reward(rng: np.random.Generator, mean: float, world: str) -> float:
    if world == GAUSSIAN:
        return mean + 0.05 * float(rng.normal())
    return float(rng.random() < mean)


def measured(seeds: int) -> dict[str, Any]:
    """World -> its table of regrets, and the share of steady runs with an alarm."""
    found: dict[str, Any] = {}
    for world in (GAUSSIAN, THUMBS):
        regrets = {UCB1: np.array([regret(seed, None, world) for seed in range(seeds)])}
        alarms = {}
        for name, settings in SETTINGS.items():
            policy = TIUCB(dim=1, **settings)
            regrets[name] = np.array([regret(seed, policy, world) for seed in range(seeds)])
            alarms[name] = sum(is_false_alarm(seed, policy, world) for seed in range(seeds)) / seeds
            print(f"{world}: {name} {regrets[name].mean():.1f}, alarms {alarms[name]}", flush=True)
        found[world] = {"regret": regrets, "alarmed": alarms}
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = measured(options.seeds)
    for world, numbers in found.items():
        print(f"\n{world}, {options.seeds} seeds\n\n{paired.table(numbers['regret'], UCB1)}\n")
        for name, share in numbers["alarmed"].items():
            print(f"{name}: {share:.1%} of runs of {STEADY:,} steady rewards raise an alarm")
    if options.json:
        plain = {
            world: {
                "regret": {name: values.tolist() for name, values in numbers["regret"].items()},
                "alarmed": numbers["alarmed"],
            }
            for world, numbers in found.items()
        }
        options.json.write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
