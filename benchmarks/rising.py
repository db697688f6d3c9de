"""TI-UCB on arms that get better the more they are played, beside UCB1.

    python -m benchmarks.rising [--seeds N] [--alarm-runs N] [--write FILE]

Four arms, 3,000 queries: three are steady, at .6, .5 and .4, and one rises over its own first 300
plays from .2 to .85. Regret is against playing it from the first query on. The false-alarm rate of
the very same settings is measured on 10,000 rewards of one steady arm.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import paired, sections
from policies.ti_ucb import TIUCB

STARTS, ENDS, PLAYS = np.array([0.6, 0.5, 0.4, 0.2]), np.array([0.6, 0.5, 0.4, 0.85]), 300
HORIZON, STEADY = 3000, 10_000
NOTHING = np.ones((1, 1))
GAUSSIAN, THUMBS = "noise .05", "thumbs"
SETTINGS: dict[str, dict[str, Any]] = {
    "ti_ucb": {},
    "ti_ucb, alarm 5": {"alarm": 5.0},
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


def measured(seeds: int, alarm_runs: int) -> str:
    """Markdown: regrets, and the share of steady runs with an alarm, of both worlds."""
    parts = []
    for world in (GAUSSIAN, THUMBS):
        regrets = {UCB1: np.array([regret(seed, None, world) for seed in range(seeds)])}
        alarms = []
        for name, settings in SETTINGS.items():
            policy = TIUCB(dim=1, **settings)
            regrets[name] = np.array([regret(seed, policy, world) for seed in range(seeds)])
            count = sum(is_false_alarm(seed, policy, world) for seed in range(alarm_runs))
            alarms.append(
                f"- {name}: {count} of {alarm_runs} runs of {STEADY:,} steady rewards raise an "
                "alarm"
            )
            print(f"{world}: {name}: {regrets[name].mean():.1f}, {count} alarms", flush=True)
        table = paired.table(regrets, UCB1)
        parts.append(f"### Rising: {world} ({seeds} seeds)\n\n{table}\n\n" + "\n".join(alarms))
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--alarm-runs", type=int, default=100)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    text = measured(options.seeds, options.alarm_runs)
    print(text)
    if options.write:
        sections.written(options.write, "rising", text)


if __name__ == "__main__":
    main()
