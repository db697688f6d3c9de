"""Warm starts on the wire, read and written: what is known of arms before their first request."""

from collections.abc import Iterable

from bandit_service.model import ArmWarmStart, WarmStart
from bandit_service.rpc import form
from bandit_service.rpc.pb import policy_pb2 as pb


def read(policy: pb.Policy) -> WarmStart | None:
    """A policy's warm start, or None. Raises InvalidField for a number that is not finite."""
    if not policy.HasField("warm_start"):
        return None
    said = policy.warm_start
    arms = {
        form.required("warm_start.arms", name, form.LONGEST_NAME): _arm(
            arm, f"warm_start.arms.{name}"
        )
        for name, arm in said.arms.items()
    }
    n_eff = said.n_eff if said.HasField("n_eff") else WarmStart().n_eff
    return WarmStart(
        arms=arms,
        n_eff=form.number("warm_start.n_eff", n_eff),
        spread=_numbers("warm_start.spread", said.spread),
        projection=tuple(
            _numbers(f"warm_start.projection[{i}]", row.values)
            for i, row in enumerate(said.projection)
        ),
    )


def written(warm: WarmStart) -> pb.WarmStart:
    return pb.WarmStart(
        n_eff=warm.n_eff,
        arms={
            name: pb.ArmWarmStart(
                weights=arm.weights, level=arm.level, n_eff=arm.n_eff, ridge=arm.ridge
            )
            for name, arm in warm.arms.items()
        },
        spread=warm.spread,
        projection=[pb.Row(values=row) for row in warm.projection],
    )


def _arm(said: pb.ArmWarmStart, where: str) -> ArmWarmStart:
    given = {
        name: form.number(f"{where}.{name}", getattr(said, name))
        for name in ("level", "n_eff", "ridge")
        if said.HasField(name)
    }
    return ArmWarmStart(weights=_numbers(f"{where}.weights", said.weights) or None, **given)


def _numbers(field: str, values: Iterable[float]) -> tuple[float, ...]:
    return tuple(form.number(f"{field}[{i}]", value) for i, value in enumerate(values))
