"""Budgets on the wire."""

from collections.abc import Iterable

from bandit_service.budgets import check_one_span
from bandit_service.errors import InvalidField
from bandit_service.model import Budget, Resource, WhenExhausted
from bandit_service.rpc import form
from bandit_service.rpc.pb import budget_pb2 as pb
from bandit_service.rpc.pb import policy_pb2
from policies.budget import DEFAULT

RESOURCES = form.Vocabulary(pb.Resource, Resource)
WHEN_EXHAUSTED = form.Vocabulary(pb.WhenExhausted, WhenExhausted)


def budgets(policy: policy_pb2.Policy) -> tuple[Budget, ...]:
    return tuple(_budget(said, f"budgets[{i}]") for i, said in enumerate(policy.budgets))


def messages(given: Iterable[Budget]) -> list[pb.Budget]:
    """Raises InvalidField: the wire has room for one span a budget, and none is to be lost."""
    return [_message(budget, f"budgets[{i}]") for i, budget in enumerate(given)]


def _message(budget: Budget, where: str) -> pb.Budget:
    check_one_span(where, budget)
    written = pb.Budget(
        name=budget.name,
        resource=RESOURCES.write(budget.resource),
        amount=budget.amount,
        when_exhausted=WHEN_EXHAUSTED.write(budget.when_exhausted),
        fallback_arm=budget.fallback_arm,
        controller=budget.controller,
    )
    if budget.window is not None:
        written.window.CopyFrom(form.duration(budget.window))
    elif budget.requests is not None:
        written.requests = budget.requests
    else:
        written.rate = True
    return written


def _budget(said: pb.Budget, where: str) -> Budget:
    if not said.resource:
        raise InvalidField(f"{where}.resource", "required: usd or joules")
    span = said.WhichOneof("span")
    name, fallback, controller = (
        form.text(f"{where}.{field}", getattr(said, field), form.LONGEST_NAME)
        for field in ("name", "fallback_arm", "controller")
    )
    exhausted = WhenExhausted.CHEAPEST
    if said.when_exhausted:
        exhausted = WHEN_EXHAUSTED.read(f"{where}.when_exhausted", said.when_exhausted)
    return Budget(
        resource=RESOURCES.read(f"{where}.resource", said.resource),
        amount=form.number(f"{where}.amount", said.amount),
        window=form.seconds(f"{where}.window", said.window) if span == "window" else None,
        requests=said.requests if span == "requests" else None,
        rate=said.rate if span == "rate" else False,
        name=name,
        when_exhausted=exhausted,
        fallback_arm=fallback,
        controller=controller or DEFAULT,
    )
