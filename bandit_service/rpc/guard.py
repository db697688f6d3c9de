"""Stands between gRPC and the handlers: bytes in, bytes out, and every error a status.

It wraps each method once, at registration. An interceptor would do the same for every
call, and slower; and gRPC's own parsing answers INTERNAL to malformed bytes.
"""

import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bandit_service.errors import InvalidField
from bandit_service.rpc.deadline import begin
from bandit_service.rpc.status import EXPECTED, incident_status, status_of, to_grpc

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[bytes, bytes]


def register(server: grpc.aio.Server, service: ServiceDescriptor, handlers: object) -> None:
    """Serves every method of a service with the method of that name in `handlers`."""
    guarded: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _guard(method, getattr(handlers, method.name))
        )
        for method in service.methods
    }
    generic = grpc.method_handlers_generic_handler(service.full_name, guarded)
    server.add_generic_rpc_handlers((generic,))
    # Found by a dictionary instead of one generic handler after the other.
    server.add_registered_method_handlers(service.full_name, guarded)


def _guard(
    method: MethodDescriptor, handle: Callable[[Any], Awaitable[Message]]
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    parse = GetMessageClass(method.input_type).FromString

    async def serve(raw: bytes, context: Context) -> bytes:
        try:
            try:
                request = parse(raw)
            except DecodeError:
                raise InvalidField("request", f"is no {method.input_type.full_name}") from None
            begin(context.time_remaining())
            return (await handle(request)).SerializeToString()
        except EXPECTED as error:
            status = status_of(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is to learn nothing
            status = incident_status(_logged(method.full_name, error))
        # After the `except`, so that gRPC's own exception is not chained to ours.
        return await context.abort_with_status(to_grpc(status))

    return serve


def _logged(method: str, error: Exception) -> str:
    """Logs where an error came from, under an id that says nothing.

    Not its message: libraries like to quote what they choke on, which may be a query.
    """
    incident = secrets.token_hex(6)
    log.error("incident %s in %s: %s", incident, method, _story(error))
    return incident


def _story(error: BaseException) -> str:
    """The classes and places of an error and of what caused it, without their messages."""
    place = "".join(traceback.format_tb(error.__traceback__))
    told = f"{type(error).__module__}.{type(error).__qualname__} at\n{place}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told if cause is None else f"{told}caused by {_story(cause)}"
