"""What is sent to the service, how often, and what becomes of it."""

import threading

import msgspec
import pytest

from bandit_service.energy import reporting
from bandit_service.energy.reporting import Away, EnergyReport, Refused, Reporter
from bandit_service.model import CallEnergy, EnergySource
from tests.energy.waiting import until
from tests.patience import PATIENCE

MEASURED, SAMPLED, ESTIMATED = EnergySource


def a_call(name: str, joules: float | None, source=MEASURED, decision="d1", arm="m") -> CallEnergy:
    known = None if joules is None else source
    return CallEnergy(name, decision, arm, ("a",), 0.0, 1.0, joules, known)


class Service:
    """Takes reports; fails as `faults` say, first one first."""

    def __init__(self) -> None:
        self.heard: list[EnergyReport] = []
        self.faults: list[Exception] = []

    def __call__(self, report: EnergyReport) -> None:
        self.heard.append(report)
        if self.faults:
            raise self.faults.pop(0)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def reporter(service, monkeypatch):
    monkeypatch.setattr(reporting, "RETRY_SECONDS", 0.01)
    reporter = Reporter(service)
    reporter.start()
    yield reporter
    reporter.stop(PATIENCE)


def test_a_call_is_sent_once_with_its_source(reporter, service) -> None:
    reporter.add(a_call("c1", 12.5, SAMPLED))
    until(lambda: reporter.delivery.sent == 1)

    assert service.heard == [EnergyReport("energy-c1", "d1", "m", 12.5, SAMPLED)]
    until(lambda: reporter.delivery.waiting == 0)


def test_the_token_of_the_decision_goes_with_it(reporter, service) -> None:
    """Of several calls for one decision any has it: it is the decision's."""
    for name in ("c1", "c2"):
        reporter.add(msgspec.structs.replace(a_call(name, 2.0), token=b"proof"))
    until(lambda: reporter.delivery.sent == 2)

    assert [(one.token, one.energy_joules) for one in service.heard] == [
        (b"proof", 2.0),
        (b"proof", 4.0),
    ]


def test_what_is_not_known_is_not_sent(reporter, service) -> None:
    reporter.add(a_call("c1", None))
    reporter.add(a_call("c2", 0.0, decision="d2"))
    until(lambda: reporter.delivery.sent == 1)

    assert [report.decision_id for report in service.heard] == ["d2"]  # zero is a number


def test_while_the_service_is_away_it_is_sent_again_under_the_same_id(reporter, service) -> None:
    service.faults = [Away("gone"), Away("gone")]
    reporter.add(a_call("c1", 12.5))
    until(lambda: reporter.delivery.sent == 1)

    assert [report.feedback_id for report in service.heard] == ["energy-c1"] * 3
    assert reporter.delivery.lost == 0


def test_what_is_refused_is_counted_and_not_sent_again(reporter, service, caplog) -> None:
    service.faults = [Refused("no decision 'd1'")]
    reporter.add(a_call("c1", 12.5))
    reporter.add(a_call("c2", 1.0, decision="d2"))
    until(lambda: reporter.delivery.sent == 1)

    assert [report.feedback_id for report in service.heard] == ["energy-c1", "energy-c2"]
    assert reporter.delivery.lost == 1
    assert "no decision 'd1'" in caplog.text


def test_calls_of_one_decision_are_summed_with_the_worse_source(reporter, service) -> None:
    reporter.add(a_call("c1", 10.0, ESTIMATED))
    reporter.add(a_call("c2", 2.5, MEASURED))
    reporter.add(a_call("c3", 1.0, arm="other"))
    until(lambda: reporter.delivery.sent == 3)

    assert service.heard[1] == EnergyReport("energy-c2", "d1", "m", 12.5, ESTIMATED)
    assert service.heard[2] == EnergyReport("energy-c3", "d1", "other", 1.0, MEASURED)


def test_a_sum_with_an_unknown_part_is_unknown(reporter, service) -> None:
    reporter.add(a_call("c1", None))
    reporter.add(a_call("c2", 2.5))
    reporter.add(a_call("c3", 1.0, decision="d2"))
    until(lambda: reporter.delivery.sent == 1)

    assert [report.decision_id for report in service.heard] == ["d2"]


def test_calls_that_settle_on_many_threads_are_summed_right(reporter, service) -> None:
    def settle(thread: int) -> None:
        for number in range(200):
            reporter.add(a_call(f"c{thread}-{number}", 1.0))

    threads = [threading.Thread(target=settle, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    until(lambda: reporter.delivery.sent == 800 and reporter.delivery.waiting == 0)

    assert [report.energy_joules for report in service.heard] == list(range(1, 801))


def test_too_many_waiting_are_lost_and_said(service, monkeypatch, caplog) -> None:
    monkeypatch.setattr(reporting, "MOST_WAITING", 2)
    reporter = Reporter(service)  # not started
    for number in range(3):
        reporter.add(a_call(f"c{number}", 1.0, decision=f"d{number}"))

    assert (reporter.delivery.waiting, reporter.delivery.lost) == (2, 1)
    assert "decision d2 was not recorded" in caplog.text


def test_stopping_sends_what_waits_and_gives_up_on_a_service_that_is_away(caplog) -> None:
    asked = threading.Event()

    def away(report: EnergyReport) -> None:
        asked.set()
        raise Away("gone")

    reporter = Reporter(away)
    reporter.start()
    reporter.add(a_call("c1", 1.0))
    assert asked.wait(PATIENCE)
    reporter.stop(0.05)

    until(lambda: reporter.delivery.lost == 1)
    assert "stopped before the service came back" in caplog.text
