"""TI-UCB on arms that get better the more they are played, beside UCB1.

    python -m benchmarks.rising [--seeds N] [--alarm-runs N] [--resume FILE] [--write FILE]

Four arms, 3,000 queries: three are steady, at .6, .5 and .4, and one rises over its own first 300
plays from .2 to .85. Regret is against playing it from the first query on. The false-alarm rate of
the very same settings is the share of runs of 10,000 rewards of one steady arm that raise an alarm;
both windows are slid over each run at once, which the tests hold against the policy.

Among queries that differ, 1,500 of them, the steady arms are each good at other ones, and regret is
against the best arm of each query with the rising one risen, to .75.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bandit_service import presets
from benchmarks import paired, sections
from benchmarks.learning.kept import Kept
from policies import build
from policies.policy import Array, Policy
from policies.ti_ucb import TIUCB

STARTS, ENDS, PLAYS = np.array([0.6, 0.5, 0.4, 0.2]), np.array([0.6, 0.5, 0.4, 0.85]), 300
HORIZON, STEADY = 3000, 10_000
NOTHING = np.ones((1, 1))
GAUSSIAN, THUMBS = "noise .05", "thumbs"
UCB1 = "ucb1"
FEATURES, QUERIES, LINUCB = 4, 1500, "linucb"
TASTES = 0.25 * np.array([[1, 1, 0], [-1, 0, 1], [0, -1, -1], [0, 0, 0]])  # arms by features
LEVELS, RISEN, RISING_PLAYS = np.array([0.5, 0.5, 0.5, 0.2]), 0.75, 200


def entries() -> dict[str, TIUCB]:
    """Both presets, with the settings that they have, and the first with lower thresholds."""
    made: dict[str, dict[str, Any]] = {
        name: dict(presets.found(name).policy["algorithm"].get("settings", {}))
        for name in ("ti_ucb", "ti_ucb_thumbs")
    }
    made |= {f"ti_ucb, alarm {alarm:g}": {**made["ti_ucb"], "alarm": alarm} for alarm in (4.5, 3.0)}
    return {name: TIUCB(dim=1, **settings) for name, settings in made.items()}


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


def losses(policy: Policy[Any], seed: int) -> Array:
    """Of each of the queries that differ, (QUERIES,)."""
    rng = np.random.default_rng(seed)
    contexts = rng.uniform(-1.0, 1.0, size=(QUERIES, FEATURES))
    contexts[:, -1] = 1.0
    state, plays, lost = policy.start(len(LEVELS)), 0, []
    for clock, x in enumerate(contexts):
        means = LEVELS + TASTES @ x[:-1]
        best = max(float(means[:3].max()), RISEN)
        means[3] += (RISEN - LEVELS[3]) * min(1.0, plays / RISING_PLAYS)
        chances = policy.probabilities(state, x[None], clock=float(clock))[0]
        arm = int(rng.choice(len(LEVELS), p=chances))
        plays += arm == 3
        lost.append(best - means[arm])
        reward = float(np.clip(means[arm] + 0.05 * rng.normal(), 0.0, 1.0))
        policy.update(state, arm, x, reward, clock=float(clock))
    return np.array(lost)


def is_false_alarm(rewards: Array, policy: TIUCB) -> bool:
    """Whether these rewards of one steady arm would raise any alarm."""
    whole = len(rewards) // policy.block * policy.block
    points = rewards[:whole].reshape(-1, policy.block).mean(axis=1)
    width = policy.window
    windows = np.lib.stride_tricks.sliding_window_view(points, width)
    design = np.stack((np.ones(width), np.arange(width) - 0.5 * (width - 1)), axis=1)
    lines = windows @ np.linalg.pinv(design).T
    squares = (windows**2).sum(axis=1) - ((windows @ design) * lines).sum(axis=1)
    older, newer = lines[:-width], lines[width:]
    # Both carried on to the newest point, from the middles of their windows, as the policy does.
    apart = older @ [1.0, 1.5 * width + 0.25] - newer @ [1.0, 0.5 * width - 0.25]
    noise = np.sqrt((squares[:-width] + squares[width:]) / (2 * width - 4))
    return bool((np.abs(apart) > policy.alarm * noise * np.sqrt(32.0 / width)).any())


def steady(seed: int, world: str, count: int = STEADY) -> Array:
    """Rewards of an arm of .6, (count,)."""
    rng = np.random.default_rng((seed, 1))
    if world == GAUSSIAN:
        return 0.6 + 0.05 * rng.normal(size=count)
    return (rng.random(count) < 0.6).astype(np.float64)


def _reward(rng: np.random.Generator, mean: float, world: str) -> float:
    if world == GAUSSIAN:
        return mean + 0.05 * float(rng.normal())
    return float(rng.random() < mean)


def measured(seeds: int, alarm_runs: int, kept: Kept) -> str:
    """Markdown: regrets, and the share of steady runs with an alarm, of both worlds."""
    parts = []
    for world in (GAUSSIAN, THUMBS):
        regrets = {UCB1: _regrets(UCB1, None, world, seeds, kept)}
        alarms = []
        for name, policy in entries().items():
            regrets[name] = _regrets(name, policy, world, seeds, kept)
            work = partial(_false_alarms, policy, world, alarm_runs)
            (count,) = kept.numbers(f"false alarms {world} {name} {alarm_runs}", work)
            alarms.append(
                f"- {name}: {count:.0f} of {alarm_runs:,} runs of {STEADY:,} steady rewards raise "
                "an alarm"
            )
            print(f"{world}: {name}: {regrets[name].mean():.1f}, {count:.0f} alarms", flush=True)
        table = paired.table(regrets, UCB1)
        parts.append(f"### Rising: {world} ({seeds} seeds)\n\n{table}\n\n" + "\n".join(alarms))
    return "\n\n".join([*parts, among_queries(seeds, kept)])


def among_queries(seeds: int, kept: Kept) -> str:
    """Markdown: what is lost among queries that differ, of all and of the last third."""
    whole, late = {}, {}
    for name in (LINUCB, "ti_ucb", "contextual_ti_ucb"):
        policy = build(name, dim=FEATURES)
        found = []
        for seed in range(seeds):
            work = partial(_in_parts, policy, seed)
            found.append(kept.numbers(f"rising among queries {name} {seed}", work))
        whole[name], late[name] = np.array(found).T
        print(f"among queries: {name}: {whole[name].mean():.1f}", flush=True)
    return (
        f"### Rising: queries that differ ({seeds} seeds)\n\n{paired.table(whole, LINUCB)}\n\n"
        f"Of the last 500 queries:\n\n{paired.table(late, LINUCB)}"
    )


def _in_parts(policy: Policy[Any], seed: int) -> list[float]:
    lost = losses(policy, seed)
    return [float(lost.sum()), float(lost[-QUERIES // 3 :].sum())]


def _regrets(name: str, policy: TIUCB | None, world: str, seeds: int, kept: Kept) -> Array:
    """Of each seed, (seeds,)."""
    found = []
    for seed in range(seeds):
        work = partial(_one, seed, policy, world)
        found += kept.numbers(f"rising {world} {name} {seed}", work)
    return np.array(found)


def _one(seed: int, policy: TIUCB | None, world: str) -> list[float]:
    return [regret(seed, policy, world)]


def _false_alarms(policy: TIUCB, world: str, runs: int) -> list[float]:
    return [float(sum(is_false_alarm(steady(seed, world), policy) for seed in range(runs)))]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--alarm-runs", type=int, default=1000)
    parser.add_argument("--resume", type=Path, help="keeps results, and starts from those there")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    text = measured(options.seeds, options.alarm_runs, Kept(options.resume))
    print(text)
    if options.write:
        sections.written(options.write, "rising", text)


if __name__ == "__main__":
    main()
