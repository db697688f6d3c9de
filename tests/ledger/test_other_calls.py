"""Retries, cascades and judges that are charged to the decision they were made for."""

import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.errors import IdReused, InvalidField
from bandit_service.model import (
    EnergySource,
    OtherCall,
    OtherKind,
    Resource,
    Usage,
    unpack,
)
from bandit_service.rpc import convert_feedback
from bandit_service.rpc.pb import routing_pb2 as pb
from tests.builders import a_submission
from tests.ledger.budgeted import DOLLAR, SMALL, SMALL_UPPER, Budgeted, a_budget
from tests.service.running import running

RETRY, CASCADE, JUDGE = OtherKind.RETRY, OtherKind.CASCADE, OtherKind.JUDGE


def usage(own: float | None, *others: OtherCall) -> Usage:
    return Usage(cost_usd=own, other_calls=others)


def call(kind: OtherKind, usd: float, name: str = "") -> OtherCall:
    return OtherCall(kind=kind, id=name, cost_usd=usd)


async def report(service, decision, feedback_id, told, **changes):
    given = {"decision_id": decision.id, "feedback_id": feedback_id, "usage": told}
    return await service.service.recorder.record(a_submission(**(given | changes)))


def book(service, budget="usd"):
    """Reserved, settled, overrun, in dollars."""
    window = service.windows(budget)[0]
    return tuple(units / DOLLAR for units in (window.reserved, window.settled, window.overrun))


async def test_they_are_settled_with_the_call_they_belong_to(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()

    await report(service, decision, "a", usage(0.002, call(RETRY, 0.001), call(JUDGE, 0.0005)))

    assert book(service) == (0.0, pytest.approx(0.0035), 0.0)


async def test_the_same_feedback_id_counts_once_and_another_payload_is_refused(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()
    told = usage(0.002, call(RETRY, 0.001))

    first = await report(service, decision, "a", told)
    again = await report(service, decision, "a", told)
    with pytest.raises(IdReused):
        await report(service, decision, "a", usage(0.002, call(RETRY, 0.004)))

    assert (again.duplicate, again.position) == (True, first.position)
    assert book(service) == (0.0, pytest.approx(0.003), 0.0)


async def test_without_an_id_each_feedback_adds_a_call_and_with_one_it_replaces_it(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()
    await report(service, decision, "own", usage(0.002))

    await report(service, decision, "a", usage(None, call(RETRY, 0.001)))
    await report(service, decision, "b", usage(None, call(RETRY, 0.001)))
    await report(service, decision, "c", usage(None, call(CASCADE, 0.003, "second model")))
    assert book(service)[1] == pytest.approx(0.007)

    await report(service, decision, "d", usage(None, call(CASCADE, 0.0005, "second model")))
    assert book(service)[1] == pytest.approx(0.0045)
    await report(service, decision, "e", usage(None, call(JUDGE, 0.0005, "second model")))
    assert book(service) == (0.0, pytest.approx(0.005), 0.0)


async def test_what_is_told_before_the_calls_own_is_overrun_until_that_is_known(service):
    """The reservation stays for the call itself: whatever comes first, the end is the same."""
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()

    await report(service, decision, "a", usage(None, call(CASCADE, 0.003)))
    assert book(service) == (pytest.approx(SMALL_UPPER), 0.0, pytest.approx(0.003))

    await report(service, decision, "b", usage(0.001))
    assert book(service) == (0.0, pytest.approx(0.004), 0.0)


async def test_beyond_the_reservation_they_are_overrun(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()

    await report(service, decision, "a", usage(0.004, call(CASCADE, 0.05)))

    assert book(service) == (0.0, SMALL_UPPER, pytest.approx(0.054 - SMALL_UPPER))


async def test_each_resource_is_paid_by_its_own_budget(service):
    known = SMALL.__class__(**{**_fields(SMALL), "declared_joules_per_output_token": 0.1})
    await service.create(a_budget(10.0), a_budget(1e6, resource=Resource.JOULES), arms=(known,))
    decision = await service.decide()
    judge = OtherCall(
        kind=JUDGE, cost_usd=0.001, energy_joules=7.0, energy_source=EnergySource.ESTIMATED
    )

    told = Usage(0.002, energy_joules=40.0, energy_source=EnergySource.MEASURED)
    await report(service, decision, "a", told)
    await report(service, decision, "b", Usage(other_calls=(judge,)))

    assert book(service)[1] == pytest.approx(0.003)
    assert service.windows("joules")[0].settled == 47_000_000


def _fields(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


async def test_the_arm_learns_its_own_cost_and_the_budget_expects_the_whole(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()

    await report(service, decision, "a", usage(0.002, call(JUDGE, 0.004)))

    engine = service.service.engine()
    assert engine.calls.means()[0, 0] == 0.002
    assert engine.account.appetite.consumption.means()[0, 0] == pytest.approx(0.006)


async def test_they_are_stored_with_their_names_and_told_by_kind(tmp_path):
    path = tmp_path / "bandit.db"
    async with running(path) as service:
        service.router._now = time.time
        service.journal._now = time.time
        made = Budgeted(service)
        await made.create(a_budget(10.0), arms=(SMALL,))
        paid, open_ = await made.decide(), await made.decide()
        await report(made, paid, "a", usage(0.002, call(RETRY, 0.001), call(JUDGE, 0.0005)))
        await report(made, open_, "b", usage(None, call(JUDGE, 0.25)))
        found = await service.router.explain(paid.id)
        usages = service.store.ledger.usages(paid.policy_id, 10)

    ((_, outcome),) = found.outcomes
    assert outcome.usage is not None
    kinds = [(one.kind, one.id, one.cost_usd) for one in outcome.usage.other_calls]
    assert kinds == [(RETRY, "a.0", 0.001), (JUDGE, "a.1", 0.0005)]
    assert found.budgets[0].spent == pytest.approx(0.0035)
    assert usages == [(0, pytest.approx(0.0035), None)]  # what a replica knows when it starts
    database = f"sqlite:///{path}"
    result = CliRunner().invoke(app, ["budget", "--database", database, "--json"])
    (standing,) = json.loads(result.output)
    reserved = unpack(open_.spending or b"").charges[0].reserved / DOLLAR
    by_kind = {"own": 0.002 + reserved, "retry": 0.001, "cascade": 0.0, "judge": 0.2505}
    assert standing["by_kind"] == pytest.approx(by_kind)
    assert standing["spent"] == pytest.approx(sum(by_kind.values()))
    table = CliRunner().invoke(app, ["budget", "--database", database]).output
    assert "retry 0.001, judge 0.2505" in table


async def test_of_a_duel_they_are_the_first_arms_unless_said(service):
    await service.create(a_budget(10.0), floor=1.0)
    decision = await service.decide(duel=True)
    while decision.second_arm is None:
        decision = await service.decide(duel=True)

    await report(service, decision, "a", usage(None, call(JUDGE, 0.001)))

    ((arm, outcome),) = (await service.service.router.explain(decision.id)).outcomes
    assert outcome.arm == decision.arm
    assert arm


async def test_there_is_an_end_to_them(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()
    many = tuple(call(RETRY, 1e-6) for _ in range(40))
    await report(service, decision, "a", usage(0.001, *many))
    before = book(service)

    with pytest.raises(InvalidField, match="at most 64"):
        await report(service, decision, "b", usage(None, *many))
    assert book(service) == before


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"cost_usd": 1.0}, "kind"),
        ({"kind": 1}, "unknown is not zero"),
        ({"kind": 1, "cost_usd": -1.0}, "cost_usd"),
        ({"kind": 1, "cost_usd": float("nan")}, "cost_usd"),
        ({"kind": 1, "energy_joules": 1.0}, "energy_source"),
        ({"kind": 9, "cost_usd": 1.0}, "kind"),
        ({"kind": 1, "cost_usd": 1.0, "id": "x" * 129}, "id"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(said: Any, wrong: str) -> None:
    request = pb.FeedbackRequest(
        decision_id="d", usage=pb.Usage(other_calls=[pb.OtherCall(**said)])
    )
    with pytest.raises(InvalidField, match=wrong) as refused:
        convert_feedback.submission(request)
    assert "usage.other_calls[0]" in str(refused.value)


def test_two_of_the_same_name_are_refused():
    twice = [pb.OtherCall(kind="OTHER_CALL_KIND_RETRY", cost_usd=1.0, id="x")] * 2
    with pytest.raises(InvalidField, match="same id"):
        convert_feedback.submission(
            pb.FeedbackRequest(decision_id="d", usage=pb.Usage(other_calls=twice))
        )
