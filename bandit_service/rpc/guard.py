"""Stands between gRPC and the handlers: bytes in, bytes out, and every error a status.

It wraps each method once, at registration. An interceptor would do the same for every
call, and slower; and gRPC's own parsing answers INTERNAL to malformed bytes.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bandit_service.errors import InvalidField
from bandit_service.logs import story
from bandit_service.rpc.deadline import begin
from bandit_service.rpc.status import EXPECTED, incident_status, name_of, status_of, to_grpc
from bandit_service.watching import CallEnded, CallWatch

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[bytes, bytes]


def register(
    server: grpc.aio.Server, service: ServiceDescriptor, handlers: object, watch: CallWatch
) -> None:
    """Serves every method of a service with the method of that name in `handlers`."""
    guarded: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _guard(method, getattr(handlers, method.name), watch.method(method.name))
        )
        for method in service.methods
    }
    generic = grpc.method_handlers_generic_handler(service.full_name, guarded)
    server.add_generic_rpc_handlers((generic,))
    # Found by a dictionary instead of one generic handler after the other.
    server.add_registered_method_handlers(service.full_name, guarded)


def _guard(
    method: MethodDescriptor, handle: Callable[[Any], Awaitable[Message]], ended: CallEnded
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    parse = GetMessageClass(method.input_type).FromString

    def tell(code: str, began: float) -> None:
        seconds = time.perf_counter() - began
        ended(code, seconds)
        if log.isEnabledFor(logging.DEBUG):
            told = {"method": method.name, "code": code, "seconds": round(seconds, 6)}
            log.debug("a call has ended", extra=told)

    async def serve(raw: bytes, context: Context) -> bytes:
        began = time.perf_counter()
        try:
            try:
                request = parse(raw)
            except DecodeError:
                raise InvalidField("request", f"is no {method.input_type.full_name}") from None
            begin(context.time_remaining())
            reply = (await handle(request)).SerializeToString()
        except EXPECTED as error:
            status = status_of(error)
        except asyncio.CancelledError:
            tell(_given_up(context), began)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is to learn nothing
            status = incident_status(_logged(method.full_name, error))
        else:
            tell("OK", began)
            return reply
        tell(name_of(status), began)
        # After the `except`, so that gRPC's own exception is not chained to ours.
        return await context.abort_with_status(to_grpc(status))

    return serve


def _given_up(context: Context) -> str:
    """Why nobody waits any more: time is up, or the caller has left."""
    left: float | None = context.time_remaining()  # None where there is no deadline
    return "DEADLINE_EXCEEDED" if left is not None and left <= 0.0 else "CANCELLED"


def _logged(method: str, error: Exception) -> str:
    """Logs where an error came from, under an id that says nothing.

    Not its message: libraries like to quote what they choke on, which may be a query.
    """
    incident = secrets.token_hex(6)
    fields = {"incident": incident, "method": method}
    log.error("incident %s in %s: %s", incident, method, story(error), extra=fields)
    return incident
