"""Snapshots to bytes and back: an .npz of float64 arrays, and a header that says what they are.

`np.load(file, allow_pickle=False)` opens it, too. Nothing in it can run code, and nothing is
allocated on its word: members are never compressed, so each array is a view of the bytes that are
there already, once its own header, ours and the number of these bytes agree.
"""

import ast
import io
import math
import struct
import zipfile
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bandit_service.errors import BadCheckpoint
from bandit_service.model import Folded
from bandit_service.model.stored import folded_fields
from bandit_service.snapshots import Snapshot
from policies import CopiedSums

FORMAT = 1
MOST_BYTES = 128 * 2**20  # a policy has at most 4 million numbers, which are 32 MB
MOST_MEMBERS = 64
PIECE = 2**18  # bytes given on at once: what copies them holds the interpreter
HEADER = "header.msgpack"
NUMBERS = np.dtype("<f8")  # of every array
PARTS = ("state", "calls", "challengers")
MOST_DESCRIPTION = 1_024  # characters
_NPY = b"\x93NUMPY\x01\x00"  # and the version

_LOCAL_HEADER = struct.Struct("<4s22x2H")  # of a zip member: signature, length of name and extra


class Header(msgspec.Struct, frozen=True):
    """What the bytes say of themselves. `shapes` are those of all arrays, by member."""

    format: int
    state_hash: str
    folded: Folded
    shapes: dict[str, tuple[int, ...]]


class _Format(msgspec.Struct):
    """As much of any version's header as tells which one it is."""

    format: int


def pack(snapshot: Snapshot) -> memoryview:
    """The bytes of a snapshot: equal ones for equal snapshots."""
    arrays = {
        f"{part}.{name}.npy": np.ascontiguousarray(array)
        for part, sums in zip(
            PARTS,
            (snapshot.state.canonical(), snapshot.calls, snapshot.challengers.canonical()),
            strict=True,
        )
        for name, array in sums.items()
    }
    for name, array in arrays.items():
        if array.dtype != NUMBERS:
            raise TypeError(f"{name} has dtype {array.dtype}; a checkpoint holds {NUMBERS}")
    shapes = {name: array.shape for name, array in arrays.items()}
    header = {
        "format": FORMAT,
        "state_hash": snapshot.state_hash(),
        "folded": folded_fields(snapshot.folded),
        "shapes": shapes,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, HEADER, [msgspec.msgpack.encode(header)])
        for name, array in arrays.items():
            _write(archive, name, _npy(array))
    return file.getbuffer()


def _write(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes | memoryview]) -> None:
    with archive.open(zipfile.ZipInfo(name), "w") as member:  # without the time of day
        for piece in pieces:
            member.write(piece)


def _npy(array: NDArray[Any]) -> Iterable[bytes | memoryview]:
    beginning = io.BytesIO()
    npy.write_array_header_1_0(beginning, npy.header_data_from_array_1_0(array))
    yield beginning.getvalue()
    flat = array.reshape(-1).view(np.uint8)
    for start in range(0, len(flat), PIECE):
        yield flat[start : start + PIECE].data


def unpack(blob: bytes | memoryview) -> Snapshot:
    """The snapshot in these bytes; its arrays are views of them. Raises BadCheckpoint."""
    view = memoryview(blob)
    if len(view) > MOST_BYTES:
        raise BadCheckpoint(f"it has {len(view)} bytes; at most {MOST_BYTES} are read")
    members = _members(view)
    header = _header(members.pop(HEADER, None))
    if members.keys() != header.shapes.keys():
        raise BadCheckpoint("its arrays are not those that its header names")
    sums: dict[str, dict[str, NDArray[Any]]] = {part: {} for part in PARTS}
    for member, data in members.items():
        part, _, name = member.removesuffix(".npy").partition(".")
        if part not in PARTS or not member.endswith(".npy"):
            raise BadCheckpoint(f"nothing is known of a member {member!r}")
        sums[part][name] = _array(member, data, header.shapes[member])
    snapshot = Snapshot(
        header.folded, CopiedSums(sums["state"]), sums["calls"], CopiedSums(sums["challengers"])
    )
    if snapshot.state_hash() != header.state_hash:
        raise BadCheckpoint("its sums do not have the hash that its header names")
    return snapshot


def _header(data: memoryview | None) -> Header:
    if data is None:
        raise BadCheckpoint("it has no header")
    try:
        found = msgspec.msgpack.decode(data, type=_Format).format
        if found != FORMAT:
            raise BadCheckpoint(f"it has format {found}; this version reads {FORMAT}")
        return msgspec.msgpack.decode(data, type=Header)
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:  # or text that is none
        raise BadCheckpoint(f"its header cannot be read: {wrong}") from wrong


def _members(view: memoryview) -> dict[str, memoryview]:
    """The bytes of each member. Stored ones only, so none is larger than what is there."""
    try:
        with zipfile.ZipFile(_Bytes(view)) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, struct.error) as no:
        raise BadCheckpoint(f"it is no archive: {no}") from no
    if len(listed) > MOST_MEMBERS:
        raise BadCheckpoint(f"it has {len(listed)} members; at most {MOST_MEMBERS} are read")
    members: dict[str, memoryview] = {}
    for info in listed:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise BadCheckpoint(f"member {info.filename!r} is compressed")
        if info.filename in members:
            raise BadCheckpoint(f"member {info.filename!r} is there twice")
        members[info.filename] = _data_of(view, info)
    return members


def _data_of(view: memoryview, info: zipfile.ZipInfo) -> memoryview:
    start = info.header_offset
    local = bytes(view[start : start + _LOCAL_HEADER.size])
    if start < 0 or len(local) < _LOCAL_HEADER.size:
        raise BadCheckpoint(f"member {info.filename!r} is not there")
    signature, name, extra = _LOCAL_HEADER.unpack(local)
    begin = start + _LOCAL_HEADER.size + name + extra
    data = view[begin : begin + info.file_size]
    named = bytes(view[start + _LOCAL_HEADER.size : start + _LOCAL_HEADER.size + name])
    if signature != b"PK\x03\x04" or named != info.filename.encode() or len(data) < info.file_size:
        raise BadCheckpoint(f"member {info.filename!r} is cut short, or not where it is said to be")
    return data


def _array(member: str, data: memoryview, wanted: tuple[int, ...]) -> NDArray[Any]:
    described, numbers = _described(member, data)
    if described != {"descr": NUMBERS.str, "fortran_order": False, "shape": wanted}:
        raise BadCheckpoint(
            f"{member} is described as {described}; the header says {wanted}, and only "
            f"{NUMBERS.str} by rows is read"
        )
    if min(wanted, default=0) < 0 or len(numbers) != math.prod(wanted) * NUMBERS.itemsize:
        raise BadCheckpoint(f"{member} has {len(numbers)} bytes, which are not those of {wanted}")
    return np.frombuffer(numbers, NUMBERS).reshape(wanted)


def _described(member: str, data: memoryview) -> tuple[object, memoryview]:
    """What the beginning of an .npy says, and what follows it.

    Not by numpy: that would make a dtype of whatever is said there, and tries again, with a
    warning, what it could not read.
    """
    start = len(_NPY) + 2
    length = int.from_bytes(data[len(_NPY) : start], "little")
    if bytes(data[: len(_NPY)]) != _NPY or not 0 < length <= MOST_DESCRIPTION:
        raise BadCheckpoint(f"{member} does not begin as an array does")
    try:
        said: object = ast.literal_eval(bytes(data[start : start + length]).decode().strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as wrong:
        raise BadCheckpoint(f"{member} is not described as an array is: {wrong}") from wrong
    return said, data[start + length :]


class _Bytes(io.RawIOBase):
    """Bytes as a file, without a copy of them. Reads no more than there is, whatever is asked."""

    def __init__(self, view: memoryview) -> None:
        self._view, self._at = view, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        if base + offset < 0:
            raise ValueError(f"there is nothing before the beginning, at {base + offset}")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        end = None if size is None or size < 0 else self._at + size
        found = bytes(self._view[self._at : end])
        self._at += len(found)
        return found
