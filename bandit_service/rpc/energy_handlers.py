"""EnergyService, served by the meter: read the request, tell the meter, write the answer."""

from typing import Protocol

from bandit_service.model import ArmAccount, DeviceAccount, EnergyAccounts, EnergySource
from bandit_service.rpc import form
from bandit_service.rpc.convert import LONGEST_ID, MOST_TOKENS
from bandit_service.rpc.convert_feedback import ENERGY_SOURCES
from bandit_service.rpc.pb import energy_pb2 as pb
from bandit_service.tokens.signing import LONGEST_TOKEN


class Meter(Protocol):
    """Measures calls. No method blocks."""

    def start_call(
        self,
        call_id: str,
        decision_id: str,
        arm: str,
        input_tokens: int | None = None,
        token: bytes = b"",
    ) -> None: ...

    def report_tokens(
        self, call_id: str, output_tokens: int, input_tokens: int | None = None
    ) -> None: ...

    def end_call(
        self,
        call_id: str,
        output_tokens: int | None = None,
        input_tokens: int | None = None,
        first_token_seconds: float | None = None,
    ) -> None: ...

    def accounts(self) -> EnergyAccounts: ...


class EnergyHandlers:
    """EnergyService."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def StartCall(self, request: pb.StartCallRequest) -> pb.StartCallResponse:
        self._meter.start_call(
            form.required("call_id", request.call_id, LONGEST_ID),
            form.required("decision_id", request.decision_id, LONGEST_ID),
            form.required("arm", request.arm, form.LONGEST_NAME),
            _tokens("input_tokens", request),
            form.opaque("token", request.token, LONGEST_TOKEN),
        )
        return pb.StartCallResponse()

    async def ReportTokens(self, request: pb.ReportTokensRequest) -> pb.ReportTokensResponse:
        self._meter.report_tokens(
            form.required("call_id", request.call_id, LONGEST_ID),
            form.whole("output_tokens", request.output_tokens, MOST_TOKENS),
            _tokens("input_tokens", request),
        )
        return pb.ReportTokensResponse()

    async def EndCall(self, request: pb.EndCallRequest) -> pb.EndCallResponse:
        is_told = request.HasField("time_to_first_token")
        self._meter.end_call(
            form.required("call_id", request.call_id, LONGEST_ID),
            _tokens("output_tokens", request),
            _tokens("input_tokens", request),
            form.seconds("time_to_first_token", request.time_to_first_token) if is_told else None,
        )
        return pb.EndCallResponse()

    async def GetEnergy(self, request: pb.GetEnergyRequest) -> pb.GetEnergyResponse:
        accounts = self._meter.accounts()
        return pb.GetEnergyResponse(
            start_time=form.timestamp(accounts.start_time),
            time=form.timestamp(accounts.time),
            devices=map(_device, accounts.devices),
            arms=map(_arm, accounts.arms),
            reports_sent=accounts.reports_sent,
            reports_waiting=accounts.reports_waiting,
            reports_lost=accounts.reports_lost,
        )


def _tokens(
    field: str, request: pb.StartCallRequest | pb.ReportTokensRequest | pb.EndCallRequest
) -> int | None:
    if not request.HasField(field):
        return None
    return form.whole(field, getattr(request, field), MOST_TOKENS)


def _device(account: DeviceAccount) -> pb.DeviceEnergy:
    source = account.source
    return pb.DeviceEnergy(
        device=account.device,
        name=account.name,
        method=account.method,
        source=None if source is None else ENERGY_SOURCES.write(source),
        total_joules=account.total_joules,
        calls_joules=account.calls_joules,
        idle_joules=account.idle_joules,
        unclaimed_joules=account.unclaimed_joules,
        open_joules=account.open_joules,
        idle_watts=account.idle_watts,
        void_seconds=account.void_seconds,
        partitioned=account.is_partitioned,
        trouble=account.trouble,
    )


def _arm(account: ArmAccount) -> pb.ArmEnergy:
    return pb.ArmEnergy(
        arm=account.arm,
        devices=account.devices,
        sources=[
            pb.SourceEnergy(
                source=ENERGY_SOURCES.write(EnergySource(source)),
                energy_joules=account.joules[source],
                calls=calls,
            )
            for source, calls in account.calls.items()
        ],
        metered_joules=account.metered_joules,
        declared_joules=account.declared_joules,
        declared_calls=account.declared_calls,
        unmeasured_calls=account.unmeasured_calls,
        calls_under_way=account.calls_under_way,
        joules_per_input_token=account.joules_per_input_token,
        joules_per_output_token=account.joules_per_output_token,
    )
