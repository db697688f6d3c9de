"""Builds the parts and connects them; the one file that knows everybody."""

import asyncio
import gc
import logging
import signal
import sys
import time
from pathlib import Path

from bandit_service.administration import Administrator
from bandit_service.checkpoints import Keeper, Seal, read_keys
from bandit_service.configuration import Shape, check
from bandit_service.engine import Registry
from bandit_service.features import features_of
from bandit_service.feedback import Recorder
from bandit_service.jobs import Jobs
from bandit_service.journal import Journal
from bandit_service.model import Features
from bandit_service.routing import Router
from bandit_service.rpc import server as rpc
from bandit_service.rpc.tls import TlsFiles
from bandit_service.settings import Settings
from bandit_service.store import open_store

log = logging.getLogger(__name__)

# What a caller waits for the database at most; the writer itself may hang longer.
COMMIT_SECONDS = 5.0
# The loop and the writer's thread share one interpreter. By default the one that computes
# makes the other wait 5 ms, which is longer than most commits take.
SWITCH_SECONDS = 0.0005
# Calls under way at SIGTERM get this long to end.
DRAIN_SECONDS = 10.0


async def serve(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Returns the exit code.

    Raises BadStore, StoreUnavailable, ListenRefused, or InvalidField for a policy of the
    settings that makes no sense.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    # What libraries say below a warning may hold what passes through them.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("bandit_service").setLevel(settings.log_level.upper())
    # Whatever can be wrong with the settings is found before a database is touched.
    for config in settings.policies:
        check(config, shape_of)
    rpc.check_listen(settings.listen)
    tls = _tls_files(settings)
    if tls is not None:
        rpc.check_tls(tls)
    seal = Seal(read_keys(Path(settings.checkpoint_key)) if settings.checkpoint_key else ())
    store = open_store(settings.database)
    registry = Registry()
    journal = Journal(store, registry, shape_of, now=time.time, seal=seal)
    jobs = Jobs(
        store,
        registry,
        Keeper(store.checkpoints, seal),
        seconds=settings.checkpoint_seconds,
        events=settings.checkpoint_events,
    )
    try:
        journal.load()
        journal.start(asyncio.get_running_loop())
        await journal.declare_fold(COMMIT_SECONDS)
        jobs.begin_from(journal.started_from)
        jobs.start()
        administrator = Administrator(registry, journal, COMMIT_SECONDS)
        health = rpc.Health()
        server, port = rpc.build_server(
            Router(registry, journal, store, time.time, COMMIT_SECONDS),
            Recorder(journal, COMMIT_SECONDS),
            administrator,
            health=health,
            listen=settings.listen,
            tls=tls,
            insecure=settings.insecure,
            with_reflection=True,
        )
        for config in settings.policies:
            if config.name in registry.by_name:
                log.warning("policy %r exists already and stays as it is", config.name)
            else:
                await administrator.create(config)
        _warm_up(registry)
        keep_out_of_collections()
        await rpc.start(server, health)
        await health.serving()
        host = settings.listen.rpartition(":")[0]
        print(f"listening on {host}:{port} ({len(registry.by_name)} policies)", flush=True)  # noqa: T201 - scripts wait for this line
        await _until_told_to_stop()
        log.info("draining")
        await rpc.stop(server, health, DRAIN_SECONDS)
    finally:
        await journal.close()
        await jobs.close()  # after the last feedback was folded in
        store.close()
    return 0


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


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
