"""What budgets a policy may have. Pure."""

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from bandit_service.errors import InvalidField
from bandit_service.model import (
    RATE_REQUESTS,
    UNITS,
    Arm,
    ArmState,
    Budget,
    PolicyConfig,
    Resource,
    WhenExhausted,
)
from policies.budget import CONTROLLERS

MOST_BUDGETS = 8
MOST_AMOUNT = 1e9  # dollars or joules: what the ledger's whole numbers hold
# Replicas hear of each other's spending twice a second. In less than a second, nothing could be
# shared out: a window has to hold a few commits of each.
SHORTEST_WINDOW, LONGEST_WINDOW = 1.0, 366 * 86_400.0
MOST_REQUESTS = 10**12
# What is to be declared of an arm, so that something is known of what its calls take.
PRICE = {
    Resource.USD: "both list prices",
    Resource.JOULES: "declared_joules_per_output_token",
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,62}")


def completed(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """The same, each with a name: its resource, where that is the only one."""
    return tuple(
        budget if budget.name else msgspec.structs.replace(budget, name=budget.resource.value)
        for budget in budgets
    )


def check(config: PolicyConfig) -> None:
    """Raises InvalidField, which names the budget by its place."""
    budgets = completed(config.budgets)
    if len(budgets) > MOST_BUDGETS:
        raise InvalidField("budgets", f"at most {MOST_BUDGETS}, not {len(budgets)}")
    for place, budget in enumerate(budgets):
        where = f"budgets[{place}]"
        _check_amount(where, budget)
        _check_span(where, budget)
        _check_fallback(where, budget, config.arms)
        if not any(is_priced(arm, budget.resource) for arm in config.arms if _serves(arm)):
            raise InvalidField(
                f"{where}.resource",
                f"no active arm has {PRICE[budget.resource]}, and what is not known cannot be "
                "kept within a budget: give it to at least one",
            )
    names = Counter(budget.name for budget in budgets)
    for place, budget in enumerate(budgets):
        if not _NAME.fullmatch(budget.name):
            raise InvalidField(
                f"budgets[{place}].name",
                f"{budget.name!r} must be a letter, then up to 62 letters, digits, '.', '_', '-'",
            )
        if names[budget.name] > 1:
            raise InvalidField(
                f"budgets[{place}].name", f"{budget.name!r} is there twice: give each its own"
            )
    _check_controllers(budgets)


def check_one_span(where: str, budget: Budget) -> None:
    """Raises InvalidField."""
    spans = {
        "window": budget.window is not None,
        "requests": budget.requests is not None,
        "rate": budget.rate,
    }
    given = [name for name, is_given in spans.items() if is_given]
    if len(given) != 1:
        found = f"{' and '.join(given)} are set" if given else "none is set"
        raise InvalidField(
            where,
            "exactly one of window (seconds), requests and rate says over what the amount is "
            f"meant; {found}",
        )


def is_priced(arm: Arm, resource: Resource) -> bool:
    """Whether what is declared of an arm says anything of what a call takes."""
    if resource is Resource.JOULES:
        return arm.declared_joules_per_output_token is not None
    prices = (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
    return None not in prices


def units_of(budget: Budget) -> int:
    """What one window of it holds, in the ledger's units."""
    return round(budget.amount * (RATE_REQUESTS if budget.rate else 1) * UNITS[budget.resource])


def requests_of(budget: Budget) -> int | None:
    """Decisions that one window of it lasts; None where it lasts a time."""
    return RATE_REQUESTS if budget.rate else budget.requests


def _check_amount(where: str, budget: Budget) -> None:
    unit = 1.0 / UNITS[budget.resource]
    most = MOST_AMOUNT / (RATE_REQUESTS if budget.rate else 1)
    if not unit <= budget.amount <= most:
        raise InvalidField(
            f"{where}.amount",
            f"must be from {unit:g} to {most:g} {budget.resource.value}, not {budget.amount:g}",
        )


def _check_span(where: str, budget: Budget) -> None:
    check_one_span(where, budget)
    if budget.window is not None and not SHORTEST_WINDOW <= budget.window <= LONGEST_WINDOW:
        raise InvalidField(
            f"{where}.window",
            f"must be from {SHORTEST_WINDOW:g} to {LONGEST_WINDOW:g} seconds, not "
            f"{budget.window:g}: a window has to hold several commits of every replica",
        )
    if budget.requests is not None and not 1 <= budget.requests <= MOST_REQUESTS:
        raise InvalidField(
            f"{where}.requests", f"must be from 1 to {MOST_REQUESTS:,}, not {budget.requests:,}"
        )


def _check_fallback(where: str, budget: Budget, arms: Iterable[Arm]) -> None:
    field = f"{where}.fallback_arm"
    if budget.when_exhausted is not WhenExhausted.FALLBACK:
        if budget.fallback_arm:
            raise InvalidField(field, "goes with when_exhausted: fallback only")
    elif not budget.fallback_arm:
        raise InvalidField(field, "required by when_exhausted: fallback")
    elif budget.fallback_arm not in [arm.name for arm in arms if _serves(arm)]:
        raise InvalidField(field, f"{budget.fallback_arm!r} is not an active arm")


def _check_controllers(budgets: tuple[Budget, ...]) -> None:
    named = [budget.controller for budget in budgets]
    for place, name in enumerate(named):
        field = f"budgets[{place}].controller"
        if name not in CONTROLLERS:
            known = ", ".join(CONTROLLERS)
            raise InvalidField(field, f"there is no {name!r}; known: {known}")
        if name != named[0]:
            raise InvalidField(
                field,
                f"{name!r} beside {named[0]!r}: budgets of a policy are priced together, by one "
                "controller",
            )
    if not named:
        return
    try:
        CONTROLLERS[named[0]]().start(len(named))
    except ValueError as wrong:
        raise InvalidField("budgets[0].controller", str(wrong)) from wrong


def _serves(arm: Arm) -> bool:
    return arm.state is ArmState.ACTIVE
