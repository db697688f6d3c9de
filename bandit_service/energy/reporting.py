"""Sends each call's joules to the service, from a thread of its own, again while it is away."""

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bandit_service.energy.agent import Delivery
from bandit_service.model import CallEnergy, EnergySource

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
MOST_REMEMBERED = 10_000  # decisions whose calls are summed
RETRY_SECONDS = 1.0

_ORDER = list(EnergySource)


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """The joules of one decision's calls to one arm, as far as they are known.

    `feedback_id` is the same whenever it is sent again. `token` came with the decision.
    """

    feedback_id: str
    decision_id: str
    arm: str
    energy_joules: float
    energy_source: EnergySource
    token: bytes = b""


class Refused(Exception):
    """The service does not want a report, now or ever."""


class Away(Exception):
    """The service cannot be reached now."""


class Reporter:
    """Reports calls to `send`, which raises Refused or Away.

    A decision may have several calls to one arm (a retry): their joules are summed. If one of
    them is not known, neither is the sum, and nothing more is sent.
    """

    def __init__(self, send: Callable[[EnergyReport], None]) -> None:
        self.delivery = Delivery()
        self._send = send
        self._waiting: queue.SimpleQueue[EnergyReport | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # for the sums, their order in the queue, and the counts
        self._sums: OrderedDict[tuple[str, str], EnergyReport | None] = OrderedDict()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter reports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Sends what is waiting, for at most `patience` seconds."""
        self._waiting.put(None)
        self._thread.join(patience)
        self._stop.set()
        self._thread.join(patience)

    def add(self, call: CallEnergy) -> None:
        """From any thread; never blocks. What is not known is not reported."""
        with self._lock:
            report = self._summed(call)
            if report is None:
                return
            is_full = self.delivery.waiting >= MOST_WAITING
            if not is_full:
                self.delivery.waiting += 1
                self._waiting.put(report)
        if is_full:
            self._lose(report, f"{MOST_WAITING} reports are waiting already")

    def _summed(self, call: CallEnergy) -> EnergyReport | None:
        key = call.decision_id, call.arm
        is_first = key not in self._sums
        before = self._sums.pop(key, None)
        report = None
        if call.energy_joules is not None and call.energy_source is not None:
            if is_first:
                report = _report(call, call.energy_joules, call.energy_source)
            elif before is not None:
                source = max(before.energy_source, call.energy_source, key=_ORDER.index)
                report = _report(call, before.energy_joules + call.energy_joules, source)
        self._sums[key] = report
        while len(self._sums) > MOST_REMEMBERED:
            self._sums.popitem(last=False)
        return report

    def _run(self) -> None:
        while (report := self._waiting.get()) is not None:
            self._deliver(report)
            with self._lock:
                self.delivery.waiting -= 1

    def _deliver(self, report: EnergyReport) -> None:
        is_away = False
        while True:
            try:
                self._send(report)
                with self._lock:
                    self.delivery.sent += 1
                return
            except Refused as error:
                self._lose(report, str(error))
                return
            except Away as error:
                if not is_away:
                    log.warning("reports of energy wait: %s", error)
                is_away = True
            if self._stop.wait(RETRY_SECONDS):
                self._lose(report, "the meter was stopped before the service came back")
                return

    def _lose(self, report: EnergyReport, why: str) -> None:
        with self._lock:
            self.delivery.lost += 1
        log.warning("the energy of decision %s was not recorded: %s", report.decision_id, why)


def _report(call: CallEnergy, joules: float, source: EnergySource) -> EnergyReport:
    # The call that completes the sum names it.
    feedback_id = f"energy-{call.call_id}"[:128]
    return EnergyReport(feedback_id, call.decision_id, call.arm, joules, source, call.token)
