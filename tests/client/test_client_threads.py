"""Many threads on one client."""

import threading
import time
from collections.abc import Callable

import grpc

from bandit_service.client import BanditRpcError
from tests.patience import PATIENCE


def test_threads_share_a_client_and_get_each_their_own_answer(client, service):
    service.gate.clear()
    answers: dict[str, str] = {}

    def ask(query: str) -> None:
        answers[query] = client.route(query).decision_id

    threads = [threading.Thread(target=ask, args=(f"q{i}",)) for i in range(100)]
    start(threads[:2], lambda: service.calls["Route"] == 2)
    start(threads[2:], lambda: len(client._routes._queue) == 98)
    service.gate.set()
    for thread in threads:
        thread.join()

    assert answers == {f"q{i}": f"decision-of-q{i}" for i in range(100)}
    assert len(service.routed) == 100
    assert service.calls == {"Route": 2, "BatchRoute": 2}  # of 64 and 34


def test_a_thread_that_gives_up_takes_nobody_with_it(client, service):
    """Its call waits behind two that are in flight; the one after it is still answered."""
    service.gate.clear()
    outcomes: dict[str, object] = {}

    def ask(query: str, timeout: float) -> None:
        try:
            outcomes[query] = client.route(query, timeout=timeout).arm
        except BanditRpcError as error:
            outcomes[query] = error.code

    waits = [("a", PATIENCE), ("b", PATIENCE), ("hasty", 0.1), ("c", PATIENCE)]
    threads = [threading.Thread(target=ask, args=wait) for wait in waits]
    start(threads[:2], lambda: service.calls["Route"] == 2)
    start(threads[2:], lambda: "hasty" in outcomes)
    service.gate.set()
    for thread in threads:
        thread.join()

    late = grpc.StatusCode.DEADLINE_EXCEEDED
    assert outcomes == {"a": "small", "b": "small", "hasty": late, "c": "small"}


def test_the_thread_that_sends_for_others_may_have_no_time_left_to_do_so(client, service):
    """A batch ends with its oldest call's deadline; the younger ones in it try again."""
    service.gate.clear()
    service.stuck.add("BatchRoute")
    outcomes: dict[str, object] = {}

    def ask(query: str, timeout: float) -> None:
        try:
            outcomes[query] = client.route(query, timeout=timeout).arm
        except BanditRpcError as error:
            outcomes[query] = error.code

    def queued(count: int) -> bool:
        """Or the leader's time was over before: then there is nothing to lead."""
        return len(client._routes._queue) == count or "leader" in outcomes

    waits = [("a", PATIENCE), ("b", PATIENCE), ("leader", 0.5), ("patient", PATIENCE)]
    threads = [threading.Thread(target=ask, args=wait) for wait in waits]
    start(threads[:2], lambda: service.calls["Route"] == 2)
    start(threads[2:3], lambda: queued(1))
    start(threads[3:], lambda: queued(2))
    service.gate.set()
    for thread in threads:
        thread.join()

    assert outcomes["leader"] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert outcomes["patient"] == "small"


def start(threads: list[threading.Thread], true: Callable[[], bool]) -> None:
    """Starts them, and waits for what they bring about."""
    for thread in threads:
        thread.start()
    while not true():
        time.sleep(0.002)
