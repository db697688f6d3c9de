"""Health, reflection, and the end of a server."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bandit_service.rpc.pb import policy_pb2, routing_pb2
from bandit_service.rpc.server import SERVICES, Health, build_server, stop
from tests.patience import PATIENCE
from tests.rpc.refusals import refused

A_QUERY = routing_pb2.RouteRequest(policy="chat", request_id="r1", text="What is it?")


NAMES = ["", *(service.full_name for service in SERVICES)]


@pytest.mark.parametrize("name", NAMES)
async def test_health_follows_the_life_of_the_server(service, name):
    check = health_pb2_grpc.HealthStub(service.channel).Check
    request = health_pb2.HealthCheckRequest(service=name)
    serving = health_pb2.HealthCheckResponse.SERVING
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING

    assert (await check(request)).status == not_serving
    await service.health.serving()
    assert (await check(request)).status == serving
    await service.health.not_serving()
    assert (await check(request)).status == not_serving


async def test_stopping_lets_calls_finish_and_turns_new_ones_away(service):
    entered, go_on = asyncio.Event(), asyncio.Event()
    route = service.use_cases.route

    async def slow(query, _left=None):
        entered.set()
        await go_on.wait()
        return await route(query)

    service.use_cases.route = slow
    call = asyncio.ensure_future(service.routing.Route(A_QUERY))
    await entered.wait()
    await service.health.serving()

    stopping = asyncio.create_task(stop(service.server, service.health, grace=PATIENCE))
    async with refused() as caught:
        while True:  # until the server has heard of it
            await service.policies.GetPolicy(policy_pb2.GetPolicyRequest(name="chat"))
    go_on.set()

    # gRPC answers CANCELLED to a call that crosses with its goodbye, and UNAVAILABLE after.
    refusals = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    assert caught.value.code() in refusals
    assert (await call).arm == "small"
    await stopping


async def test_reflection_lists_both_services(service):
    stub = reflection_pb2_grpc.ServerReflectionStub(service.channel)
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )

    listed = [each.name async for answer in call for each in answer.list_services_response.service]

    assert {service.full_name for service in SERVICES} <= set(listed)


async def test_reflection_is_off_unless_asked_for(service):
    server, port = build_server(*[service.use_cases] * 3, health=Health(), listen="127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        async with refused() as caught:
            async for _ in stub.ServerReflectionInfo(iter([])):
                pass

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(0)
