"""Calls that are refused, and what they say."""

import contextlib

import grpc
import pytest
from grpc_status import rpc_status


@contextlib.asynccontextmanager
async def refused():
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield caught


def detail(error, kind):
    """The one detail of this kind that the error brought along."""
    status = rpc_status.from_call(_Call(error))
    (found,) = [packed for packed in status.details if packed.Is(kind.DESCRIPTOR)]
    return kind.FromString(found.value)


class _Call:
    """What grpc_status reads a status from, made of an error."""

    def __init__(self, error):
        self.code, self.details = error.code, error.details
        self.trailing_metadata = error.trailing_metadata
