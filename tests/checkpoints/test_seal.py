"""MACs against a computation of our own, and the files that keys come from."""

import hashlib
import hmac
from pathlib import Path

import pytest

from bandit_service.checkpoints import BY_SECRET, Seal, read_keys
from bandit_service.errors import BadCheckpoint, InvalidField
from tests.builders import SECRET
from tests.checkpoints.folds import IDENTITY
from tests.store.test_leases import a_checkpoint

BLOB = b"some bytes"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    return path


def sealed(seal: Seal, **changes):
    one = a_checkpoint(1, sha256=hashlib.sha256(BLOB).digest(), **changes)
    return a_checkpoint(1, sha256=one.sha256, mac=seal.mac(IDENTITY, one), **changes)


@pytest.mark.parametrize(
    ("seal", "key"), [(BY_SECRET, b"bandit-service checkpoint"), (Seal((b"k" * 40,)), b"k" * 40)]
)
def test_the_mac_is_an_hmac_of_what_the_checkpoint_is(seal: Seal, key: bytes) -> None:
    one = sealed(seal, position=7, size=10)

    derived = hmac.new(key, b"bandit-service checkpoint" + SECRET, hashlib.sha256).digest()
    said = f"1 7 1 10 {hashlib.sha256(BLOB).hexdigest()}".encode()
    assert one.mac == hmac.new(derived, said, hashlib.sha256).digest()
    seal.check(IDENTITY, one, BLOB)


def test_every_flipped_bit_is_found() -> None:
    one = sealed(BY_SECRET)
    for bit in range(8 * len(BLOB)):
        bad = bytearray(BLOB)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadCheckpoint, match="SHA-256"):
            BY_SECRET.check(IDENTITY, one, bytes(bad))


def test_keys_are_the_lines_of_the_file(key_file: Path) -> None:
    key_file.write_bytes(b"n" * 32 + b"\n\n" + b"o" * 64 + b"\r\n")

    assert read_keys(key_file) == (b"n" * 32, b"o" * 64)


@pytest.mark.parametrize(
    "text", [b"", b"\n \n", b"too short\n", b"n" * 32 + b"\nshort", b"n" * 70_000]
)
def test_a_file_of_bad_keys_is_refused(key_file: Path, text: bytes) -> None:
    key_file.write_bytes(text)

    with pytest.raises(InvalidField, match="at least 32 characters"):
        read_keys(key_file)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.write_bytes(b"n" * 32)
    key_file.chmod(mode)

    with pytest.raises(InvalidField, match="may be read by others"):
        read_keys(key_file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="cannot be read: No such file"):
        read_keys(tmp_path / "absent")
    with pytest.raises(InvalidField, match="cannot be read"):
        read_keys(tmp_path)
