"""Joules: of calls, of devices, of arms. None is unknown, never zero."""

import msgspec

from bandit_service.model.words import EnergySource


class CallEnergy(msgspec.Struct, frozen=True):
    """What one metered call took, or why that is not known.

    energy_joules  above the idle draw of its devices; None where it is not known, and
                   then `why` says why
    idle_joules    its share, by time, of the idle draw meanwhile; in no other sum
    token          that came with its decision, for whom the joules are told
    start, end     the window, in seconds since the epoch
    """

    call_id: str
    decision_id: str
    arm: str
    devices: tuple[str, ...]
    start: float
    end: float
    energy_joules: float | None = None
    energy_source: EnergySource | None = None
    idle_joules: float | None = None
    output_tokens: int | None = None
    is_declared: bool = False
    why: str = ""
    token: bytes = b""


class DeviceAccount(msgspec.Struct, frozen=True):
    """Where the joules of one device went: total = calls + idle + unclaimed + open.

    total_joules      what the device's meter has counted since the agent began
    calls_joules      given to calls
    idle_joules       the idle draw
    unclaimed_joules  above the idle draw while no call was known of: other programs
    open_joules       counted, and not yet divided: calls of that time go on
    idle_watts        as configured or calibrated; None while not known
    void_seconds      time of which nothing is known: in none of the sums
    method            how it is read; empty while it is not
    trouble           why it is not read now; empty if it is
    """

    device: str
    name: str
    method: str
    source: EnergySource | None
    total_joules: float
    calls_joules: float
    idle_joules: float
    unclaimed_joules: float
    open_joules: float
    idle_watts: float | None
    void_seconds: float
    is_partitioned: bool = False
    trouble: str = ""


class ArmAccount(msgspec.Struct, frozen=True):
    """What the calls of one arm took.

    joules, calls     by source, of calls that are settled; declared ones are in neither
    metered_joules    given to calls of this arm, settled or not, known in the end or not:
                      summed over arms it is what the devices' calls_joules sum to
    declared_joules, declared_calls  by the declared joules a token, where nothing is measured
    unmeasured_calls  settled, and their energy is not known
    calls_under_way   not settled yet
    joules_per_input_token, joules_per_output_token  the weights by which calls that run at
                      the same time share; None while output tokens alone count
    """

    arm: str
    devices: tuple[str, ...]
    joules: dict[str, float]
    calls: dict[str, int]
    metered_joules: float
    declared_joules: float
    declared_calls: int
    unmeasured_calls: int
    calls_under_way: int
    joules_per_input_token: float | None = None
    joules_per_output_token: float | None = None


class EnergyAccounts(msgspec.Struct, frozen=True):
    """Everything that a meter knows, at `time`, since it began at `start_time`."""

    start_time: float
    time: float
    devices: tuple[DeviceAccount, ...]
    arms: tuple[ArmAccount, ...]
    reports_sent: int = 0
    reports_waiting: int = 0
    reports_lost: int = 0


class RecordedEnergy(msgspec.Struct, frozen=True):
    """What the log holds of one arm's energy from one source; source None: unmeasured.

    calls          decisions that chose the arm
    energy_joules  their sum; None if unmeasured
    output_tokens  written by those calls of which both joules and tokens are known
    energy_joules_with_tokens  the sum over those same calls
    """

    policy: str
    arm: str
    source: EnergySource | None
    calls: int
    energy_joules: float | None = None
    output_tokens: int = 0
    energy_joules_with_tokens: float = 0.0
