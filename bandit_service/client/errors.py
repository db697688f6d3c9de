"""What the client raises when the service refuses or cannot be reached."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from bandit_service.rpc.pb import routing_pb2 as pb

_CODES = {code.value[0]: code for code in grpc.StatusCode}

# The caller's mistakes, and states that the caller asked about: no other arm can stand in for
# their answer. With every other code it is the service that could not answer.
_CALLERS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class BanditRpcError(Exception):
    """A call that failed. `str(error)` is for people; `reason` and `details` are for programs.

    `reason` and `details` are what google.rpc.ErrorInfo holds: empty where the service sent
    none, or where googleapis-common-protos is not installed.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, reason, details)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def callers(self) -> bool:
        """True if the call itself was at fault, so that sending it again cannot help."""
        return self.code in _CALLERS

    @property
    def passing(self) -> bool:
        """True if the same call with the same id may succeed a moment later."""
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # The same code says that a message is too large, and that never passes.
            return self.reason == "OVERLOADED"
        return self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def from_rpc(error: Any) -> BanditRpcError:
    """From what grpcio raises, for its blocking as for its asyncio calls."""
    reason, details = _error_info(error.trailing_metadata() or ())
    return BanditRpcError(error.code(), error.details() or "no reason was given", reason, details)


def from_item(error: pb.ItemError) -> BanditRpcError:
    """From one item of a batch: what its own call would have raised."""
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    return BanditRpcError(code, error.message, error.reason, error.metadata)


def not_in_time() -> BanditRpcError:
    return BanditRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, "the service did not answer in time", "NOT_IN_TIME"
    )


def copy_of(error: BanditRpcError) -> BanditRpcError:
    """For each call of a batch its own: a traceback belongs to one raise."""
    return BanditRpcError(error.code, error.message, error.reason, error.details)


def seconds_left(deadline: float) -> float:
    """Until `deadline`, on the monotonic clock; raises DEADLINE_EXCEEDED if none are left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise not_in_time()
    return left


def _error_info(metadata: Iterable[tuple[str, Any]]) -> tuple[str, dict[str, str]]:
    packed = next((value for key, value in metadata if key == "grpc-status-details-bin"), None)
    if packed is None:
        return "", {}
    try:
        from google.rpc import (  # type: ignore[import-untyped]
            error_details_pb2,
            status_pb2,
        )
    except ImportError:
        return "", {}
    info = error_details_pb2.ErrorInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        if detail.Unpack(info):
            return info.reason, dict(info.metadata)
    return "", {}
