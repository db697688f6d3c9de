"""How errors look on the wire: the one place that knows both.

The families of errors are mapped, so a new class needs nothing here. BadStore is not:
it ends the program before it serves. If one came, it would be a bug, and told as one.
"""

import re
from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo  # type: ignore[import-untyped,unused-ignore]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped,unused-ignore]
from grpc_status import rpc_status  # type: ignore[import-untyped,unused-ignore]

from bandit_service.errors import (
    AlreadyExists,
    BadInput,
    BanditError,
    Denied,
    Exhausted,
    FailedPrecondition,
    NotFound,
    Stale,
    Unavailable,
)
from bandit_service.rpc.pb import routing_pb2 as pb

DOMAIN = "bandit.v1"

CODES: Mapping[type[BanditError], grpc.StatusCode] = {
    BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Stale: grpc.StatusCode.ABORTED,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}

# Every error that a call may end with on purpose.
EXPECTED = tuple(CODES)

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}

RETRY_AFTER = Duration(nanos=100_000_000)

# A status travels in headers, of which clients take 8 KiB; names that are repeated to their
# sender can be long, and what is not ASCII trebles there.
LONGEST_MESSAGE_BYTES = 1000
LONGEST_FACT_BYTES = 200


def status_of(error: BanditError) -> Status:
    """The status of an expected error; KeyError for any other."""
    message = _clipped(str(error), LONGEST_MESSAGE_BYTES)
    details: list[Message] = [_info(_reason(error), error.facts)]
    if isinstance(error, BadInput):
        field = _clipped(error.field, LONGEST_FACT_BYTES)
        violation = BadRequest.FieldViolation(field=field, description=message)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, Exhausted | Unavailable):
        details.append(RetryInfo(retry_delay=RETRY_AFTER))
    return _status(_code(error), message, details)


def incident_status(incident: str) -> Status:
    """What a caller hears of an error that nobody expected: a name to ask for, no more."""
    return _status(
        grpc.StatusCode.INTERNAL,
        f"an unexpected error; the server's log has it as incident {incident}",
        [_info("INTERNAL", {"incident": incident})],
    )


def item_error(error: BanditError) -> pb.ItemError:
    """The same as `status_of`, for one item of a batch."""
    info = _info(_reason(error), error.facts)
    return pb.ItemError(
        code=_number(_code(error)),
        message=_clipped(str(error), LONGEST_MESSAGE_BYTES),
        reason=info.reason,
        metadata=info.metadata,
    )


def to_grpc(status: Status) -> grpc.Status:
    """For `context.abort_with_status`."""
    converted: grpc.Status = rpc_status.to_status(status)
    return converted


def name_of(status: Status) -> str:
    """The name of a status's code."""
    return _NAMES[status.code]


def _code(error: BanditError) -> grpc.StatusCode:
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    raise KeyError(type(error).__name__)


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number


def _reason(error: BanditError) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).upper()


def _info(reason: str, facts: Mapping[str, str]) -> ErrorInfo:
    clipped = {name: _clipped(fact, LONGEST_FACT_BYTES) for name, fact in facts.items()}
    return ErrorInfo(reason=reason, domain=DOMAIN, metadata=clipped)


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> Status:
    packed = [AnyMessage() for _ in details]
    for wrapper, detail in zip(packed, details, strict=True):
        wrapper.Pack(detail)
    return Status(code=_number(code), message=message, details=packed)


def _clipped(text: str, longest_bytes: int) -> str:
    written = text.encode(errors="replace")
    if len(written) <= longest_bytes:
        return text
    return written[: longest_bytes - 3].decode(errors="ignore") + "..."
