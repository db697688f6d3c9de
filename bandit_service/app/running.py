"""A server's life: it is built, begins, listens until it is told to stop, and drains."""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from bandit_service import __version__
from bandit_service.app.door import Door, build_door, follow
from bandit_service.app.parts import COMMIT_SECONDS, Parts, build_parts, shape_of
from bandit_service.app.warming import keep_out_of_collections, warm_up
from bandit_service.configuration import check
from bandit_service.errors import NotUnderstood, PolicyExists, StoreUnavailable
from bandit_service.feedback import Recorder
from bandit_service.logs import of_the_loop, write_logs
from bandit_service.model import PolicyConfig
from bandit_service.routing import Router
from bandit_service.rpc import server as rpc
from bandit_service.settings import Settings
from bandit_service.watching import UNWATCHED

log = logging.getLogger(__name__)

# The loop and the writer's thread share one interpreter. By default the one that computes
# makes the other wait 5 ms, which is longer than most commits take.
SWITCH_SECONDS = 0.0005
# Calls under way at SIGTERM get this long to end.
DRAIN_SECONDS = 10.0
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
    door = build_door(settings)
    parts = build_parts(settings)
    lost = 0
    try:
        await parts.begin(loop)
        health = rpc.Health()
        server, port = _server(settings, door, parts, health)
        for config in settings.policies:
            await _create_once(config, parts)
        warm_up(parts.registry)
        parts.show(loop)
        keep_out_of_collections()
        if door.key_file:
            follow(door.key_file, loop)
        await rpc.start(server, health)
        await health.serving()
        _say(settings, port, parts)
        await stop.wait()
        log.info("draining")
        await rpc.stop(server, health, DRAIN_SECONDS)
    finally:
        lost = await parts.close()
    return EXIT_LOST if lost else 0


def _server(settings: Settings, door: Door, parts: Parts, health: rpc.Health) -> tuple[Any, int]:
    """The server, which does not listen yet, and its port. Raises ListenRefused."""
    router = Router(
        parts.registry,
        parts.journal,
        parts.store,
        time.time,
        COMMIT_SECONDS,
        settings.degraded_after_seconds if settings.degraded else None,
        door.tokens,
        parts.spending,
    )
    return rpc.build_server(
        router,
        Recorder(parts.journal, COMMIT_SECONDS, door.tokens),
        parts.administrator,
        health=health,
        listen=settings.listen,
        tls=door.tls,
        insecure=settings.insecure,
        with_reflection=True,
        watch=parts.metrics.calls if parts.metrics else UNWATCHED,
    )


async def _create_once(config: PolicyConfig, parts: Parts) -> None:
    if config.name in parts.registry.by_name:
        log.warning("a policy exists already and stays as it is", extra={"policy": config.name})
        return
    try:
        await _insisting(partial(parts.administrator.create, config))
    except PolicyExists:
        log.warning("a policy exists already and stays as it is", extra={"policy": config.name})
        # Another replica may have been quicker; of a newer version, it is served by that alone.
        with suppress(NotUnderstood):
            await parts.journal.reach(config.name, 1, COMMIT_SECONDS)


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


def _say(settings: Settings, port: int, parts: Parts) -> None:
    host = settings.listen.rpartition(":")[0]
    shown = f", metrics on http://{parts.metrics.address}/metrics" if parts.metrics else ""
    policies = len(parts.registry.by_name)
    print(f"listening on {host}:{port} ({policies} policies){shown}", flush=True)  # noqa: T201 - scripts wait for this line
    log.info("serving", extra={"version": __version__, "policies": policies})
