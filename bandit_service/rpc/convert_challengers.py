"""Algorithms and challengers on the wire, and how challengers stand."""

from bandit_service.model import (
    Algorithm,
    Challenger,
    ChallengersView,
    ChallengerView,
    ContestantView,
    Interval,
    PolicyConfig,
    Verdict,
)
from bandit_service.rpc import convert_objective, form
from bandit_service.rpc.pb import policy_pb2 as pb
from bandit_service.rpc.preview_answers import interval

VERDICTS = form.Vocabulary(pb.ChallengerVerdict, Verdict)

_DEFAULT = PolicyConfig(name="", arms=()).algorithm
_MARGIN = Challenger(name="").margin


def algorithm(where: str, said: pb.Algorithm) -> Algorithm:
    """`where` ends with a dot, or is empty."""
    settings = {
        form.text(f"{where}algorithm.settings", name, form.LONGEST_NAME): form.number(
            f"{where}algorithm.settings.{name}", value
        )
        for name, value in said.settings.items()
    }
    name = form.text(f"{where}algorithm.name", said.name, form.LONGEST_NAME)
    return Algorithm(name=name or _DEFAULT.name, settings=settings)


def algorithm_message(algorithm: Algorithm) -> pb.Algorithm:
    return pb.Algorithm(name=algorithm.name, settings=algorithm.settings)


def read(policy: pb.Policy) -> tuple[Challenger, ...]:
    return tuple(_read(one, f"challengers[{at}].") for at, one in enumerate(policy.challengers))


def _read(said: pb.Challenger, where: str) -> Challenger:
    has_objective, has_floor = said.HasField("objective"), said.HasField("floor")
    return Challenger(
        name=form.required(f"{where}name", said.name, form.LONGEST_NAME),
        algorithm=algorithm(where, said.algorithm),
        objective=(
            convert_objective.read(f"{where}objective", said.objective) if has_objective else None
        ),
        floor=form.number(f"{where}floor", said.floor) if has_floor else None,
        share=form.number(f"{where}share", said.share),
        margin=(form.number(f"{where}margin", said.margin) if said.HasField("margin") else _MARGIN),
    )


def written(one: Challenger) -> pb.Challenger:
    return pb.Challenger(
        name=one.name,
        algorithm=algorithm_message(one.algorithm),
        objective=(
            None if one.objective is None else convert_objective.objective_message(one.objective)
        ),
        floor=one.floor,
        share=one.share,
        margin=one.margin,
    )


def standings(view: ChallengersView) -> pb.GetChallengersResponse:
    return pb.GetChallengersResponse(challengers=[_standing(one) for one in view.challengers])


def _standing(one: ChallengerView) -> pb.ChallengerStanding:
    return pb.ChallengerStanding(
        challenger=_contestant(one.contestant),
        incumbent=_contestant(one.incumbent),
        algorithm=one.algorithm,
        margin=one.margin,
        revision=one.revision,
        decisions=one.decisions,
        judged_decisions=one.judged,
        difference=interval(one.difference),
        verdict=VERDICTS.write(one.verdict),
        undecided_decisions=one.undecided,
        stopped_position=one.stopped,
        last_failure=one.last_failure,
    )


def _contestant(one: ContestantView) -> pb.Contestant:
    def known(amount: Interval | None) -> pb.Interval | None:
        return None if amount is None else interval(amount)

    return pb.Contestant(
        name=one.name,
        share=one.share,
        effective_decisions=one.effective,
        quality=known(one.quality),
        cost_usd=known(one.cost_usd),
        latency_seconds=known(one.latency_seconds),
        energy_joules=known(one.energy_joules),
    )
