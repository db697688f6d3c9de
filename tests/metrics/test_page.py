"""The page itself: where it listens, whom it waits for, and what does not stop it."""

import asyncio
import socket
import threading
import time
import urllib.error

import pytest
from prometheus_client import CollectorRegistry, Gauge

from bandit_service.engine import Registry
from bandit_service.metrics import Metrics, MetricsRefused, loop, page
from bandit_service.metrics.page import Page
from tests.metrics.scraping import scraped
from tests.patience import PATIENCE

HANGING = b"GET /metrics HTTP/1.0\r\n"  # and then nothing


@pytest.fixture
def registry():
    made = CollectorRegistry()
    Gauge("bandit_answer", "Of everything.", registry=made).set(42)
    return made


@pytest.fixture
def shown(registry):
    """A page that can be read, of a loop that lives."""
    made = Page("127.0.0.1:0", registry, lambda: True)
    made.start()
    yield made
    made.stop()


def connected(to: Page) -> socket.socket:
    host, _, port = to.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


@pytest.mark.parametrize("accept", ["", "text/plain;version=0.0.4", "application/openmetrics-text"])
def test_it_shows_the_registry(shown, accept):
    assert (
        scraped(f"http://{shown.address}/metrics", {"Accept": accept}).value("bandit_answer") == 42
    )


def test_the_times_of_creation_are_left_out(metrics):
    metrics._page.start()
    metrics.calls.method("Route")("OK", 0.1)

    seen = scraped(f"http://{metrics.address}/metrics")

    assert seen.value("bandit_calls_total", method="Route", code="OK") == 1
    assert [name for name in seen.families if "_created" in name] == []


def test_it_answers_two_addresses_and_no_other(shown):
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        scraped(f"http://{shown.address}/")
    caught.value.close()


def test_it_takes_nothing(shown):
    with connected(shown) as line:
        line.sendall(b"POST /metrics HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")
        assert b" 501 " in line.recv(100)


def test_the_page_of_a_loop_that_hangs_says_so(registry):
    state = {"alive": True}
    made = Page("127.0.0.1:0", registry, lambda: state["alive"])
    made.start()
    try:
        url = f"http://{made.address}/healthz"
        with connected(made) as line:
            line.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b" 200 " in line.recv(100)
        state["alive"] = False
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            scraped(url)
        caught.value.close()
    finally:
        made.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_port_in_use_is_refused_aloud(host, registry):
    try:
        first = Page(f"{host}:0", registry, lambda: True)
    except MetricsRefused:
        assert host == "[::1]"  # a machine without IPv6
        return
    try:
        with pytest.raises(MetricsRefused, match=r"cannot show metrics on .+: it is in use"):
            Page(first.address, registry, lambda: True)
    finally:
        first.stop()


def test_a_port_is_free_again_after_a_stop(registry):
    first = Page("127.0.0.1:0", registry, lambda: True)
    first.start()
    scraped(f"http://{first.address}/metrics")
    first.stop()

    second = Page(first.address, registry, lambda: True)

    second.stop()


def test_readers_that_hang_keep_nobody_out_for_good(registry, monkeypatch):
    monkeypatch.setattr(page, "MOST_READERS", 2)
    assert page._Handler.timeout == page.READER_SECONDS
    monkeypatch.setattr(page._Handler, "timeout", 0.2)
    made = Page("127.0.0.1:0", registry, lambda: True)
    made.start()
    lines = [connected(made) for _ in range(5)]
    try:
        for line in lines:
            line.sendall(HANGING)
        for line in lines:
            assert line.recv(100) == b""  # its time is up, or there was no thread for it
        assert scraped(f"http://{made.address}/metrics").value("bandit_answer") == 42
    finally:
        for line in lines:
            line.close()
        made.stop()


def test_a_stop_waits_for_nobody_who_hangs(registry):
    made = Page("127.0.0.1:0", registry, lambda: True)
    made.start()
    with connected(made) as line:
        line.sendall(HANGING)
        until = time.monotonic() + PATIENCE
        while not any("process_request" in one.name for one in threading.enumerate()):
            assert time.monotonic() < until, "nobody reads what it asks"
        began = time.monotonic()
        made.stop()

        assert time.monotonic() - began < page.READER_SECONDS
        with pytest.raises(OSError, match="refused"):
            connected(made)


def test_two_services_in_one_process_share_no_number():
    first, second = (Metrics(Registry(), "127.0.0.1:0") for _ in range(2))
    try:
        first._page.start()
        second._page.start()
        first.calls.method("Route")("OK", 0.001)
        first.sources.queued_rows = lambda: 5

        seen = [scraped(f"http://{one.address}/metrics") for one in (first, second)]

        assert [s.value("bandit_writer_queue_rows") for s in seen] == [5, None]
        named = {"method": "Route", "code": "OK"}
        assert [s.value("bandit_calls_total", **named) for s in seen] == [1, None]
    finally:
        first.stop()
        second.stop()


async def test_the_loop_is_seen_to_be_late(metrics, monkeypatch):
    monkeypatch.setattr(loop, "INTERVAL_SECONDS", 0.01)
    metrics.start(asyncio.get_running_loop())

    async def beats(**bucket: str) -> float:
        seen = await asyncio.to_thread(scraped, f"http://{metrics.address}/metrics")
        series = "bandit_event_loop_lag_seconds_" + ("bucket" if bucket else "count")
        return seen.value(series, **bucket) or 0.0

    while await beats() < 2:
        pass
    late = await beats() - await beats(le="0.2")
    time.sleep(0.25)  # noqa: ASYNC251 - holds the loop up, as nothing should
    while await beats() - await beats(le="0.2") <= late:
        pass


async def test_a_loop_that_does_not_come_back_is_dead(metrics, monkeypatch):
    assert metrics._loop.is_alive()  # it has not been started
    metrics.start(asyncio.get_running_loop())
    assert metrics._loop.is_alive()

    monkeypatch.setattr(loop, "DEAD_SECONDS", -1000.0)

    assert not metrics._loop.is_alive()
