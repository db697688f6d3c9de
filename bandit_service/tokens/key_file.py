"""The keys that sign tokens, read from a file, and read again once the file has changed.

A line a key: its id, a blank, and at least 32 bytes in hexadecimal. The first one signs, all of
them verify. Blank lines and lines that begin with # are left out.
"""

import logging
import os
import re
import stat
from pathlib import Path

from bandit_service.errors import InvalidField
from bandit_service.tokens.signing import Key, Keys

log = logging.getLogger(__name__)

LEAST_SECRET_BYTES = 32
MOST_FILE_BYTES = 65_536
# Group members may read it (so are secrets mounted into containers); nobody else may do
# anything, and only its owner may write it.
FORBIDDEN_MODE = stat.S_IRWXO | stat.S_IWGRP

_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")

Stamp = tuple[int, int, int, int]


class KeyFile:
    """`keys` are those in force. Raises InvalidField if the file is bad from the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp | None
        self._stamp, self.keys = _read(path)

    def refresh(self, even_if_unchanged: bool = False) -> bool:
        """Reads the file again if it has changed; True if other keys are in force now.

        Of a bad file nothing is taken: the keys that were there go on.
        """
        try:
            stamp = _stamp(self._path.stat())
        except OSError:
            stamp = None  # to read it says why
        if stamp == self._stamp and not even_if_unchanged:
            return False
        self._stamp = stamp  # whatever comes of it: a bad file is told of once
        try:
            self._stamp, self.keys = _read(self._path)
        except InvalidField as error:
            log.warning("the token keys have changed and are of no use, the old stay: %s", error)
            return False
        log.info("the token keys were read: %s signs", self.keys.signing.id)
        return True


def _read(path: Path) -> tuple[Stamp, Keys]:
    """The file's stamp and keys. What is wrong is told by line; no line is ever quoted."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            _check(path, found)
            text = file.read(MOST_FILE_BYTES)
    except OSError as error:
        raise InvalidField("token_keys", f"{path}: {error.strerror}") from None
    return _stamp(found), _parse(path, text)


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InvalidField("token_keys", f"{path} is not a file")
    if found.st_mode & FORBIDDEN_MODE:
        mode = stat.S_IMODE(found.st_mode)
        raise InvalidField(
            "token_keys", f"others can read or write {path} (mode {mode:04o}); chmod 600 it"
        )


def _parse(path: Path, text: bytes) -> Keys:
    keys: dict[str, Key] = {}
    for number, raw in enumerate(text.decode("ascii", "replace").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        name, _, written = line.partition(" ")
        if not _ID.fullmatch(name):
            raise InvalidField(
                "token_keys", f"{where}: an id is up to 32 letters, digits, '.', '_' or '-'"
            )
        if name in keys:
            raise InvalidField("token_keys", f"{where}: the id has been given before")
        keys[name] = Key(name, _secret(where, written.strip()))
    if not keys:
        raise InvalidField("token_keys", f"{path} holds no key")
    return Keys(keys.values())


def _secret(where: str, written: str) -> bytes:
    try:
        secret = bytes.fromhex(written)
    except ValueError:
        secret = b""
    if len(secret) < LEAST_SECRET_BYTES:
        raise InvalidField(
            "token_keys",
            f"{where}: after the id, at least {LEAST_SECRET_BYTES} bytes in hexadecimal are "
            "needed (openssl rand -hex 32)",
        )
    return secret


def _stamp(found: os.stat_result) -> Stamp:
    """What changes when the file does, its mode included."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
