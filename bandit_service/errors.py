"""Everything this service raises on purpose.

BanditError
├── BadInput            InvalidField, WrongContext, BadTable, BadLog, NoOverlap
├── NotFound            PolicyNotFound, DecisionNotFound, ArmNotFound, ArmNotMetered, CallNotFound,
│                       CheckpointNotFound, ChallengerNotFound
├── AlreadyExists       PolicyExists, ArmExists, IdReused
├── FailedPrecondition  NoEligibleArm, DefaultArmInUse, ClockFixed, DecisionExpired,
│                       AheadOfJournal, NoMeter, LeaseHeld, PrunedJournal, NotProven
├── Stale               StaleEtag, LeaseLost
├── Denied              TokenRefused, TokenRequired
├── Exhausted           Overloaded, TooManyCalls, BudgetExhausted
├── Unavailable         StoreUnavailable, HeadLocked, NotCaughtUp, NotUnderstood, NotLogged,
│                       BufferFull, Draining
└── BadStore            NewerSchema, OlderSchema, ForeignDatabase, DamagedDatabase,
                        RefusedByDatabase, BrokenJournal, BadCheckpoint

The sentence is written in the class: what, which one, and what was wanted or kept.
The caller never builds one, and it names nothing inside (no table, no class).
"""

from typing import Any


class BanditError(Exception):
    """`str(error)` is for people; `facts` is the same for programs."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = {name: str(fact) for name, fact in facts.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and travels between processes, whatever its class takes to be made."""
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[BanditError], args: tuple[str], rest: dict[str, Any]) -> BanditError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(rest)
    return error


class BadInput(BanditError):
    """The request makes no sense, whatever the state. `field` is the one at fault."""

    def __init__(self, field: str, message: str, **facts: object) -> None:
        super().__init__(f"{field}: {message}", field=field, **facts)
        self.field = field


class InvalidField(BadInput):
    """A field is missing, out of range, or contradicts another."""


class WrongContext(BadInput):
    """The context does not fit the policy's features."""


class BadTable(BadInput):
    """A table of outcomes that cannot be used; `field` is the file and row, or the column."""


class BadLog(BadInput):
    """A log that cannot be used; `field` is the file and the line of its first bad row."""


class NoOverlap(BadInput):
    """The log never shows what a candidate would do, so nothing can be said; `field` names it."""


class NotFound(BanditError):
    """What the request names is not there."""


class PolicyNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no policy {name!r}", policy=name)


class DecisionNotFound(NotFound):
    def __init__(self, decision: str) -> None:
        super().__init__(f"no decision {decision!r}", decision=decision)


class ArmNotFound(NotFound):
    def __init__(self, policy: str, arm: str) -> None:
        super().__init__(f"policy {policy!r} has no arm {arm!r}", policy=policy, arm=arm)


class ArmNotMetered(NotFound):
    def __init__(self, arm: str) -> None:
        super().__init__(
            f"arm {arm!r} is not in this meter's configuration; name its devices there", arm=arm
        )


class CallNotFound(NotFound):
    def __init__(self, call: str) -> None:
        super().__init__(
            f"no call {call!r} is under way here; it was never started, or has ended", call=call
        )


class CheckpointNotFound(NotFound):
    def __init__(self, checkpoint: int) -> None:
        super().__init__(
            f"no checkpoint {checkpoint}; `bandit-service checkpoint list` shows those there are",
            checkpoint=checkpoint,
        )


class ChallengerNotFound(NotFound):
    def __init__(self, policy: str, challenger: str) -> None:
        super().__init__(
            f"policy {policy!r} has no challenger {challenger!r}",
            policy=policy,
            challenger=challenger,
        )


class AlreadyExists(BanditError):
    """The name or id is taken."""


class PolicyExists(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"policy {name!r} exists already", policy=name)


class ArmExists(AlreadyExists):
    def __init__(self, policy: str, arm: str) -> None:
        super().__init__(
            f"policy {policy!r} has or had an arm {arm!r}; names of arms are never used again",
            policy=policy,
            arm=arm,
        )


class IdReused(AlreadyExists):
    def __init__(self, field: str, value: str) -> None:
        super().__init__(
            f"{field} {value!r} was used before with another payload; nothing was changed",
            field=field,
            value=value,
        )


class FailedPrecondition(BanditError):
    """The request makes sense, but not in this state."""


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


class Stale(BanditError):
    """Somebody else was quicker."""


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


class Denied(BanditError):
    """The caller has not shown that it may."""


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


class Exhausted(BanditError):
    """There is too much of something; later it may fit."""


class Overloaded(Exhausted):
    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} writes are waiting already; try again later", waiting=waiting)


class TooManyCalls(Exhausted):
    def __init__(self, most: int) -> None:
        super().__init__(f"{most} calls are under way already; end some of them", most=most)


class BudgetExhausted(Exhausted):
    def __init__(self, policy: str, budgets: str) -> None:
        super().__init__(
            f"what is left of the budgets of policy {policy!r} ({budgets}) can pay for no arm; "
            "wait for the next window, raise them, or let them fall back on an arm",
            policy=policy,
            budgets=budgets,
        )


class Unavailable(BanditError):
    """Cannot be done now; the same call with the same id may be sent again."""


class StoreUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__("the database did not answer; the outcome is unknown, send it again")


class HeadLocked(StoreUnavailable):
    """Somebody else held a policy's journal for too long; nothing was written."""

    def __init__(self, policy_id: int) -> None:
        BanditError.__init__(
            self,
            "the policy's journal is held by somebody else; nothing was written, send it again",
        )
        self.policy_id = policy_id


class NotCaughtUp(Unavailable):
    def __init__(self, policy: str, wanted: int, applied: int) -> None:
        super().__init__(
            f"this replica has policy {policy!r} at position {applied}, and could not read on to "
            f"the wanted {wanted} in time; send it again, or to another replica",
            policy=policy,
            wanted=wanted,
            applied=applied,
        )


class NotUnderstood(Unavailable):
    """A newer version wrote what this one cannot decide by; the other policies are served on."""

    def __init__(self, policy: str, position: int, why: str) -> None:
        super().__init__(
            f"policy {policy!r} was changed at position {position} by a newer version of "
            f"bandit-service, which this replica does not understand ({why}); send it to another "
            "replica, and upgrade this one",
            policy=policy,
            position=position,
        )
        self.policy = policy


class NotLogged(Unavailable):
    """Its token proves that there is such a decision, but is too short to stand for it."""

    def __init__(self, decision: str) -> None:
        super().__init__(
            f"decision {decision!r} is not in the log yet, and its context is too long for its "
            "token; send it again",
            decision=decision,
        )


class BufferFull(Unavailable):
    def __init__(self, waiting: int) -> None:
        super().__init__(
            f"the database does not answer, and {waiting} decisions wait for it already; "
            "send it again later",
            waiting=waiting,
        )


class Draining(Unavailable):
    def __init__(self) -> None:
        super().__init__("the service is shutting down; send it to another replica")


class BadStore(BanditError):
    """The database cannot be used as it is. Raised at the start; while serving, only for a
    journal that was damaged meanwhile."""


class NewerSchema(BadStore):
    def __init__(self, found: str) -> None:
        super().__init__(
            f"the database has schema {found!r}, which this version does not know; "
            "use the version of bandit-service that made it",
            found=found,
        )


class OlderSchema(BadStore):
    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"the database has schema {found!r}, this version needs {wanted!r}; "
            "run `bandit-service migrate`",
            found=found,
            wanted=wanted,
        )


class ForeignDatabase(BadStore):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} holds tables of something else; name an empty database", where=where
        )


class DamagedDatabase(BadStore):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} cannot be read as a database: {why}", where=where)


class RefusedByDatabase(BadStore):
    """It is there, and does not let us do what we have to: wrong credentials, no such
    database, missing rights, read-only, full."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} refuses: {why}", where=where)


class BrokenJournal(BadStore):
    def __init__(self, policy_id: int, position: int) -> None:
        super().__init__(
            f"the journal of policy {policy_id} cannot be read at position {position}; "
            "restore the database from a copy",
            policy=policy_id,
            position=position,
        )


class BadCheckpoint(BadStore):
    """Never loaded: an older checkpoint and a longer tail of the journal take its place."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the checkpoint cannot be used: {why}", why=why)
        self.why = why
