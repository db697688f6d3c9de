"""What can be refused before a database is touched: certificates, addresses, files of keys."""

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from bandit_service.rpc import server as rpc
from bandit_service.rpc.tls import TlsFiles
from bandit_service.settings import Settings
from bandit_service.tokens import KeyFile, TokenDesk

# How often the file of token keys is looked at.
KEYS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Door:
    """How callers come in, and what they are given to show."""

    tls: TlsFiles | None
    key_file: KeyFile | None
    tokens: TokenDesk | None


def build_door(settings: Settings) -> Door:
    """Raises ListenRefused, or InvalidField for a file of no use."""
    rpc.check_listen(settings.listen)
    tls = _tls_files(settings)
    if tls is not None:
        rpc.check_tls(tls)
    key_file = KeyFile(Path(settings.token_keys)) if settings.token_keys else None
    return Door(tls, key_file, _desk(key_file, settings.require_token))


def follow(key_file: KeyFile, loop: asyncio.AbstractEventLoop) -> None:
    """New keys are in force soon after the file has changed, and at once after SIGHUP."""

    def look() -> None:
        key_file.refresh()
        loop.call_later(KEYS_SECONDS, look)

    loop.add_signal_handler(signal.SIGHUP, key_file.refresh, True)
    loop.call_later(KEYS_SECONDS, look)


def _tls_files(settings: Settings) -> TlsFiles | None:
    if not settings.tls_cert:
        return None
    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    return TlsFiles(Path(settings.tls_cert), Path(settings.tls_key), client_ca)


def _desk(key_file: KeyFile | None, is_required: bool) -> TokenDesk | None:
    if key_file is None:
        return None
    return TokenDesk(lambda: key_file.keys, time.time, is_required)
