"""What the log says of energy, summed for people: by arm and source, with carbon if asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from bandit_service.energy.carbon import grams_co2e
from bandit_service.model import RecordedEnergy

UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Line:
    """One arm and source. None is unknown: of unmeasured calls nothing but their number is known.

    joules_per_output_token  over those calls of which both are known
    grams_co2e               None too without a grid intensity
    """

    policy: str
    arm: str
    source: str
    calls: int
    energy_joules: float | None
    joules_per_call: float | None
    joules_per_output_token: float | None
    grams_co2e: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All lines, and the sums over what is known: `energy_joules` leaves out
    `unmeasured_calls`, and is None if all calls are."""

    lines: list[Line]
    calls: int
    unmeasured_calls: int
    energy_joules: float | None
    grams_co2e: float | None
    grams_per_kwh: float | None


def summary(recorded: Sequence[RecordedEnergy], grams_per_kwh: float | None = None) -> Summary:
    """Raises InvalidField for an intensity that is none."""
    known = [one.energy_joules for one in recorded if one.energy_joules is not None]
    total = sum(known) if known else None
    return Summary(
        lines=[_line(one, grams_per_kwh) for one in recorded],
        calls=sum(one.calls for one in recorded),
        unmeasured_calls=sum(one.calls for one in recorded if one.energy_joules is None),
        energy_joules=total,
        grams_co2e=_grams(total, grams_per_kwh),
        grams_per_kwh=grams_per_kwh,
    )


def _line(one: RecordedEnergy, grams_per_kwh: float | None) -> Line:
    joules = one.energy_joules
    return Line(
        policy=one.policy,
        arm=one.arm,
        source=UNMEASURED if one.source is None else one.source.value,
        calls=one.calls,
        energy_joules=joules,
        joules_per_call=None if joules is None else joules / one.calls,
        joules_per_output_token=(
            one.energy_joules_with_tokens / one.output_tokens if one.output_tokens else None
        ),
        grams_co2e=_grams(joules, grams_per_kwh),
    )


def _grams(joules: float | None, grams_per_kwh: float | None) -> float | None:
    if joules is None or grams_per_kwh is None:
        return None
    return grams_co2e(joules, grams_per_kwh)
