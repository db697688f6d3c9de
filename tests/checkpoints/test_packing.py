"""Bytes of a snapshot: the same back, and nothing else is ever taken for one."""

import io
import struct
import tracemalloc
import zipfile
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit_service.checkpoints import packing
from bandit_service.checkpoints.packing import Header, pack, unpack
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint
from policies import CATALOGUE
from tests.builders import shape_of
from tests.checkpoints.folds import IDENTITY, events_of, folded

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def blob() -> bytes:
    return bytes(pack(folded(events_of(1)).snapshot()))


def members_of(blob: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def npy_of(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def described(shape: Any, dtype: str = "<f8", by_columns: bool = False) -> str:
    return repr({"descr": dtype, "fortran_order": by_columns, "shape": shape})


def with_header(blob: bytes, **changes: Any) -> bytes:
    members = members_of(blob)
    header = msgspec.msgpack.decode(members["header.msgpack"], type=Header)
    changed = msgspec.structs.replace(header, **changes)
    return archive_of(members | {"header.msgpack": msgspec.msgpack.encode(changed)})


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_an_engine_comes_back_bit_for_bit(algorithm: str) -> None:
    engine = folded(events_of(2, algorithm=algorithm))
    snapshot = engine.snapshot()

    back = unpack(bytes(pack(snapshot)))
    again = PolicyEngine.restored(IDENTITY, shape_of, back)

    assert back.folded == snapshot.folded
    assert again.state_hash() == engine.state_hash() == snapshot.state_hash()
    assert again.view() == engine.view()
    assert again.state_view() == engine.state_view()
    assert again.terms() == engine.terms()
    assert again.calls.troubled == engine.calls.troubled
    assert again.names == engine.names


def test_numpy_opens_it_without_running_anything(blob: bytes) -> None:
    engine = folded(events_of(1))

    with np.load(io.BytesIO(blob), allow_pickle=False) as opened:
        sums, calls = opened["state.sums"], opened["calls.totals"]

    np.testing.assert_array_equal(sums, engine.state.canonical()["sums"])
    np.testing.assert_array_equal(calls, engine.calls.totals)


def test_equal_folds_make_equal_bytes(blob: bytes) -> None:
    assert bytes(pack(folded(events_of(1)).snapshot())) == blob


def test_a_bit_that_flips_anywhere_is_found_or_is_of_no_account(blob: bytes) -> None:
    """Without the hash and the MAC around it: these find every one, see test_seal."""
    engine, refused = folded(events_of(1)), 0
    flips = range(0, 8 * len(blob), 8 * len(blob) // 600)

    for bit in flips:
        bad = bytearray(blob)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            snapshot = unpack(bytes(bad))
        except BadCheckpoint:
            refused += 1
        else:  # dates, checksums and the like of the archive, or text of the configuration
            assert snapshot.state_hash() == engine.state_hash()

    assert refused > 0.6 * len(flips)


def test_whatever_is_cut_off_is_missed(blob: bytes) -> None:
    for length in [0, 1, 21, 22, 23, *range(100, len(blob), 297), len(blob) - 1]:
        with pytest.raises(BadCheckpoint):
            unpack(blob[:length])


@pytest.mark.parametrize(
    ("dtype", "data"),
    [("|O", b"\x80\x04K\x01." + bytes(19)), ("<f4", bytes(12)), (">f8", bytes(24)),
     ("<i8", bytes(24)), ("<U2", bytes(24)), ([("a", "<f8")], bytes(24))],
)  # fmt: skip
def test_arrays_of_anything_but_numbers_are_refused(blob: bytes, dtype: str, data: bytes) -> None:
    bad = members_of(blob) | {"state.clocks.npy": npy_of(described((3,), dtype), data)}

    with pytest.raises(BadCheckpoint, match=r"clocks.npy is described as .* only <f8"):
        unpack(archive_of(bad))


@pytest.mark.parametrize(
    "shape", [(2**40,), (2**62, 2**62), (0,), (-3,), (3, 1), (), (9,), (True,) * 3, ("3",), None]
)
def test_a_shape_that_is_not_that_of_the_bytes_is_refused_before_anything_is_made(
    blob: bytes, shape: Any
) -> None:
    arms = len(folded(events_of(1)).config.arms)
    bad = members_of(blob) | {"state.clocks.npy": npy_of(described(shape), bytes(8 * arms))}
    bytes_of_it = archive_of(bad)

    tracemalloc.start()
    with pytest.raises(BadCheckpoint, match=r"state.clocks.npy"):
        unpack(bytes_of_it)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 4 * MEGABYTE


def test_a_shape_that_both_headers_lie_about_is_refused_too(blob: bytes) -> None:
    header = msgspec.msgpack.decode(members_of(blob)["header.msgpack"], type=Header)
    shapes = header.shapes | {"state.clocks.npy": (2**40,)}
    members = members_of(with_header(blob, shapes=shapes))
    members["state.clocks.npy"] = npy_of(described((2**40,)), bytes(24))

    with pytest.raises(BadCheckpoint, match="24 bytes, which are not those of"):
        unpack(archive_of(members))


def test_an_array_by_columns_is_refused(blob: bytes) -> None:
    bad = members_of(blob) | {
        "state.clocks.npy": npy_of(described((3,), by_columns=True), bytes(24))
    }

    with pytest.raises(BadCheckpoint, match="by rows"):
        unpack(archive_of(bad))


@pytest.mark.parametrize(
    "text", ["__import__('os').abort()", "(" * 900, "{'descr': ", "", "\x00", "a" * 5_000, "é"]
)
def test_a_description_that_is_none_is_refused(blob: bytes, text: str) -> None:
    with pytest.raises(BadCheckpoint, match=r"state.clocks.npy (is|does) not"):
        unpack(archive_of(members_of(blob) | {"state.clocks.npy": npy_of(text, bytes(24))}))


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_unpacked(blob: bytes, how: int) -> None:
    bomb = archive_of(members_of(blob) | {"state.sums.npy": bytes(32 * MEGABYTE)}, how)
    assert len(bomb) < 2 * MEGABYTE

    tracemalloc.start()
    with pytest.raises(BadCheckpoint, match="is compressed"):
        unpack(bomb)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 4 * MEGABYTE


def test_a_member_that_claims_more_than_is_there_is_refused(blob: bytes) -> None:
    central = blob.rindex(b"PK\x01\x02")
    bad = bytearray(blob)
    for field in (20, 24):  # its size, packed and unpacked
        bad[central + field : central + field + 4] = struct.pack("<L", 2**31)

    with pytest.raises(BadCheckpoint, match="cut short"):
        unpack(bytes(bad))


def test_members_that_are_there_twice_too_many_or_unknown_are_refused(blob: bytes) -> None:
    file = io.BytesIO(blob)
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("state.sums.npy", b"")
    with pytest.raises(BadCheckpoint, match="there twice"):
        unpack(file.getvalue())

    many = {f"{number}": b"" for number in range(packing.MOST_MEMBERS + 1)}
    with pytest.raises(BadCheckpoint, match="at most 64"):
        unpack(archive_of(many))
    with pytest.raises(BadCheckpoint, match="not those that its header names"):
        unpack(archive_of(members_of(blob) | {"state.more.npy": b""}))


def test_something_else_altogether_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in (b"", b"PK", bytes(1000), b"\x80\x04K\x01.", archive_of({}), archive_of({"a": b""})):
        with pytest.raises(BadCheckpoint):
            unpack(bad)
    monkeypatch.setattr(packing, "MOST_BYTES", 10)
    with pytest.raises(BadCheckpoint, match="it has 11 bytes; at most 10"):
        unpack(bytes(11))


def test_another_format_is_named(blob: bytes) -> None:
    with pytest.raises(BadCheckpoint, match="it has format 2; this version reads 1"):
        unpack(with_header(blob, format=2))


def test_sums_of_another_state_are_refused(blob: bytes) -> None:
    other = members_of(bytes(pack(folded(events_of(1, 61)).snapshot())))

    with pytest.raises(BadCheckpoint, match="do not have the hash"):
        unpack(archive_of(members_of(blob) | {"calls.calls.npy": other["calls.calls.npy"]}))


def test_random_bytes_raise_nothing_else(blob: bytes) -> None:
    rng = np.random.default_rng(3)
    for _ in range(150):
        bad = bytearray(blob)
        for at in rng.integers(len(blob), size=8):
            bad[at] = int(rng.integers(256))
        try:
            unpack(bytes(bad))
        except BadCheckpoint:
            continue
