"""What is wrong with when it was asked, or by whom: not in this state, too late, not allowed."""

from bandit_service.errors.families import Denied, FailedPrecondition, Stale


class NoEligibleArm(FailedPrecondition):
    """`reasons` tells why each arm fell out."""

    def __init__(self, policy: str, reasons: dict[str, str]) -> None:
        listed = "; ".join(f"{arm}: {why}" for arm, why in reasons.items())
        super().__init__(f"policy {policy!r} has no eligible arm ({listed})", policy=policy)


class DefaultArmInUse(FailedPrecondition):
    def __init__(self, policy: str, arm: str) -> None:
        super().__init__(
            f"arm {arm!r} is the default arm of policy {policy!r}; name another default first",
            policy=policy,
            arm=arm,
        )


class ClockFixed(FailedPrecondition):
    def __init__(self, policy: str, clock: str) -> None:
        super().__init__(
            f"the decisions of policy {policy!r} are stamped by the clock of {clock}, and that "
            "cannot change; create another policy",
            policy=policy,
            clock=clock,
        )


class NoMeter(FailedPrecondition):
    """`tried` tells what each device, or kind of device, said."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__(f"nothing can be metered here ({'; '.join(tried)})")


class DecisionExpired(FailedPrecondition):
    """`horizon` in seconds. The decision itself may be gone from the log by now."""

    def __init__(self, decision: str, horizon: float) -> None:
        super().__init__(
            f"decision {decision!r} is older than {horizon / 86_400:g} days, and feedback on it "
            "is not taken any more; nothing was changed",
            decision=decision,
            horizon_seconds=f"{horizon:g}",
        )


class AheadOfJournal(FailedPrecondition):
    """To wait would be in vain: positions that were ever told are in the journal."""

    def __init__(self, policy: str, wanted: int, head: int) -> None:
        super().__init__(
            f"the journal of policy {policy!r} ends at position {head}, before the wanted "
            f"{wanted}; give a position that feedback on this policy was answered with",
            policy=policy,
            wanted=wanted,
            head=head,
        )


class NotProven(FailedPrecondition):
    """A challenger that the log does not show to be good enough."""

    def __init__(
        self, policy: str, challenger: str, low: float, margin: float, judged: int
    ) -> None:
        super().__init__(
            f"challenger {challenger!r} of policy {policy!r} may be worse than the incumbent: of "
            f"{judged} decisions its quality surely differs by more than {low:+.4f}, and more than "
            f"{-margin:+.4f} is wanted; wait for more feedback, or force it",
            policy=policy,
            challenger=challenger,
            low=low,
            margin=margin,
        )


class ChallengerStopped(FailedPrecondition):
    """A challenger that could not learn, and knows nothing since."""

    def __init__(self, policy: str, challenger: str, position: int) -> None:
        super().__init__(
            f"challenger {challenger!r} of policy {policy!r} was stopped: it failed to learn the "
            f"feedback at position {position}, and knows nothing since; give it another algorithm, "
            "or take it out and put it in again",
            policy=policy,
            challenger=challenger,
            position=position,
        )


class LeaseHeld(FailedPrecondition):
    def __init__(self, name: str, holder: str, seconds_left: float) -> None:
        super().__init__(
            f"{holder} holds the lease of {name!r} for another {seconds_left:.0f} s; stop it "
            "first, or wait until its lease has run out",
            lease=name,
            holder=holder,
        )


class PrunedJournal(FailedPrecondition):
    def __init__(self, policy: str, position: int) -> None:
        super().__init__(
            f"the journal of policy {policy!r} does not have position {position} any more: "
            "retention has let it go; begin from a checkpoint that was made after it",
            policy=policy,
            position=position,
        )


class StaleEtag(Stale):
    def __init__(self, policy: str, given: str, current: str) -> None:
        super().__init__(
            f"policy {policy!r} has changed: its etag is {current!r}, not {given!r}; read it again",
            policy=policy,
            etag=current,
        )


class LeaseLost(Stale):
    def __init__(self, name: str, epoch: int) -> None:
        super().__init__(
            f"the lease of {name!r} has been taken over since epoch {epoch}; nothing was written",
            lease=name,
            epoch=epoch,
        )


class TokenRefused(Denied):
    """`why` never tells how a token would be made."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the token is refused: {why}; send the one that came with the decision, or none"
        )


class TokenRequired(Denied):
    def __init__(self, decision: str) -> None:
        super().__init__(
            f"feedback on decision {decision!r} needs the token that came with it",
            decision=decision,
        )
