"""What stands around the estimates: how well the log covers a candidate, and what to beware of."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy.gathering import Gathered, Shared
from bandit_service.evaluation.offpolicy.results import ArmShare, Bin, Histogram

Array = NDArray[np.float64]

BINS = 10
FEW = 500.0  # an effective size below which intervals are only rough
FULL = 0.999
MOST_STANDARD_ERRORS = 4.0
ODD_STANDARD_ERRORS = 2.5
HEAVY = 0.1  # of all weight in one row


def known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def histogram(one: Gathered) -> Histogram:
    """By factors of two, from the smallest weight above 0."""
    least, most = min(one.powers, default=0), max(one.powers, default=0)
    counts = tuple(one.powers[power] for power in range(least, most + 1))
    edges = tuple(2.0**power for power in range(least, most + 2))
    return Histogram(edges=edges, counts=counts, zeros=one.moments.count - sum(counts))


def arm_shares(shared: Shared, one: Gathered, full: bool, logged: bool) -> tuple[ArmShare, ...]:
    made = []
    for slot, arm in enumerate(shared.arms):
        drawn, possible = float(shared.drawn[slot]), float(shared.possible[slot])
        honesty = error = None
        if logged and possible > 1 and (full or shared.estimated.rows):
            honesty = float(shared.inverse[slot]) / possible
            error = float(
                np.sqrt(max(shared.squares[slot] / possible - honesty**2, 0.0) / possible)
            )
        made.append(
            ArmShare(
                arm=arm,
                logged=drawn / shared.rows,
                candidate=float(one.chosen[slot]) / shared.rows,
                least_propensity=float(shared.least[slot]) if drawn and logged else None,
                honesty=honesty,
                honesty_error=error,
            )
        )
    return tuple(made)


def calibration(shared: Shared) -> tuple[Bin, ...]:
    """Tenths of the rows by what the model expected of the logged arm, and what came."""
    if "quality" not in shared.measures():
        return ()
    outcomes = shared.outcomes["quality"].whole()
    rows = ~np.isnan(outcomes) & shared.taught["quality"].whole()
    if rows.sum() < 2 * BINS:
        return ()
    expected, observed = shared.modelled["quality"].whole()[rows], outcomes[rows]
    order = np.argsort(expected, kind="stable")
    return tuple(
        Bin(
            rows=len(part),
            expected=float(expected[part].mean()),
            observed=float(observed[part].mean()),
            error=float(observed[part].std(ddof=1) / np.sqrt(len(part))),
        )
        for part in np.array_split(order, BINS)
    )


def cautions(one: Gathered, shared: Shared, full: bool, logged: bool) -> Iterator[str]:
    """Of one candidate."""
    told = shared.measures(one)
    for measure in shared.measures():
        if measure not in told:
            yield unheard(one, shared, measure)
    if not logged:
        yield "no propensities: the direct method alone, and its interval ignores its bias"
        return
    weights, size = one.moments, one.effective_size
    if size < FEW:
        yield f"an effective size of {size:,.0f}, below {FEW:,.0f}: intervals are rough"
    overlap = one.overlap / shared.rows
    if overlap < FULL:
        where = "could not have been drawn" if full else "goes to arms that were never drawn"
        yield (
            f"{1.0 - overlap:.1%} of what it would choose {where}: ips counts that as quality 0, "
            "dr trusts its model there"
        )
    error, mean = weights.standard_error, weights.mean
    if overlap >= FULL and abs(mean - 1.0) > ODD_STANDARD_ERRORS * error:
        yield (
            f"the mean weight is {mean:.3f} +- {error:.3f}, expected 1: an unlucky log, or wrong "
            "propensities. ips and its bounds suffer most, dr and snips least"
        )
    if weights.most > HEAVY * weights.sum:
        yield f"one decision carries {weights.most / weights.sum:.0%} of all weight"


def unheard(one: Gathered, shared: Shared, measure: str) -> str:
    """Why a measure is not estimated."""
    share = shared.unheard(one, measure)
    return (
        f"{measure} cannot be told: {share:.1%} of what it would choose goes to arms of which the "
        "log never has it"
    )


def notes(traffic: Traffic, shared: Shared, training: int) -> tuple[str, ...]:
    """Of the log as a whole."""
    return (
        *traffic.refusals,
        *_of_log(traffic, training, bool(shared.estimated.rows)),
        *_of_estimated(shared),
        *_of_silence(shared),
        *_of_arms(shared),
    )


def _of_log(traffic: Traffic, training: int, estimated: bool) -> Iterator[str]:
    for flag, count in traffic.excluded.items():
        yield f"{count:,} {flag} decisions stay out: nothing was drawn for them"
    if traffic.early:
        yield (
            f"{traffic.early:,} decisions of before a candidate's checkpoint stay out: it may have "
            "learned what came of them"
        )
    if traffic.other_policies:
        yield f"{traffic.other_policies:,} decisions of other policies stay out"
    if not traffic.knows_propensities:
        if not estimated:
            yield (
                "the log has no propensities: only the direct method can be used, or "
                "--propensities estimated"
            )
    elif not traffic.knows_all:
        yield (
            "the log has the chosen arm's chance only: overlap is by arms ever drawn, and no bound "
            "can use the range of the weights"
        )
    if training:
        yield f"models and candidates that learn were taught by the first {training:,} decisions"


def _of_estimated(shared: Shared) -> Iterator[str]:
    if shared.estimated.rows:
        yield (
            "propensities are ESTIMATED, from contexts alone: every number but dm's takes it that "
            "nothing else moved the choice, which no log can show. Their log loss is "
            f"{shared.estimated.mean:.3f}, that of frequencies alone "
            f"{shared.estimated.of_frequencies:.3f}"
        )


def _of_silence(shared: Shared) -> Iterator[str]:
    """Estimates take it that whether feedback comes does not depend on what it would say."""
    for measure in shared.measures():
        silent = shared.rows - shared.known[measure]
        if silent:
            yield (
                f"{measure} is unknown for {silent:,} of {shared.rows:,} decisions, "
                "which are left out: that is fair only if silence says nothing about it"
            )


def _of_arms(shared: Shared) -> Iterator[str]:
    """Propensities that do not fit the draws."""
    for slot, arm in enumerate(shared.arms):
        possible = float(shared.possible[slot])
        if possible < 2 or np.isnan(shared.inverse[slot]):
            continue
        mean = float(shared.inverse[slot]) / possible
        error = float(np.sqrt(max(shared.squares[slot] / possible - mean**2, 0.0) / possible))
        told = shared.is_full or shared.estimated.rows
        if error and abs(mean - 1.0) > MOST_STANDARD_ERRORS * error and told:
            yield (
                f"propensities of {arm} do not fit how often it was drawn: the mean of 1/p is "
                f"{mean:.3f} +- {error:.3f}, expected 1"
            )
