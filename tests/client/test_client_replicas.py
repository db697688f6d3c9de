"""Several replicas behind one client: each gets its share, and one that goes is not missed."""

import contextlib
import time

from bandit_service.client import Client
from bandit_service.rpc.pb import routing_pb2_grpc
from tests.client.fake_service import FakeRouting, served
from tests.patience import PATIENCE


def a_replica(stack: contextlib.ExitStack) -> tuple[FakeRouting, str]:
    replica = FakeRouting()
    address = stack.enter_context(
        served(lambda to: routing_pb2_grpc.add_RoutingServiceServicer_to_server(replica, to))
    )
    return replica, address


def test_calls_are_spread_and_go_on_when_a_replica_leaves():
    with contextlib.ExitStack() as stays, contextlib.ExitStack() as leaves:
        first, its_address = a_replica(stays)
        second, other_address = a_replica(leaves)
        both = f"ipv4:{its_address},{other_address}"
        with Client(both, policy="chat", timeout=PATIENCE) as client:
            until = time.monotonic() + PATIENCE
            while not (first.routed and second.routed):  # until both are connected
                assert time.monotonic() < until, "one of them gets no calls"
                client.route("hello")
            before = len(first.routed), len(second.routed)
            for _ in range(20):
                client.route("hello")
            assert len(first.routed) - before[0] == len(second.routed) - before[1] == 10

            leaves.close()
            heard = len(first.routed)
            for _ in range(10):
                client.route("hello")

            assert len(first.routed) == heard + 10
