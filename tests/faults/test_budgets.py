"""G8: three replicas share a budget while they are killed and their database goes away.

Costs are random, with a tail that no estimate covers; a fifth of the bills never comes. All the
while somebody looks at the ledger, and in the end every decision is counted again, one by one.
"""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psycopg
import pytest

from bandit_service.ledger.booking import charges_of, taken
from bandit_service.model import BudgetWindow, Kind, Resource, from_units
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub
from bandit_service.store import open_log_reader, open_store
from tests.faults.effort import effort, seeded, write_counts
from tests.faults.processes import Service, services
from tests.servers import policy_file

KILLS = effort(6, 150)
OUTAGES = effort(2, 40)
CALLERS = 6
AMOUNT = 0.6  # dollars; more than that would be spent without it
TYPICAL = {"small": 0.0004, "large": 0.004}  # dollars a call, about

POLICY = f"""
name: chat
features: {{vector: {{dimension: 3}}}}
algorithm: {{name: uniform}}
floor: 0.0
arms:
  - {{name: small, input_usd_per_million_tokens: 0.4, output_usd_per_million_tokens: 0.4}}
  - {{name: large, input_usd_per_million_tokens: 4, output_usd_per_million_tokens: 4}}
budgets:
  - {{resource: usd, amount: {AMOUNT}, requests: 1000000, when_exhausted: refuse}}
"""


@dataclass
class Told:
    """What callers were answered."""

    decisions: int = 0
    refused: int = 0
    bills: dict[str, float] = field(default_factory=dict)  # acknowledged, by decision
    looks: int = 0
    problems: list[str] = field(default_factory=list)
    is_over: bool = False


async def call(addresses: list[str], told: Told, luck: random.Random, name: str) -> None:
    """One caller: a query, and mostly its bill, sent until it is taken."""
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    channels = [grpc.aio.insecure_channel(each, options=options) for each in addresses]
    stubs = [RoutingServiceStub(channel) for channel in channels]
    number = 0
    while not told.is_over:
        query = pb.RouteRequest(policy="chat")
        query.vector.values.extend((0.1, 0.2, 0.3))
        try:
            choice = await luck.choice(stubs).Route(query, timeout=2.0)
        except grpc.aio.AioRpcError as error:
            told.refused += error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            await asyncio.sleep(0.01)
            continue
        told.decisions += 1
        if luck.random() < 0.2:
            continue
        number += 1
        cost = TYPICAL[choice.arm] * luck.lognormvariate(0.0, 1.2)
        bill = pb.FeedbackRequest(decision_id=choice.decision_id, feedback_id=f"{name}-{number}")
        bill.usage.cost_usd = cost
        for _ in range(200):
            try:
                await luck.choice(stubs).Feedback(bill, timeout=2.0)
                told.bills[choice.decision_id] = cost
                break
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    break  # decided from memory by a replica that was killed: it is lost
                await asyncio.sleep(0.05)
    for channel in channels:
        await channel.close()


@contextmanager
def watched(url: str, told: Told) -> Iterator[None]:
    """Looks at every budget as often as it can."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            try:
                for window in windows(url):
                    told.looks += 1
                    if window.leased + window.reserved + window.settled > window.amount:
                        told.problems.append(f"more than there is: {window}")
                    if min(window.leased, window.reserved, window.settled, window.overrun) < 0:
                        told.problems.append(f"less than nothing: {window}")
            except Exception:  # noqa: BLE001, S112 - the database is away just then
                continue

    thread = threading.Thread(target=look)
    thread.start()
    yield
    ended.set()
    thread.join()


def windows(url: str) -> list[BudgetWindow]:
    reader = open_log_reader(url)
    try:
        return reader.windows(reader.policy("chat")[0].id)
    finally:
        reader.close()


async def an_outage(server: str, name: str, luck: random.Random) -> None:
    """Nobody gets in, and whoever is in is thrown out."""

    def shut(is_open: bool) -> None:
        with psycopg.connect(server, autocommit=True) as administrator:
            administrator.execute(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(is_open).lower()}".encode()
            )
            if not is_open:
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )

    await asyncio.to_thread(shut, False)
    await asyncio.sleep(luck.uniform(0.5, 1.5))
    await asyncio.to_thread(shut, True)


async def trouble(
    trio: list[Service], server: str, name: str, told: Told, luck: random.Random
) -> None:
    for service in trio:
        await asyncio.to_thread(service.start)
    addresses = [service.address for service in trio]
    callers = [
        asyncio.create_task(call(addresses, told, random.Random(luck.random()), f"c{i}"))
        for i in range(CALLERS)
    ]
    order = ["kill"] * KILLS + ["outage"] * OUTAGES
    luck.shuffle(order)
    for what in order:
        await asyncio.sleep(luck.uniform(0.1, 0.6))
        if what == "outage":
            await an_outage(server, name, luck)
        else:
            victim = luck.choice(trio)
            await asyncio.to_thread(victim.kill)
            await asyncio.to_thread(victim.start)
    told.is_over = True
    await asyncio.gather(*callers)
    for service in trio:
        await asyncio.to_thread(service.terminate)


def counted_again(url: str) -> tuple[int, int, int, dict[str, float]]:
    """In units: what stored decisions count for, the excess of their bills over what they
    reserved; how many there are, and their bills in dollars."""
    reader = open_log_reader(url)
    counts = excess = number = 0
    bills: dict[str, float] = {}
    for page in reader.pages(reader.policy("chat")[0].id, 0.0, 1e11):
        for decision in page.decisions:
            number += 1
            (charge,) = charges_of(decision)
            told = [o for o in page.outcomes[decision.id] if o.kind is Kind.USAGE]
            known = taken(told[-1].usage, Resource.USD) if told else None
            counts += charge.reserved if known is None else known
            excess += 0 if known is None else max(0, known - charge.reserved)
            if known is not None:
                bills[decision.id] = from_units(Resource.USD, known)
    reader.close()
    return counts, excess, number, bills


@pytest.fixture
def budgeted(tmp_path: Path) -> str:
    return str(policy_file(tmp_path, POLICY))


@pytest.mark.timeout(3_600)
def test_no_kill_and_no_outage_spends_more_than_there_is_or_hides_what_was(
    nursery, budgeted, postgres_server, postgres_databases, request
):
    url = postgres_databases("migrated")
    name, told = url.partition("?")[0].rpartition("/")[2], Told()
    with (
        seeded(request.node.name) as luck,
        services(nursery, url, "--policy", budgeted, count=3) as trio,
        watched(url, told),
    ):
        asyncio.run(trouble(trio, postgres_server.get_uri(), name, told, luck))

    (window,) = windows(url)
    counts, excess, decisions, bills = counted_again(url)
    assert told.problems == []
    assert told.looks > KILLS
    assert told.refused > 0  # it was exhausted, time and again
    # What no stored decision accounts for is what the killed had leased: it counts as spent.
    everything = window.leased + window.reserved + window.settled + window.overrun
    lost = everything - counts
    assert lost >= window.leased
    assert window.overrun == excess
    assert sum(bills.values()) <= AMOUNT + from_units(Resource.USD, window.overrun)
    forgotten = [one for one in told.bills if abs(bills.get(one, 0.0) - told.bills[one]) > 1e-8]
    assert forgotten == []
    # And when the last lease has run out, nothing has come back by itself.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE budget_lease SET until = until - 1200")
    store = open_store(url)
    store.ledger.sweep()
    store.close()
    (after,) = windows(url)
    assert after.leased == 0
    assert after.reserved + after.settled + after.overrun == everything
    write_counts(
        f"test_budgets::{request.node.name}",
        kills=KILLS,
        failures=OUTAGES,
        acknowledged=len(told.bills),
        lost=len(forgotten),
        decisions=decisions,
        refused=told.refused,
        looks=told.looks,
        overrun_reported_usd=round(from_units(Resource.USD, window.overrun), 9),
        overrun_counted_usd=round(from_units(Resource.USD, excess), 9),
        held_by_the_dead_usd=round(from_units(Resource.USD, lost), 9),
    )
