"""What may pass by itself: there is too much of something, or something is away."""

from collections.abc import Sequence

from bandit_service.errors.families import BanditError, Exhausted, Unavailable


class Overloaded(Exhausted):
    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} writes are waiting already; try again later", waiting=waiting)


class TooManyCalls(Exhausted):
    def __init__(self, most: int) -> None:
        super().__init__(f"{most} calls are under way already; end some of them", most=most)


class BudgetExhausted(Exhausted):
    """budgets: those that are short, and say so; fallback: the arm they fall back on, which this
    query may not go to."""

    def __init__(self, policy: str, budgets: Sequence[str], fallback: str = "") -> None:
        names = ", ".join(budgets)
        otherwise = "let them fall back on an arm"
        if fallback:
            otherwise = f"let the query go to {fallback!r}, on which they fall back"
        super().__init__(
            f"what is left of the budgets of policy {policy!r} ({names}) can pay for no arm; "
            f"wait for the next window, raise them, or {otherwise}",
            policy=policy,
            budgets=names,
        )


class Unpriced(Exhausted):
    """More of a budget would not help. missing: what is to be declared of the arms."""

    def __init__(
        self, policy: str, budgets: Sequence[str], arms: Sequence[str], missing: Sequence[str]
    ) -> None:
        names, able = ", ".join(budgets), ", ".join(arms)
        super().__init__(
            f"what calls of the arms that this query may go to ({able}) take is not known, so the "
            f"budgets of policy {policy!r} ({names}) cannot be kept with them; give them "
            f"{' and '.join(missing)}, or let the query go to an arm that has them",
            policy=policy,
            budgets=names,
            arms=able,
        )


class StoreUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__("the database did not answer; the outcome is unknown, send it again")


class SilentDatabase(StoreUnavailable):
    """The same for who runs the service, and can see to it: which database, and what it said."""

    def __init__(self, where: str, why: str) -> None:
        BanditError.__init__(
            self, f"{where} does not answer; see that it runs and can be reached ({why})"
        )


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
