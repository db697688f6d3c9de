"""What the tests of a service with budgets do again and again."""

from typing import Any

from bandit_service.errors import BanditError
from bandit_service.model import (
    Algorithm,
    Arm,
    Budget,
    BudgetWindow,
    Charge,
    Decision,
    Resource,
    Routed,
    Usage,
    unpack,
)
from tests.builders import a_query, a_submission
from tests.service.running import Service

# Calls are expected to take .001 and .02 dollars by their lists, and reserve ten times as much
# while none has been paid.
SMALL = Arm(name="small", input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=1.0)
LARGE = Arm(name="large", input_usd_per_million_tokens=10.0, output_usd_per_million_tokens=30.0)
SMALL_UPPER, LARGE_UPPER = 0.01, 0.2
DOLLAR = 10**9  # units


def a_budget(amount: float, **changes: Any) -> Budget:
    given: dict[str, Any] = {"resource": Resource.USD, "amount": amount}
    if not {"window", "requests", "rate"} & changes.keys():
        given["requests"] = 1_000
    return Budget(**(given | changes))


def charges(decision: Decision) -> tuple[Charge, ...]:
    assert decision.spending is not None
    return unpack(decision.spending).charges


def told_of(answer: Any) -> Decision:
    assert isinstance(answer, Routed), answer
    return answer.decision


class Budgeted:
    """A service, and a monotonic clock of its own for the leases."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.time = 1_000.0
        service.spending._monotonic = lambda: self.time
        self._told = 0

    async def create(self, *budgets: Budget, **changes: Any) -> None:
        given = {"arms": (SMALL, LARGE), "algorithm": Algorithm(name="uniform")}
        await self.service.create(budgets=budgets, **(given | changes))

    async def route(self, count: int = 1, **changes: Any) -> list[Routed | BanditError]:
        """So many, one after the other."""
        made = []
        for _ in range(count):
            made += await self.service.router.route_many([a_query(**changes)])
        return made

    async def decide(self, **changes: Any) -> Decision:
        return told_of((await self.route(**changes))[0])

    async def tell(self, decision: Decision, usd: float, **changes: Any) -> None:
        """What its call took."""
        self._told += 1
        given: dict[str, Any] = {
            "decision_id": decision.id,
            "feedback_id": f"bill {self._told}",
            "usage": Usage(cost_usd=usd),
        }
        await self.service.recorder.record(a_submission(**(given | changes)))

    def later(self, seconds: float) -> None:
        self.time += seconds

    def windows(self, budget: str = "usd") -> list[BudgetWindow]:
        """The latest first."""
        policy_id = self.service.engine().identity.id
        found: list[BudgetWindow] = self.service.store.ledger.windows(policy_id, budget, 100)
        return found

    @property
    def window(self) -> BudgetWindow:
        return self.windows()[0]
