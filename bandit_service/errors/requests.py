"""What is wrong with what was asked: it makes no sense, names what is not there, or what is
there already."""

from bandit_service.errors.families import AlreadyExists, BadInput, NotFound


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
