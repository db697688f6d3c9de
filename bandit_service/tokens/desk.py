"""Hands tokens out with decisions, and looks at those that come back with feedback."""

from collections.abc import Callable, Sequence

import msgspec

from bandit_service.errors import BanditError, TokenRefused, TokenRequired
from bandit_service.model import Claim, Decision, Submission
from bandit_service.tokens import signing
from bandit_service.tokens.signing import Keys

# Feedback that was recorded in time is answered as a duplicate for as long again.
HORIZONS = 2.0


class TokenDesk:
    """`keys` tells those in force. With `is_required`, no feedback is taken without a token."""

    def __init__(
        self, keys: Callable[[], Keys], now: Callable[[], float], is_required: bool = False
    ) -> None:
        self._keys = keys
        self._now = now
        self._is_required = is_required

    def token_of(self, decision: Decision, horizon: float) -> bytes:
        """A token that outlives the policy's feedback horizon, in seconds."""
        return signing.sign(decision, self._keys(), HORIZONS * horizon)

    def checked(self, submissions: Sequence[Submission]) -> list[Submission | BanditError]:
        """Each submission with what its tokens claim, or TokenRefused or TokenRequired."""
        now, keys = self._now(), self._keys()
        return [self._checked(one, keys, now) for one in submissions]

    def _checked(self, submission: Submission, keys: Keys, now: float) -> Submission | BanditError:
        preference = submission.preference
        shown = [(submission.decision_id, submission.token)]
        if preference is not None and preference.other_decision_id:
            shown.append((preference.other_decision_id, submission.other_token))
        claims: list[Claim] = []
        for decision_id, token in shown:
            if token:
                try:
                    claim = signing.read(token, keys, now)
                except TokenRefused as refused:
                    return refused
                if claim.decision_id != decision_id:
                    return TokenRefused("it is of another decision")
                claims.append(claim)
            elif self._is_required:
                return TokenRequired(decision_id)
        return msgspec.structs.replace(submission, claims=tuple(claims)) if claims else submission
