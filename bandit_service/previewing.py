"""What a change of a policy would have done to recent traffic. Pure, but for copying a state.

Logged decisions are made again, before and after the change, with what the policy knows now:
their contexts, tokens and eligible arms, the algorithm's own rule, the floor, the budgets. Both
sides rest on the same estimates, so what differs is the change alone. Whether the estimates are
right is a question of its own: importance weights hold them against the outcomes that were seen.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import configuration
from bandit_service.configuration import Change
from bandit_service.eligibility import Exclusion
from bandit_service.errors import InvalidField
from bandit_service.foreseeing import Snapshot, Traffic, foreseen, in_pieces
from bandit_service.model import (
    AmountPreview,
    ArmPreview,
    ArmState,
    BudgetForecast,
    BudgetPreview,
    Decision,
    Overlap,
    PolicyConfig,
    Preview,
    Query,
)
from bandit_service.offsets import amounts, filled, removed
from bandit_service.resampling import Resamples

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Below so many decisions' worth, an importance-weighted mean is luck.
LEAST_EFFECTIVE = 30.0
# And beyond this share of arms that had no chance, it is of another policy.
MOST_UNSUPPORTED = 0.01
FEWEST_FOR_PACE = 10  # decisions, before their pace says how many a window has


def preview(
    snapshot: Snapshot,
    change: Change,
    decisions: Sequence[Decision],
    qualities: Mapping[tuple[str, int], float],
) -> Preview:
    """qualities: those that stand, by decision and arm.

    Raises InvalidField if the changed configuration makes no sense, or would start afresh.
    """
    before, shape_of = snapshot.config, snapshot.shape_of
    after = configuration.check(change(before), shape_of)
    if configuration.restarts(before, after, shape_of):
        raise InvalidField(
            "update_mask", "learning would start afresh, so there is nothing to foresee it by"
        )
    shape = shape_of(before.features)
    traffic = _traffic(before, decisions, shape.version)
    has_traffic = bool(traffic.decisions)
    left_out = len(decisions) - len(traffic.decisions)
    clock = max([snapshot.clock, *(one.clock for one in traffic.decisions)])
    if not has_traffic:
        traffic = _one_unknown_query(before, shape.dim)
    resamples = Resamples(len(traffic.queries))
    first, kept_first = foreseen(snapshot, before, traffic, clock, resamples)
    second, kept_second = foreseen(snapshot, after, traffic, clock, resamples)
    policy = configuration.build(before, shape.dim)
    state = policy.restore(snapshot.sums)
    beliefs = in_pieces(
        len(traffic.queries),
        lambda part: policy.estimates(state, traffic.contexts[part], clock=clock).mean,
    )
    if not isinstance(policy, policies.LearnsPairs):  # which has a scale of its own
        beliefs = np.clip(beliefs, 0.0, 1.0)  # a regression goes on where qualities end
    cost, latency, energy = amounts(before.arms, snapshot.calls, traffic.queries)
    gone = removed(before.arms)

    def amount_of(known: Array | None) -> AmountPreview | None:
        assert known is not None
        if np.isnan(known[:, ~gone]).all():
            return None
        assumed = float((second * np.isnan(known)).sum(axis=1).mean())
        return _amount(first, second, filled(known, gone), resamples, assumed)

    return Preview(
        decisions=len(traffic.decisions),
        left_out=left_out,
        arms=tuple(
            ArmPreview(arm.name, resamples.mean(first[:, slot]), resamples.mean(second[:, slot]))
            for slot, arm in enumerate(before.arms)
            if arm.state is not ArmState.REMOVED
        ),
        quality=_amount(first, second, beliefs, resamples),
        cost_usd=amount_of(cost),
        latency_seconds=amount_of(latency),
        energy_joules=amount_of(energy),
        overlap=_overlap(traffic, second, qualities) if has_traffic else None,
        objective=after.objective,
        budgets=_side_by_side(kept_first, kept_second),
    )


# Whoever only observes shuts all arms but one; the learner may choose among all. Which arms are too
# slow is for each side's own limit to say, and what can be paid for its budgets.
_FREE = (
    Exclusion.NONE,
    Exclusion.OBSERVED,
    Exclusion.TOO_SLOW,
    Exclusion.BUDGET,
    Exclusion.UNPRICED,
)


def _traffic(config: PolicyConfig, decisions: Sequence[Decision], version: str) -> Traffic:
    """What can be decided again: not what a session kept, nor what has other features."""
    width = len(config.arms)
    active = np.array([arm.state is ArmState.ACTIVE for arm in config.arms])
    kept: list[Decision] = []
    rows: list[Mask] = []
    for one in decisions:
        codes = np.frombuffer(one.exclusions, dtype=np.uint8)
        free = np.isin(codes, _FREE)
        open_ = active & np.pad(free, (0, max(0, width - len(free))), constant_values=True)[:width]
        if not (one.sticky or one.recovered) and one.feature_version == version and open_.any():
            kept.append(one)
            rows.append(open_)
    contexts = [np.frombuffer(one.context) for one in kept]
    return Traffic(
        decisions=kept,
        queries=[
            Query(config.name, input_tokens=one.input_tokens, output_tokens=one.output_tokens)
            for one in kept
        ],
        contexts=np.array(contexts),
        eligible=np.array(rows, dtype=np.bool_).reshape(len(kept), width),
        per_second=_per_second(decisions),
    )


def _per_second(decisions: Sequence[Decision]) -> float | None:
    times = [one.create_time for one in decisions]
    seconds = max(times) - min(times) if times else 0.0
    return (len(times) - 1) / seconds if len(times) >= FEWEST_FOR_PACE and seconds else None


def _one_unknown_query(config: PolicyConfig, dim: int) -> Traffic:
    """A query of which nothing is known: its features are the constant, which comes last."""
    active = np.array([[arm.state is ArmState.ACTIVE for arm in config.arms]])
    return Traffic([], [Query(config.name)], np.eye(dim)[-1:], active)


def _side_by_side(
    first: Sequence[BudgetForecast], second: Sequence[BudgetForecast]
) -> tuple[BudgetPreview, ...]:
    """By name, in the order of the changed configuration, then those that go."""
    before = {one.budget.name: one for one in first}
    after = {one.budget.name: one for one in second}
    return tuple(
        BudgetPreview(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*after, *before))
    )


def _amount(
    first: Array, second: Array, values: Array, resamples: Resamples, assumed_share: float = 0.0
) -> AmountPreview | None:
    """What chances (n, K) make of values (n, K). None if a value that counts is not known."""
    before, after = (
        np.where(chances > 0.0, chances * values, 0.0).sum(axis=1) for chances in (first, second)
    )
    if np.isnan(before).any() or np.isnan(after).any():
        return None
    return AmountPreview(
        resamples.mean(before),
        resamples.mean(after),
        resamples.mean(after - before),
        assumed_share,
    )


def _overlap(
    traffic: Traffic, chances: Array, qualities: Mapping[tuple[str, int], float]
) -> Overlap:
    """What the outcomes say: importance weights are chances after the change over logged ones.

    Only decisions that the learner drew count: duels are two, and an observing policy serves
    one arm whatever the query.
    """
    rows = [
        row
        for row, one in enumerate(traffic.decisions)
        if (one.id, one.arm) in qualities
        and one.second_arm is None
        and one.second_probabilities is None
        and not one.observed
    ]
    if not rows:
        return Overlap(0, 0.0, why_not="of no decision that the learner drew is a quality known")
    made = [traffic.decisions[row] for row in rows]
    seen = np.array([qualities[one.id, one.arm] for one in made])
    weights = np.array(
        [chances[row, one.arm] / one.propensity for row, one in zip(rows, made, strict=True)]
    )
    total = float(weights.sum())
    effective = total**2 / float((weights**2).sum()) if total > 0.0 else 0.0
    unsupported = _unsupported(made, chances[rows])
    resamples = Resamples(len(rows))
    why_not = ""
    if unsupported > MOST_UNSUPPORTED:
        why_not = f"{unsupported:.0%} of the choices would be of arms that had no chance"
    elif effective < LEAST_EFFECTIVE:
        why_not = (
            f"they are worth {effective:.0f} decisions of the changed policy, and "
            f"{LEAST_EFFECTIVE:.0f} are needed"
        )
    return Overlap(
        decisions=len(rows),
        effective_decisions=effective,
        quality_seen=resamples.mean(seen),
        quality_after=None if why_not else resamples.weighted_mean(seen, weights),
        why_not=why_not,
    )


def _unsupported(made: Sequence[Decision], chances: Array) -> float:
    """Mean share of the chances (n, K) on arms whose logged chance was 0."""
    lost = 0.0
    for one, row in zip(made, chances, strict=True):
        logged = np.frombuffer(one.probabilities)
        lost += float(row[: len(logged)][logged == 0.0].sum() + row[len(logged) :].sum())
    return lost / len(made)
