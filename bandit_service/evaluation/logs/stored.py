"""The service's own log: from stored decisions and outcomes to rows."""

from collections.abc import Iterator, Sequence

import numpy as np

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs.rows import Batch, Row, batch_of
from bandit_service.evaluation.logs.traffic import Progress, Traffic
from bandit_service.model import Decision, Kind, Outcome, PolicyConfig, Source, Usage
from bandit_service.ports import LogReader

ALWAYS = (0.0, 1e11)
_FINENESS = {Kind.SUCCESS: 0, Kind.SCORE: 1}  # a score says more than a thumb of the same source
_TRUST = {source: -place for place, source in enumerate(Source)}
_NOTHING = Usage()


def rows(
    reader: LogReader, policy: str, since: float = ALWAYS[0], until: float = ALWAYS[1]
) -> Iterator[list[Row]]:
    """A policy's decisions, a page at a time. Raises PolicyNotFound."""
    stored, config = reader.policy(policy)
    names = [arm.name for arm in config.arms]
    trust = {source: -place for place, source in enumerate(config.quality_sources)}
    for page in reader.pages(stored.id, since, until):
        yield [
            _row(decision, page.outcomes[decision.id], config, names, trust)
            for decision in page.decisions
            if not decision.recovered  # from its token, which has no probabilities of the others
        ]


def traffic(
    reader: LogReader,
    policy: str,
    *,
    since: float = ALWAYS[0],
    until: float = ALWAYS[1],
    lenient: bool = False,
    progress: Progress | None = None,
) -> Traffic:
    """The same, checked. Lines are counted from 1. Raises BadLog for an empty range."""

    def batches() -> Iterator[Batch]:
        seen = 0
        for page in rows(reader, policy, since, until):
            yield batch_of(page, range(seen + 1, seen + len(page) + 1))
            seen += len(page)

    source = f"policy {policy!r}"
    if since >= until:
        raise BadLog(source, "the range is empty: --since is not before --until")
    return Traffic(source, batches, lenient=lenient, policy=policy, progress=progress)


def _row(
    decision: Decision,
    outcomes: Sequence[Outcome],
    config: PolicyConfig,
    names: Sequence[str],
    trust: dict[Source, int],
) -> Row:
    chances = np.frombuffer(decision.probabilities).tolist()
    mine = [each for each in outcomes if each.arm == decision.arm]
    usage = usage_of(mine)
    is_duel = decision.second_arm is not None or decision.second_probabilities is not None
    return Row(
        arm=names[decision.arm],
        # Of a duel it is the pair's; the first arm was drawn from the probabilities.
        propensity=None if is_duel else decision.propensity,
        probabilities={
            name: chance
            for name, chance, code in zip(names, chances, decision.exclusions, strict=False)
            if code == 0
        },
        context=np.frombuffer(decision.context).tolist(),
        quality=quality_of(mine, trust),
        cost_usd=usage.cost_usd,
        latency_seconds=usage.latency_seconds,
        energy_joules=usage.energy_joules,
        energy_source=usage.energy_source and usage.energy_source.value,
        create_time=decision.create_time,
        session=None if decision.session_hash is None else decision.session_hash.hex(),
        policy=config.name,
        revision=decision.revision,
        feature_version=decision.feature_version,
        decision_id=decision.id,
        input_tokens=decision.input_tokens,
        output_tokens=decision.output_tokens,
        forced=decision.forced,
        sticky=decision.sticky,
        observed=decision.observed,
        degraded=decision.degraded,
    )


def quality_of(outcomes: Sequence[Outcome], trust: dict[Source, int]) -> float | None:
    """The value of the most trusted source that the policy listens to."""
    said = [each for each in outcomes if each.kind in _FINENESS and each.source in trust]
    if not said:
        return None
    return max(said, key=lambda each: (trust[each.source], _FINENESS[each.kind])).value


def usage_of(outcomes: Sequence[Outcome]) -> Usage:
    """The most trusted source's."""
    said = [each for each in outcomes if each.usage is not None]
    if not said:
        return _NOTHING
    best = max(said, key=lambda each: _TRUST[each.source])
    assert best.usage is not None
    return best.usage
