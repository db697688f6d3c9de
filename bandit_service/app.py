"""Builds the parts and connects them; the one file that knows everybody."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from bandit_service import __version__
from bandit_service.administration import Administrator
from bandit_service.checkpoints import Keeper, Seal, read_keys
from bandit_service.configuration import Shape, check
from bandit_service.engine import Registry
from bandit_service.errors import (
    NotUnderstood,
    PolicyExists,
    RefusedByDatabase,
    StoreUnavailable,
)
from bandit_service.evaluation.challengers.judging import judge
from bandit_service.features import features_of
from bandit_service.feedback import Recorder
from bandit_service.following import Limits
from bandit_service.jobs import Jobs
from bandit_service.journal import MOST_WAITING, Journal
from bandit_service.logs import of_the_loop, write_logs
from bandit_service.metrics import Metrics
from bandit_service.model import Checkpoint, Features, PolicyConfig
from bandit_service.ports import Store
from bandit_service.retention import Keep
from bandit_service.rolling_back import RollingBack
from bandit_service.routing import Router
from bandit_service.rpc import server as rpc
from bandit_service.rpc.tls import TlsFiles
from bandit_service.settings import Settings
from bandit_service.spending import Spending
from bandit_service.store import open_log_reader, open_store
from bandit_service.tokens import KeyFile, TokenDesk
from bandit_service.watching import UNWATCHED

log = logging.getLogger(__name__)

# What a caller waits for the database at most; the writer itself may hang longer.
COMMIT_SECONDS = 5.0
# The loop and the writer's thread share one interpreter. By default the one that computes
# makes the other wait 5 ms, which is longer than most commits take.
SWITCH_SECONDS = 0.0005
# Calls under way at SIGTERM get this long to end.
DRAIN_SECONDS = 10.0
# And what is not durable by then gets so long to become so.
FLUSH_SECONDS = 10.0
# How often the file of token keys is looked at.
KEYS_SECONDS = 5.0
CREATE_PAUSES = (0.1, 0.5, 2.0)  # seconds between attempts to create a policy of the settings
EXIT_LOST = 6  # as for everything that was unavailable


async def serve(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Returns the exit code.

    Raises BadStore, StoreUnavailable, ListenRefused, or InvalidField for a policy of the
    settings that makes no sense.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    loop = asyncio.get_running_loop()
    write_logs(settings.log_level, settings.log_format)
    loop.set_exception_handler(of_the_loop)
    stop = rpc.told_to_stop(loop)
    # Whatever can be wrong with the settings is found before a database is touched.
    for config in settings.policies:
        check(config, shape_of)
    rpc.check_listen(settings.listen)
    tls = _tls_files(settings)
    if tls is not None:
        rpc.check_tls(tls)
    key_file = KeyFile(Path(settings.token_keys)) if settings.token_keys else None
    tokens = _desk(key_file, settings.require_token)
    registry = Registry()
    metrics = Metrics(registry, settings.metrics_listen) if settings.metrics_listen else None
    seal = Seal(read_keys(Path(settings.checkpoint_key)) if settings.checkpoint_key else ())
    store = open_store(settings.database, settings.partition_days)
    _make_partitions(store)
    journal = Journal(
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
    lost = 0
    try:
        journal.load()
        journal.start(loop)
        await journal.declare_fold(COMMIT_SECONDS)
        jobs.begin_from(journal.started_from)
        jobs.start()
        health = rpc.Health()
        degraded_after = settings.degraded_after_seconds if settings.degraded else None
        router = Router(
            registry, journal, store, time.time, COMMIT_SECONDS, degraded_after, tokens, spending
        )
        server, port = rpc.build_server(
            router,
            Recorder(journal, COMMIT_SECONDS, tokens),
            administrator,
            health=health,
            listen=settings.listen,
            tls=tls,
            insecure=settings.insecure,
            with_reflection=True,
            watch=metrics.calls if metrics else UNWATCHED,
        )
        for config in settings.policies:
            await _create_once(config, registry, administrator, journal)
        _warm_up(registry)
        if metrics:
            _watch(metrics, journal, jobs, registry)
            metrics.budgets.source = spending.numbers
            metrics.start(loop)
        keep_out_of_collections()
        if key_file:
            _follow(key_file, loop)
        await rpc.start(server, health)
        await health.serving()
        host = settings.listen.rpartition(":")[0]
        shown = f", metrics on http://{metrics.address}/metrics" if metrics else ""
        print(f"listening on {host}:{port} ({len(registry.by_name)} policies){shown}", flush=True)  # noqa: T201 - scripts wait for this line
        log.info("serving", extra={"version": __version__, "policies": len(registry.by_name)})
        await stop.wait()
        log.info("draining")
        await rpc.stop(server, health, DRAIN_SECONDS)
    finally:
        lost = await journal.close(FLUSH_SECONDS)
        if lost:
            log.error("%d decisions were answered and are lost: the database is away", lost)
        await jobs.close()  # after the last feedback was folded in
        await spending.close()  # after the last decision was stored
        store.close()
        history.close()
        if metrics:
            metrics.stop()
    return EXIT_LOST if lost else 0


async def _insisting(create: Callable[[], Awaitable[object]]) -> None:
    """A database that fails for a moment is no reason not to start. What a failed attempt made
    after all is there the next time."""
    for pause in CREATE_PAUSES:
        try:
            await create()
        except StoreUnavailable:
            await asyncio.sleep(pause)
        else:
            return
    await create()


async def _create_once(
    config: PolicyConfig, registry: Registry, administrator: Administrator, journal: Journal
) -> None:
    if config.name in registry.by_name:
        log.warning("a policy exists already and stays as it is", extra={"policy": config.name})
        return
    try:
        await _insisting(partial(administrator.create, config))
    except PolicyExists:
        log.warning("a policy exists already and stays as it is", extra={"policy": config.name})
        # Another replica may have been quicker; of a newer version, it is served by that alone.
        with suppress(NotUnderstood):
            await journal.reach(config.name, 1, COMMIT_SECONDS)


def _watch(metrics: Metrics, journal: Journal, jobs: Jobs, registry: Registry) -> None:
    """Connects what is shown with what knows it; a line for each that has numbers to show."""
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


def _desk(key_file: KeyFile | None, is_required: bool) -> TokenDesk | None:
    if key_file is None:
        return None
    return TokenDesk(lambda: key_file.keys, time.time, is_required)


def _follow(key_file: KeyFile, loop: asyncio.AbstractEventLoop) -> None:
    """New keys are in force soon after the file has changed, and at once after SIGHUP."""

    def look() -> None:
        key_file.refresh()
        loop.call_later(KEYS_SECONDS, look)

    loop.add_signal_handler(signal.SIGHUP, key_file.refresh, True)
    loop.call_later(KEYS_SECONDS, look)


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


def _tls_files(settings: Settings) -> TlsFiles | None:
    if not settings.tls_cert:
        return None
    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    return TlsFiles(Path(settings.tls_cert), Path(settings.tls_key), client_ca)


def keep_out_of_collections() -> None:
    """What is there by now stays: modules, tables, weights. Without this every full collection
    looks through all of it again, and holds every call up for 40 to 60 ms (1 to 2 ms with it)."""
    gc.collect()
    gc.freeze()


def _warm_up(registry: Registry) -> None:
    """Loads the embedding before the first caller would have to wait for it."""
    for engine in registry.by_name.values():
        if engine.config.features.text is not None:
            features_of(engine.config.features).from_texts(["warm up"])
