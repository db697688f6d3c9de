"""Says whether the bytes of a checkpoint are those that were written, and by us.

SHA-256 finds what broke by accident. The MAC, over that hash and over what the checkpoint is of,
finds what was put in its place: another policy's, another position's, an attacker's.

What it protects from depends on the key. Without a key file it is derived from the policy's
secret, which lies in the same database: it tells policies and databases apart, and keeps out who
can write to the table of checkpoints but not read that of policies; who may do anything in the
database can make a checkpoint that is believed. With a key file (`checkpoint_key`) that is not in
the database they cannot. They can still write to the journal, and so teach a policy what they
like; that shows, because the journal says it, and a planted state does not.
"""

import hashlib
import hmac
import stat
from dataclasses import dataclass
from pathlib import Path

from bandit_service.errors import BadCheckpoint, InvalidField
from bandit_service.model import Checkpoint, StoredPolicy

LEAST_KEY = 32  # characters
MOST_KEYS_FILE = 65_536  # bytes
_OWN = b"bandit-service checkpoint"


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a file, one a line: the first seals, all of them are believed.

    To change keys, put the new one first, and take the old one out a month later, when no
    checkpoint of its time is kept any more. Raises InvalidField where the file cannot be read,
    holds no key or too short a one, or where others than its owner may read it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()[: MOST_KEYS_FILE + 1]
    except OSError as error:
        raise InvalidField("checkpoint_key", f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidField(
            "checkpoint_key",
            f"{path} may be read by others ({stat.filemode(mode)}): `chmod 600 {path}`",
        )
    keys = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not keys or len(text) > MOST_KEYS_FILE or min(map(len, keys)) < LEAST_KEY:
        raise InvalidField(
            "checkpoint_key",
            f"{path} must hold keys of at least {LEAST_KEY} characters, one a line: "
            f"`openssl rand -hex 32 > {path}`",
        )
    return keys


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and checks MACs with these keys; with none, by the policy's secret alone."""

    keys: tuple[bytes, ...] = ()

    def mac(self, identity: StoredPolicy, checkpoint: Checkpoint) -> bytes:
        key = self.keys[0] if self.keys else _OWN
        return _mac(key, identity, checkpoint)

    def check(
        self, identity: StoredPolicy, checkpoint: Checkpoint, blob: bytes | memoryview
    ) -> None:
        """Raises BadCheckpoint where these are not the bytes of this checkpoint."""
        if not hmac.compare_digest(sha256(blob), checkpoint.sha256):
            raise BadCheckpoint("its bytes do not have the SHA-256 that was noted")
        macs = [_mac(key, identity, checkpoint) for key in self.keys or (_OWN,)]
        if not any(hmac.compare_digest(mac, checkpoint.mac) for mac in macs):
            raise BadCheckpoint("its MAC was made with another key, or for another checkpoint")


BY_SECRET = Seal()


def sha256(blob: bytes | memoryview) -> bytes:
    return hashlib.sha256(blob).digest()


def _mac(key: bytes, identity: StoredPolicy, one: Checkpoint) -> bytes:
    facts = f"{one.policy_id} {one.position} {one.fold_version} {one.size} {one.sha256.hex()}"
    of_policy = hmac.digest(key, _OWN + identity.secret, "sha256")
    return hmac.digest(of_policy, facts.encode(), "sha256")
