"""What callers hear when a call fails, and what they do not."""

import asyncio
import logging

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from bandit_service import errors
from bandit_service.rpc.pb import policy_pb2, routing_pb2
from bandit_service.rpc.server import SERVICES
from tests.patience import PATIENCE
from tests.rpc.refusals import detail, refused
from tests.rpc.test_status import REACHABLE, an_error

A_QUERY = routing_pb2.RouteRequest(policy="chat", request_id="r1", text="What is it?")
SECRET = "the password is hunter2"  # noqa: S105 - nobody's


@pytest.mark.parametrize("kind", REACHABLE, ids=lambda kind: kind.__name__)
async def test_every_error_reaches_the_caller_as_its_status(service, kind, caplog):
    service.use_cases.fault = an_error(kind)

    async with refused() as caught:
        await service.routing.Route(A_QUERY)

    assert caught.value.code() is not grpc.StatusCode.INTERNAL
    assert caught.value.details() == "it is so"
    assert detail(caught.value, ErrorInfo).reason.replace("_", "") == kind.__name__.upper()
    assert caplog.records == []


async def test_a_bad_field_is_named_to_the_caller(service):
    async with refused() as caught:
        await service.routing.Feedback(routing_pb2.FeedbackRequest(decision_id="d1", score=2.0))

    bad = detail(caught.value, BadRequest)
    assert [violation.field for violation in bad.field_violations] == ["score"]
    assert service.use_cases.asked == []


async def test_a_long_name_in_an_error_does_not_break_the_answer(service):
    policy = policy_pb2.Policy(name="chat", arms=[policy_pb2.Arm(name="a", tags=["\u4e2d" * 9999])])

    async with refused() as caught:
        await service.policies.GetPolicy(policy_pb2.GetPolicyRequest(name="\u4e2d" * 9999))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    async with refused() as caught:
        mask = FieldMask(paths=["\u4e2d" * 9999])
        await service.policies.UpdatePolicy(
            policy_pb2.UpdatePolicyRequest(policy=policy, update_mask=mask)
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError(SECRET),
        KeyError(SECRET),
        errors.ForeignDatabase(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_an_unexpected_error_leaks_nothing(service, fault, caplog):
    fault.__cause__ = OSError(SECRET)
    service.use_cases.fault = fault

    async with refused() as caught:
        await service.routing.Route(A_QUERY)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    told = f"{caught.value.details()} {caught.value.trailing_metadata()}"
    assert "hunter2" not in told
    assert type(fault).__name__ not in told
    assert "hunter2" not in caplog.text


async def test_the_log_has_an_incident_with_the_place_it_came_from(service, caplog):
    service.use_cases.fault = RuntimeError(SECRET)

    async with refused() as caught:
        await service.routing.Route(A_QUERY)

    incident = detail(caught.value, ErrorInfo).metadata["incident"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    for word in (incident, "RoutingService.Route", "RuntimeError", "fakes.py"):
        assert word in record.getMessage()
    assert incident in (caught.value.details() or "")


async def test_an_unmapped_error_of_an_item_is_an_incident(service):
    service.use_cases.item_fault = errors.ForeignDatabase(SECRET)

    async with refused() as caught:
        await service.routing.BatchRoute(routing_pb2.BatchRouteRequest(requests=[A_QUERY]))

    assert detail(caught.value, ErrorInfo).reason == "INTERNAL"


async def test_a_call_that_the_caller_gives_up_is_cancelled(service):
    entered, left = asyncio.Event(), asyncio.Event()

    async def stalled(_query, _left=None):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    service.use_cases.route = stalled
    call = service.routing.Route(A_QUERY)
    await entered.wait()

    call.cancel()

    await asyncio.wait_for(left.wait(), PATIENCE)


async def test_a_deadline_frees_the_call(service):
    entered, left = asyncio.Event(), asyncio.Event()

    async def stalled(_query, _left=None):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    service.use_cases.route = stalled
    seconds = 0.1
    while not entered.is_set():  # on a busy machine a call may be late before it gets there
        seconds *= 2
        async with refused() as caught:
            await service.routing.Route(A_QUERY, timeout=seconds)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    await asyncio.wait_for(left.wait(), PATIENCE)


METHODS = [
    f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods
]


@pytest.mark.parametrize("method", METHODS)
async def test_malformed_bytes_are_an_invalid_argument(service, method, caplog):
    async with refused() as caught:
        await service.channel.unary_unary(method)(b"\xff\xff\xff")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(caught.value, ErrorInfo).metadata == {"field": "request"}
    assert service.use_cases.asked == []
    assert caplog.records == []


@pytest.mark.parametrize("raw", [b"\x0a\x7fcut", b"\x0a\x02\xff\xfe"], ids=["cut", "not UTF-8"])
async def test_a_string_that_is_cut_or_no_text_is_an_invalid_argument(service, raw):
    async with refused() as caught:
        await service.channel.unary_unary(METHODS[0])(raw)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_bytes_are_an_empty_request(service):
    async with refused() as caught:
        await service.channel.unary_unary(METHODS[0])(b"")

    assert detail(caught.value, ErrorInfo).metadata == {"field": "context"}


async def test_an_unknown_method_is_unimplemented(service):
    async with refused() as caught:
        await service.channel.unary_unary("/bandit.v1.RoutingService/Guess")(b"")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_of_more_than_four_mebibytes_is_refused(service):
    async with refused() as caught:
        await service.channel.unary_unary(METHODS[0])(bytes(4 * 1024 * 1024 + 1))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert service.use_cases.asked == []


async def test_metadata_of_more_than_eight_kibibytes_is_refused(service):
    async with refused() as caught:
        await service.routing.Route(A_QUERY, metadata=(("x-more", "m" * 9000),))

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await service.routing.Route(A_QUERY, metadata=(("x-more", "m" * 6000),))
