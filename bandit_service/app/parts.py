"""The parts behind the door, and how each gets what it needs."""

import asyncio
import logging
import os
import socket
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bandit_service.administration import Administrator
from bandit_service.app.numbers import watch
from bandit_service.checkpoints import Keeper, Seal, read_keys
from bandit_service.configuration import Shape
from bandit_service.engine import Registry
from bandit_service.errors import RefusedByDatabase, StoreUnavailable
from bandit_service.evaluation.challengers.judging import judge
from bandit_service.features import features_of
from bandit_service.following import Limits
from bandit_service.jobs import Jobs
from bandit_service.journal import Journal
from bandit_service.metrics import Metrics
from bandit_service.model import Features
from bandit_service.ports import LogReader, Store
from bandit_service.retention import Keep
from bandit_service.rolling_back import RollingBack
from bandit_service.settings import Settings
from bandit_service.spending import Spending
from bandit_service.store import open_log_reader, open_store
from bandit_service.watching import UNWATCHED

log = logging.getLogger(__name__)

# What a caller waits for the database at most; the writer itself may hang longer.
COMMIT_SECONDS = 5.0
# What is not durable when all calls have ended gets so long to become so.
FLUSH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is begun and closed with the server."""

    registry: Registry
    metrics: Metrics | None
    store: Store
    history: LogReader
    journal: Journal
    spending: Spending
    administrator: Administrator
    jobs: Jobs

    async def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Loads every policy, and starts the writer and the jobs."""
        self.journal.load()
        self.journal.start(loop)
        await self.journal.declare_fold(COMMIT_SECONDS)
        self.jobs.begin_from(self.journal.started_from)
        self.jobs.start()

    def show(self, loop: asyncio.AbstractEventLoop) -> None:
        """Shows the numbers, if anybody wants them."""
        if self.metrics:
            watch(self.metrics, self.journal, self.jobs, self.registry, self.spending)
            self.metrics.start(loop)

    async def close(self) -> int:
        """How many decisions were answered and could not be stored."""
        lost = await self.journal.close(FLUSH_SECONDS)
        if lost:
            log.error("%d decisions were answered and are lost: the database is away", lost)
        await self.jobs.close()  # after the last feedback was folded in
        await self.spending.close()  # after the last decision was stored
        self.store.close()
        self.history.close()
        if self.metrics:
            self.metrics.stop()
        return lost


def build_parts(settings: Settings) -> Parts:
    """Opens the database. Raises BadStore, StoreUnavailable, MetricsRefused, InvalidField."""
    registry = Registry()
    metrics = Metrics(registry, settings.metrics_listen) if settings.metrics_listen else None
    seal = Seal(read_keys(Path(settings.checkpoint_key)) if settings.checkpoint_key else ())
    store = open_store(settings.database, settings.partition_days)
    _make_partitions(store)
    journal = _journal(settings, store, registry, seal, metrics)
    spending = Spending(store, registry)
    history = open_log_reader(settings.database)
    administrator = Administrator(registry, journal, store, COMMIT_SECONDS, partial(judge, history))
    jobs = Jobs(
        store,
        registry,
        Keeper(store.checkpoints, seal),
        seconds=settings.checkpoint_seconds,
        events=settings.checkpoint_events,
        keep=Keep(settings.keep_decisions_days, settings.keep_journal_days),
        spending=spending,
        rollback=RollingBack(registry, administrator).look,
    )
    return Parts(registry, metrics, store, history, journal, spending, administrator, jobs)


def _journal(
    settings: Settings, store: Store, registry: Registry, seal: Seal, metrics: Metrics | None
) -> Journal:
    return Journal(
        store,
        registry,
        shape_of,
        time.time,
        Limits(
            buffered_rows=settings.buffered_decisions,
            buffered_bytes=settings.buffered_megabytes * 2**20,
        ),
        settings.replica or f"{socket.gethostname()}-{os.getpid()}",
        watch=metrics.writer if metrics else UNWATCHED,
        seal=seal,
    )


def _make_partitions(store: Store) -> None:
    """Without them the service works, so a database that does not let us is no reason to stop."""
    try:
        if made := store.make_partitions(time.time()):
            log.info("made partitions: %s", ", ".join(made))
    except (StoreUnavailable, RefusedByDatabase) as error:
        log.warning("no partitions for the coming weeks: %s; run `bandit-service migrate`", error)


def shape_of(features: Features) -> Shape:
    feature_map = features_of(features)
    return Shape(feature_map.version, feature_map.dim)
