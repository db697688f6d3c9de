"""What operators see of budgets: the command, its pictures, and Prometheus' numbers."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.engine import Registry
from bandit_service.metrics import Metrics
from bandit_service.model import unpack
from tests.ledger.budgeted import Budgeted, a_budget
from tests.metrics.scraping import shown_by
from tests.service.running import running


@pytest.fixture
async def database(tmp_path):
    """Of a policy with two budgets and 30 decisions, of which 20 are paid; and those."""
    path = tmp_path / "bandit.db"
    async with running(path) as service:
        # Its decisions are of now, as the windows are.
        service.router._now = time.time
        service.journal._now = time.time
        made = Budgeted(service)
        await made.create(a_budget(2.0, requests=60), a_budget(40.0, name="daily", window=86_400.0))
        decisions = [await made.decide() for _ in range(30)]
        for number, decision in enumerate(decisions[:20]):
            await made.tell(decision, 0.001 * (number + 1))
    return f"sqlite:///{path}", decisions


def told(database: str, *more: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["budget", "--database", database, "--json", *more])
    assert result.exit_code == 0, result.output
    standings: list[dict[str, Any]] = json.loads(result.output)
    return standings


async def test_the_command_says_what_decisions_and_bills_add_up_to(database):
    url, decisions = database
    reserved = [unpack(one.spending).charges[0].reserved / 1e9 for one in decisions]
    bills = [0.001 * (number + 1) for number in range(20)]
    spent = sum(bills) + sum(reserved[20:])

    of_requests, daily = told(url)

    assert (of_requests["budget"], daily["budget"]) == ("usd", "daily")
    for one in (of_requests, daily):
        assert one["spent"] == pytest.approx(spent, rel=1e-9)
        assert one["reserved"] == pytest.approx(sum(reserved[20:]), rel=1e-9)
        assert one["remaining"] == pytest.approx(one["amount"] - spent, rel=1e-9)
        excess = sum(max(0.0, b - r) for b, r in zip(bills, reserved, strict=False))
        assert one["overrun"] == pytest.approx(excess, abs=1e-8)
        assert one["requests"] == 30
        assert one["history"][-1]["spent"] == pytest.approx(spent, rel=1e-9)
        assert len(one["history"]) == 30
        assert one["shadow_price"] == one["history"][-1]["shadow_price"] >= 0.0
    assert of_requests["elapsed"] == 0.5
    assert of_requests["pace"] == pytest.approx(spent / 1.0, rel=1e-9)
    assert of_requests["projection"] == pytest.approx(2 * spent, rel=1e-9)
    assert daily["end_time"] - daily["start_time"] == 86_400.0
    assert [one["spent"] for one in told(url, "chat")] == [one["spent"] for one in told(url)]


async def test_pictures_are_drawn_and_a_page_is_written(database, tmp_path):
    url, _ = database
    png, html = tmp_path / "budgets.png", tmp_path / "budgets.html"

    told(url, "--png", str(png), "--html", str(html))

    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = html.read_text()
    assert page.count("<svg") == 1
    assert "chat · daily" in page
    assert "<script" not in page


async def test_it_says_what_is_not_there(tmp_path, database):
    run = CliRunner().invoke
    url, _ = database
    nobody = run(app, ["budget", "nobody", "--database", url])
    assert nobody.exit_code != 0
    assert "no policy 'nobody'" in nobody.output
    table = run(app, ["budget", "--database", url])
    assert {"usd", "daily", "pace"} <= set(table.output.split())


async def test_without_budgets_there_is_nothing_to_draw(tmp_path):
    path = tmp_path / "empty.db"
    async with running(path) as service:
        await service.create()
    url = f"sqlite:///{path}"
    run = CliRunner().invoke
    assert run(app, ["budget", "--database", url]).output == "no budgets\n"
    drawn = run(app, ["budget", "--database", url, "--png", str(tmp_path / "x.png")])
    assert "there are no budgets to draw" in drawn.output


async def test_prometheus_is_shown_where_every_budget_stands(database, tmp_path):
    url, _ = database
    metrics = Metrics(Registry(), "127.0.0.1:0")
    try:
        async with running(Path(url.removeprefix("sqlite:///"))) as service:
            metrics.budgets.source = service.spending.numbers
            assert shown_by(metrics.registry).families["bandit_budget_spent_usd"].samples == []
            await service.spending.renew()
            seen = shown_by(metrics.registry)
            window = service.store.ledger.latest(service.engine().identity.id)[0]
            labels = {"policy": "chat", "budget": "usd"}
            assert seen.value("bandit_budget_amount_usd", **labels) == 2.0
            assert seen.value("bandit_budget_spent_usd", **labels) == window.spent / 1e9
            assert seen.value("bandit_budget_reserved_usd", **labels) == window.reserved / 1e9
            assert seen.value("bandit_budget_overrun_usd", **labels) == window.overrun / 1e9
            assert seen.value("bandit_budget_leased_usd", **labels) == window.leased / 1e9
            assert seen.value("bandit_budget_shadow_price_per_usd", **labels) is None
            assert seen.families["bandit_budget_spent_joules"].samples == []
            await service.decide()
            seen = shown_by(metrics.registry)
            assert (seen.value("bandit_budget_shadow_price_per_usd", **labels) or 0.0) >= 0.0
            assert seen.value("bandit_budget_spent_usd", **labels) > window.spent / 1e9
    finally:
        metrics.stop()
