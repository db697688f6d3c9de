"""A decision as signed bytes, and back. Pure: the keys are passed in.

Everything is little-endian. HMAC-SHA256 is of all that comes before it; 16 of its 32 bytes are
kept, which nobody guesses. The token is signed, not encrypted: who has it may read it.

    version           u8, 1
    key id            u8 length, then ASCII
    flags             u8: 1 forced, 2 sticky, 4 observed, 8 degraded
    slots, arm        u16 each; how many arms there were, and the one that was chosen
    second arm        u16, 0xFFFF for none
    policy id         u32
    revision, position  u64 each
    issued, expires   f64 each, seconds since the epoch
    clock, propensity f64 each
    decision id       u8 length, then ASCII
    feature version   u8 length, then UTF-8
    context           u16 length in bytes, then float64s; 0 if it would be too long
    HMAC              16 bytes

The context is float64 as it was learned from: what is learned from a token now, and taken back
by way of the decision's own row later, has to be the same to the last bit. A new layout is a
new version, and is to be read by one release before it is written by the next: replicas of both
serve side by side during an upgrade.
"""

import hmac
import struct
from collections.abc import Iterable

import numpy as np

from bandit_service.errors import TokenRefused
from bandit_service.model import Claim, Decision

VERSION = 1
MAC_BYTES = 16
MOST_CONTEXT_BYTES = 1024  # 128 numbers; a longer context stays out
LONGEST_TOKEN = 2_048
# Stands in `exclusions` of a recovered decision where nobody knows (eligibility.Exclusion).
UNKNOWN_EXCLUSION = 255

_BODY = struct.Struct("<BHHHIQQdddd")
_LENGTH = struct.Struct("<H")
_NONE = 0xFFFF
_FORCED, _STICKY, _OBSERVED, _DEGRADED = 1, 2, 4, 8
_NOT_OURS = "it was not made here, or has been changed"


class Key:
    """`id` is written into the tokens; `secret` never shows, wherever the key is printed."""

    __slots__ = ("id", "mark", "secret")

    def __init__(self, id: str, secret: bytes) -> None:  # noqa: A002
        self.id = id
        self.secret = secret
        written = id.encode("ascii")
        self.mark = bytes((VERSION, len(written))) + written

    def __repr__(self) -> str:
        return f"Key({self.id!r})"


class Keys:
    """The first signs, all verify. Raises ValueError if there is none."""

    __slots__ = ("_by_id", "signing")

    def __init__(self, keys: Iterable[Key]) -> None:
        listed = tuple(keys)
        if not listed:
            raise ValueError("at least one key is needed")
        self.signing = listed[0]
        self._by_id = {key.id.encode("ascii"): key for key in listed}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, written: bytes) -> Key | None:
        return self._by_id.get(written)


def sign(decision: Decision, keys: Keys, seconds: float) -> bytes:
    """A token for a decision, good for so many seconds from its making."""
    key = keys.signing
    decision_id, feature_version = decision.id.encode(), decision.feature_version.encode()
    context = decision.context
    if len(context) > MOST_CONTEXT_BYTES:
        context = b""
    second = decision.second_arm
    body = _BODY.pack(
        decision.forced * _FORCED
        | decision.sticky * _STICKY
        | decision.observed * _OBSERVED
        | decision.degraded * _DEGRADED,
        len(decision.exclusions),
        decision.arm,
        _NONE if second is None else second,
        decision.policy_id,
        decision.revision,
        decision.position,
        decision.create_time,
        decision.create_time + seconds,
        decision.clock,
        decision.propensity,
    )
    said = b"".join(
        (
            key.mark,
            body,
            bytes((len(decision_id),)),
            decision_id,
            bytes((len(feature_version),)),
            feature_version,
            _LENGTH.pack(len(context)),
            context,
        )
    )
    return said + hmac.digest(key.secret, said, "sha256")[:MAC_BYTES]


def read(token: bytes, keys: Keys, now: float) -> Claim:
    """What a token says. Raises TokenRefused, with nothing that would help to make one."""
    said = _verified(token, keys)
    fields = _BODY.unpack_from(said, place := 2 + said[1])
    flags, slots, arm, second, policy_id, revision, position, issued, expires, clock, odds = fields
    if now > expires:
        raise TokenRefused("it has expired")
    decision_id, place = _short(said, place + _BODY.size)
    feature_version, place = _short(said, place)
    return Claim(
        decision_id=decision_id.decode(),
        policy_id=policy_id,
        revision=revision,
        position=position,
        create_time=issued,
        expire_time=expires,
        clock=clock,
        feature_version=feature_version.decode(),
        context=said[place + _LENGTH.size :],
        slots=slots,
        arm=arm,
        second_arm=None if second == _NONE else second,
        propensity=odds,
        forced=bool(flags & _FORCED),
        sticky=bool(flags & _STICKY),
        observed=bool(flags & _OBSERVED),
        degraded=bool(flags & _DEGRADED),
    )


def _verified(token: bytes, keys: Keys) -> bytes:
    """All but the signature, once that is found to be good: nothing is read before."""
    if not 2 + MAC_BYTES <= len(token) <= LONGEST_TOKEN:
        raise TokenRefused(_NOT_OURS)
    said, mac = token[:-MAC_BYTES], token[-MAC_BYTES:]
    key = keys.find(said[2 : 2 + said[1]])
    if key is None or said[0] != VERSION:
        raise TokenRefused(_NOT_OURS)
    if not hmac.compare_digest(hmac.digest(key.secret, said, "sha256")[:MAC_BYTES], mac):
        raise TokenRefused(_NOT_OURS)
    return said


def _short(said: bytes, place: int) -> tuple[bytes, int]:
    """A string after its length, and where the next field begins."""
    end = place + 1 + said[place]
    return said[place + 1 : end], end


def recovered(claim: Claim) -> Decision:
    """The decision as far as its token tells: what is not known is NaN, never zero.

    Its own row, if it comes, takes this one's place. Until then the probabilities of the other
    arms are unknown, so it is of no use to off-policy estimates.
    """
    unknown = np.full(claim.slots, np.nan).tobytes()
    exclusions = bytearray([UNKNOWN_EXCLUSION]) * claim.slots
    for slot in (claim.arm, claim.second_arm):
        if slot is not None:
            exclusions[slot] = 0
    return Decision(
        id=claim.decision_id,
        policy_id=claim.policy_id,
        revision=claim.revision,
        position=claim.position,
        create_time=claim.create_time,
        clock=claim.clock,
        feature_version=claim.feature_version,
        context=claim.context,
        arm=claim.arm,
        propensity=claim.propensity,
        probabilities=unknown,
        means=unknown,
        deviations=unknown,
        exclusions=bytes(exclusions),
        second_arm=claim.second_arm,
        forced=claim.forced,
        sticky=claim.sticky,
        observed=claim.observed,
        degraded=claim.degraded,
        recovered=True,
    )
