"""What an audit found, as it is printed."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not hold of one decision. Numbers are by slot."""

    decision_id: str
    position: int
    what: str
    logged: str
    found: str


class ArmDraws(msgspec.Struct, frozen=True):
    """How often an arm came, against how often its probabilities say.

    mean            of 1{a_t = a} / p_t(a); 1 is what it should be
    standard_error  of that mean, if it is; None where the arm never had a chance below 1
    holds           None: it is off by more, but so few draws can be by chance
    """

    arm: str
    decisions: int
    drawn: int
    expected: float
    mean: float
    standard_error: float | None
    holds: bool | None


class Fold(msgspec.Struct, frozen=True):
    """How far the journal could be folded; `start` is 0, or a checkpoint's position.

    wrong  why it ends before `head`; None: nothing is missing
    """

    start: int
    position: int
    head: int
    state_hash: str
    wrong: str | None = None


class Audit(msgspec.Struct, frozen=True):
    """Of one policy.

    decisions   looked at for the draws; `left_out` of them nothing was drawn for, by flag
    sampled     of these (left out ones too), whose arms were derived again
    rederived   of these, whose probabilities were derived again, too
    not_rederived   the others, by reason
    undecided   of those whose probabilities were, on which a challenger had failed
    """

    policy: str
    decisions: int
    left_out: dict[str, int]
    sampled: int
    rederived: int
    not_rederived: dict[str, int]
    seed: int
    journal: Fold
    arms: tuple[ArmDraws, ...]
    findings: tuple[Finding, ...]
    undecided: int = 0

    @property
    def holds(self) -> bool:
        fair = all(arm.holds is not False for arm in self.arms)
        return fair and not self.findings and self.journal.wrong is None
