"""Tells the meter beside the GPUs when a call runs, so that its joules become known.

For the application that runs on the GPU host, or reaches the meter there. Whatever happens to the
meter, calls go on: then they are unmeasured.
"""

import logging
import time
from types import TracebackType
from typing import Self
from uuid import uuid4

import grpc
from google.protobuf.duration_pb2 import Duration

from bandit_service.client.channel import check_server, open_channel
from bandit_service.client.errors import from_rpc
from bandit_service.client.records import Choice
from bandit_service.client.usage import usage_of
from bandit_service.rpc.pb import energy_pb2 as pb
from bandit_service.rpc.pb.energy_pb2_grpc import EnergyServiceStub

log = logging.getLogger("bandit_service.client")

DEFAULT_METER = "127.0.0.1:7071"
REST_SECONDS = 5.0  # a meter that did not answer is left alone for so long


class Meter:
    """Announces calls to `bandit-service meter`. One serves a whole program, from any thread.

    timeout      seconds for one word to the meter; it answers within a millisecond
    credentials  from `grpc.ssl_channel_credentials(...)`; not needed on this machine
    insecure     True to talk unencrypted to another machine

    Raises ValueError for what cannot work. Its methods raise nothing: a meter that is away, or
    does not know an arm, is logged, and costs a measurement.
    """

    def __init__(
        self,
        server: str = DEFAULT_METER,
        *,
        timeout: float = 0.25,
        credentials: grpc.ChannelCredentials | None = None,
        insecure: bool = False,
    ) -> None:
        check_server(server, credentials, insecure)
        self._channel = open_channel(server, credentials)
        self._stub = EnergyServiceStub(self._channel)
        self._timeout = timeout
        self._rest_until = 0.0

    def call(
        self, choice: Choice, *, arm: str | None = None, input_tokens: int | None = None
    ) -> "MeteredCall":
        """A `with` block around one call to the chosen arm; in a duel, `arm` says which."""
        return MeteredCall(self, choice, arm or choice.arm, input_tokens)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(
        self, request: pb.StartCallRequest | pb.ReportTokensRequest | pb.EndCallRequest
    ) -> bool:
        """False if the meter did not take it."""
        if time.monotonic() < self._rest_until:
            return False
        try:
            if isinstance(request, pb.StartCallRequest):
                self._stub.StartCall(request, timeout=self._timeout)
            elif isinstance(request, pb.ReportTokensRequest):
                self._stub.ReportTokens(request, timeout=self._timeout)
            else:
                self._stub.EndCall(request, timeout=self._timeout)
        except grpc.RpcError as error:
            known = from_rpc(error)
            log.warning("a call is not metered: %s", known)
            if not known.callers:
                self._rest_until = time.monotonic() + REST_SECONDS
            return False
        except ValueError as error:  # a closed channel; more tokens than a message holds
            log.warning("a call is not metered: %s", error)
            return False
        return True


class MeteredCall:
    """One call, from the block's beginning to its end.

    is_metered  whether the meter knows of it
    response    set it to the model's answer, in OpenAI's shape: its tokens are told at the end
    """

    def __init__(self, meter: Meter, choice: Choice, arm: str, input_tokens: int | None) -> None:
        self.call_id = str(uuid4())
        self.is_metered = False
        self.response: object = None
        self._meter = meter
        self._choice = choice
        self._arm = arm
        self._input_tokens = input_tokens
        self._output_tokens: int | None = None
        self._started = 0.0
        self._first_token: float | None = None

    def tokens(self, output_tokens: int) -> None:
        """So many have been written since the call began. Say so twice a second, or less."""
        if self._first_token is None and output_tokens:
            self._first_token = time.monotonic() - self._started
        self._output_tokens = output_tokens
        if self.is_metered:
            self._meter._tell(
                pb.ReportTokensRequest(call_id=self.call_id, output_tokens=output_tokens)
            )

    def first_token(self) -> None:
        """Say so when the first token of a stream arrives."""
        self.tokens(1)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._choice.decision_id:  # a fallback has no decision to report on
            self.is_metered = self._meter._tell(
                pb.StartCallRequest(
                    call_id=self.call_id,
                    decision_id=self._choice.decision_id,
                    arm=self._arm,
                    input_tokens=self._input_tokens,
                    token=self._choice.token,
                )
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if not self.is_metered:
            return
        usage = usage_of(self.response)
        told = self._output_tokens if usage.output_tokens is None else usage.output_tokens
        request = pb.EndCallRequest(
            call_id=self.call_id, output_tokens=told, input_tokens=usage.input_tokens
        )
        if self._first_token is not None:
            after = Duration()
            after.FromNanoseconds(round(self._first_token * 1e9))
            request.time_to_first_token.CopyFrom(after)
        self._meter._tell(request)
