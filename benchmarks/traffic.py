"""What the wire benchmarks send: policies, queries and feedback of one made-up application."""

import array
import asyncio
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from bandit_service.rpc.pb import routing_pb2 as pb

ROUTE = "/bandit.v1.RoutingService/Route"
BATCH_ROUTE = "/bandit.v1.RoutingService/BatchRoute"
BATCH_FEEDBACK = "/bandit.v1.RoutingService/BatchFeedback"

DIM, ARMS, BATCH = 32, 8, 64
TEXT = "Write a python function that returns the n-th Fibonacci number, and explain its complexity."
ALGORITHMS = ("linucb", "linear_thompson", "hierarchical_thompson")


def route_request(policy: str) -> bytes:
    """A query with a vector, as it goes over the wire."""
    luck = random.Random(7)
    vector = array.array("d", [luck.gauss(0, DIM**-0.5) for _ in range(DIM)])
    return pb.RouteRequest(policy=policy, packed_vector=vector.tobytes()).SerializeToString()


def teach(port: int, policy: str) -> None:
    """2,000 pieces of feedback: what is measured is a policy that has learned something."""
    luck = random.Random(3)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        route = channel.unary_unary(
            BATCH_ROUTE,
            request_serializer=pb.BatchRouteRequest.SerializeToString,
            response_deserializer=pb.BatchRouteResponse.FromString,
        )
        send = channel.unary_unary(
            BATCH_FEEDBACK,
            request_serializer=pb.BatchFeedbackRequest.SerializeToString,
            response_deserializer=pb.BatchFeedbackResponse.FromString,
        )
        for _ in range(4):
            asked = []
            for _ in range(500):
                vector = array.array("d", [luck.gauss(0, DIM**-0.5) for _ in range(DIM)])
                asked.append(pb.RouteRequest(policy=policy, packed_vector=vector.tobytes()))
            given = []
            for result in route(pb.BatchRouteRequest(requests=asked)).results:
                chance = 0.4 + 0.05 * int(result.response.arm[-1])
                given.append(
                    pb.FeedbackRequest(
                        decision_id=result.response.decision_id, success=luck.random() < chance
                    )
                )
            send(pb.BatchFeedbackRequest(requests=given))


def policy_files(folder: Path) -> list[Path]:
    """One policy an algorithm, and one that takes text."""
    arms = [{"name": f"arm-{number}"} for number in range(ARMS)]
    vector = {"vector": {"dimension": DIM}}
    configs: list[dict[str, Any]] = [
        {"name": name, "algorithm": {"name": name}, "features": vector, "arms": arms}
        for name in ALGORITHMS
    ]
    configs.append({"name": "text", "arms": arms})
    files = []
    for config in configs:
        files.append(folder / f"{config['name']}.yaml")
        files[-1].write_text(json.dumps(config))  # JSON is YAML
    return files


async def feedback_rate(port: int, rows: int) -> float:
    """Rows a second, 512 a call and four calls in flight; every decision gets its first."""
    luck = random.Random(1)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        route = channel.unary_unary(
            BATCH_ROUTE,
            request_serializer=pb.BatchRouteRequest.SerializeToString,
            response_deserializer=pb.BatchRouteResponse.FromString,
        )
        send = channel.unary_unary(
            BATCH_FEEDBACK,
            request_serializer=lambda raw: raw,
            response_deserializer=pb.BatchFeedbackResponse.FromString,
        )
        bodies = []
        for _ in range(rows // 512):
            asked = [pb.RouteRequest.FromString(route_request("linucb")) for _ in range(512)]
            results = (await route(pb.BatchRouteRequest(requests=asked))).results
            given = [
                pb.FeedbackRequest(
                    decision_id=result.response.decision_id,
                    success=luck.random() < 0.5,
                    usage=pb.Usage(cost_usd=0.001),
                )
                for result in results
            ]
            bodies.append(pb.BatchFeedbackRequest(requests=given).SerializeToString())
        started = time.perf_counter()
        answers = await _in_turn(send, bodies)
        seconds = time.perf_counter() - started
    if any(result.HasField("error") for answer in answers for result in answer.results):
        raise RuntimeError("feedback was refused")
    return rows / seconds


async def _in_turn(send: Callable[[bytes], Any], bodies: list[bytes]) -> list[Any]:
    """Four calls in flight at any time."""
    free = asyncio.Semaphore(4)

    async def one(body: bytes) -> Any:
        async with free:
            return await send(body)

    return await asyncio.gather(*map(one, bodies))
