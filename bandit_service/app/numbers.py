"""Connects the numbers that are shown with what knows them."""

import time

from bandit_service.engine import Registry
from bandit_service.jobs import Jobs
from bandit_service.journal import MOST_WAITING, Journal
from bandit_service.metrics import Metrics
from bandit_service.model import Checkpoint
from bandit_service.spending import Spending


def watch(
    metrics: Metrics, journal: Journal, jobs: Jobs, registry: Registry, spending: Spending
) -> None:
    """A line for each that has numbers to show."""
    sources, following = metrics.sources, journal.following
    sources.queued_rows = journal.rows_under_way
    sources.queue_limit_rows = lambda: MOST_WAITING
    sources.buffered_decisions = lambda: len(journal.backlog)
    sources.head_positions = lambda: {name: one.head for name, one in following.all().items()}
    sources.staleness_seconds = lambda: {
        name: one.staleness_seconds
        for name, one in following.all().items()
        if one.staleness_seconds is not None
    }

    def newest() -> dict[str, Checkpoint]:
        known = dict(registry.by_id)
        found = dict(jobs.newest).items()
        return {known[i].identity.name: one for i, one in found if i in known}

    sources.checkpoint_ages_seconds = lambda: {
        name: time.time() - one.create_time for name, one in newest().items()
    }
    sources.checkpoint_sizes_bytes = lambda: {name: one.size for name, one in newest().items()}
    sources.checkpoint_failures = jobs.failures
    metrics.budgets.source = spending.numbers
