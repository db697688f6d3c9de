"""Preferences: whose they are, and what of them is learned as a pair. Pure.

A preference speaks of two sides: the arms of a duel, or the arms of two decisions. What a source
says of the same two sides again replaces what it said before; what it says of one of them and
a third is another statement. Of several sources the most trusted is learned.
"""

from bandit_service.errors import DecisionNotFound, InvalidField
from bandit_service.model import (
    Comparison,
    Decision,
    Kind,
    PolicyConfig,
    Source,
    Submission,
)
from bandit_service.standing import Standing, Terms

Subject = tuple[str, int, Kind, float]  # decision, slot, kind, value


def sides_of(
    submission: Submission, decisions: dict[str, Decision], config: PolicyConfig
) -> list[Subject]:
    """The two sides of a preference: the better has 1, the worse 0, of a tie both 0.5."""
    preference = submission.preference
    assert preference is not None
    decision = decisions[submission.decision_id]
    if preference.other_decision_id == decision.id:
        raise InvalidField("preference.other_decision_id", "names the same decision again")
    if preference.other_decision_id:
        other = decisions[preference.other_decision_id]
        if other.policy_id != decision.policy_id:
            raise DecisionNotFound(preference.other_decision_id)
        sides = [(decision.id, decision.arm), (other.id, other.arm)]
        better = preference.preferred_decision_id == decision.id
    else:
        if decision.second_arm is None:
            raise InvalidField(
                "preference", f"decision {decision.id!r} offered one arm; name the other decision"
            )
        sides = [(decision.id, decision.arm), (decision.id, decision.second_arm)]
        names = [config.arms[slot].name for _, slot in sides]
        if not preference.tie and preference.preferred_arm not in names:
            raise InvalidField(
                "preference.preferred_arm",
                f"{preference.preferred_arm!r} was not offered; {names[0]!r} and {names[1]!r} were",
            )
        better = preference.preferred_arm == names[0]
    first = 0.5 if preference.tie else float(better)
    values = (first, 1.0 - first)
    return [
        (decision_id, slot, Kind.PREFERENCE, value)
        for (decision_id, slot), value in zip(sides, values, strict=True)
    ]


def spoken(sides: list[Subject], standing: Standing, terms: Terms) -> tuple[Source, float] | None:
    """The source that counts of those that told these two sides apart, and how good it calls the
    first one. What was said before learning last began is not in the state, so it does not count.
    """
    (first_id, first_arm, _, _), (second_id, second_arm, _, _) = sides
    for source in terms.config.quality_sources:
        first = standing.said(first_id, first_arm, Kind.PREFERENCE, source)
        second = standing.said(second_id, second_arm, Kind.PREFERENCE, source)
        if first is None or second is None or first.value is None:
            continue
        # One submission writes both sides at its position.
        if first.position == second.position > terms.started_position:
            return source, first.value
    return None


def comparison(
    sides: list[Subject],
    decisions: dict[str, Decision],
    old: float | None,
    is_taught: bool,
) -> Comparison:
    """The preference with all that a fold needs of both sides."""
    (first_id, first_arm, _, value), (second_id, second_arm, _, _) = sides
    first, second = decisions[first_id], decisions[second_id]
    return Comparison(
        first_arm=first_arm,
        first_context=first.context,
        second_arm=second_arm,
        second_context=second.context,
        second_decision_id=second_id,
        clock=max(first.clock, second.clock),
        first_preferred=value,
        is_taught=is_taught,
        old=old,
        is_ordered=first_id == second_id,
    )
