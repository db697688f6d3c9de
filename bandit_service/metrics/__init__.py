"""Numbers for Prometheus: what is counted, what is asked for, and the page that shows them.

docs/operations.md says of each what is normal and what to do when it is not.
"""

import asyncio
import platform

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from bandit_service import __version__
from bandit_service.engine import Registry
from bandit_service.metrics.budgets import BudgetMetrics
from bandit_service.metrics.calls import CallMetrics
from bandit_service.metrics.challengers import ChallengerMetrics
from bandit_service.metrics.feedback import FeedbackMetrics
from bandit_service.metrics.labels import Labels
from bandit_service.metrics.loop import LoopMetrics
from bandit_service.metrics.page import MetricsRefused, Page
from bandit_service.metrics.sources import SourceMetrics, Sources
from bandit_service.metrics.writer import WriterMetrics

__all__ = ["Metrics", "MetricsRefused"]


class Metrics:
    """All numbers of one service, in a registry of its own, and their page at `address`.

    calls, writer  are told of what happens (see `watching`)
    sources        are asked; whoever has a number to show sets one
    budgets        is asked too

    Raises MetricsRefused if the page cannot be where it is to `listen`.
    """

    def __init__(self, engines: Registry, listen: str) -> None:
        self.registry = registry = CollectorRegistry()
        labels = Labels(registry)
        self.calls = CallMetrics(registry, labels)
        self.writer = WriterMetrics(registry, FeedbackMetrics(registry, labels, engines))
        self.budgets = BudgetMetrics(registry, labels)
        ChallengerMetrics(registry, labels, engines)
        self._loop = LoopMetrics(registry)
        self.sources: Sources = SourceMetrics(registry, labels).sources
        self.sources.applied_positions = lambda: {
            engine.identity.name: engine.position for engine in list(engines.by_name.values())
        }
        build = Info("bandit_build", "The program that runs.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._page = Page(listen, registry, self._loop.is_alive)
        self.address = self._page.address

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Shows the page, and watches the loop."""
        self._loop.start(loop)
        self._page.start()

    def stop(self) -> None:
        self._loop.stop()
        self._page.stop()
