"""Tokens say what they were made of, and nothing that is not exactly as it was made is read."""

import hashlib
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_service.errors import TokenRefused
from bandit_service.model import Decision
from bandit_service.tokens import Key, Keys
from bandit_service.tokens.signing import LONGEST_TOKEN, read, recovered, sign
from tests.builders import NOW, a_decision, packed

SECRET = bytes(range(32))
KEYS = Keys([Key("k1", SECRET)])
DAY = 86_400.0


def a_real_decision(**changes: object) -> Decision:
    return a_decision(**({"id": "018bcfe5-6800-7000-8000-0123456789ab"} | changes))


def by_the_book(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 writes it, for secrets of up to a block."""
    block = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"second_arm": 2, "propensity": 0.1},
        {"forced": True, "degraded": True},
        {"sticky": True, "observed": True},
        {"policy_id": 2**31 - 1, "revision": 2**40, "position": 2**53},
        {"context": packed(0.1, -0.0, 5e-324, 1 / 3), "clock": 0.1 + 0.2},
        {"feature_version": "text.v1:wördllama", "exclusions": bytes(300), "arm": 299},
    ],
)
def test_a_claim_says_what_the_decision_was(changes):
    decision = a_real_decision(**changes)

    claim = read(sign(decision, KEYS, DAY), KEYS, NOW)

    shared = set(Decision.__struct_fields__) & set(claim.__struct_fields__)
    assert len(shared) == 14
    for name in shared:
        assert getattr(claim, name) == getattr(decision, name), name
    assert (claim.expire_time, claim.slots) == (NOW + DAY, len(decision.exclusions))
    assert claim.decision_id == decision.id
    made = recovered(claim)
    for name in shared:
        assert getattr(made, name) == getattr(decision, name), name


def test_it_is_laid_out_and_signed_as_documented():
    token = sign(a_real_decision(second_arm=2, forced=True), KEYS, DAY)
    said, mac = token[:-16], token[-16:]

    assert mac == by_the_book(SECRET, said)[:16]
    assert said.startswith(b"\x01\x02k1\x01" + struct.pack("<HHHIQQ", 3, 0, 2, 1, 1, 1))
    assert said.endswith(struct.pack("<H", 24) + packed(0.6, 0.8, 1.0))


def test_no_bit_can_be_changed():
    token = sign(a_real_decision(), KEYS, DAY)

    for place in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[place] ^= 1 << bit
            with pytest.raises(TokenRefused):
                read(bytes(changed), KEYS, NOW)


def test_nothing_can_be_cut_off_or_added():
    token = sign(a_real_decision(), KEYS, DAY)

    for length in range(len(token)):
        for part in (token[:length], token[len(token) - length :]):
            with pytest.raises(TokenRefused):
                read(part, KEYS, NOW)
    for longer in (token + b"\0", b"\0" + token, token * 2, token + token[-16:]):
        with pytest.raises(TokenRefused):
            read(longer, KEYS, NOW)


@given(st.binary(max_size=300))
def test_anything_else_is_refused_and_nothing_worse(token):
    with pytest.raises(TokenRefused):
        read(token, KEYS, NOW)


@given(st.binary(max_size=200))
def test_an_id_of_ours_does_not_help(rest):
    with pytest.raises(TokenRefused):
        read(KEYS.signing.mark + rest, KEYS, NOW)


def test_another_key_of_the_same_id_is_another_key():
    token = sign(a_real_decision(), Keys([Key("k1", bytes(32))]), DAY)

    with pytest.raises(TokenRefused):
        read(token, KEYS, NOW)


def test_all_keys_verify_and_the_first_one_signs():
    old, new = Key("old", SECRET), Key("new", bytes(32))
    before = sign(a_real_decision(), Keys([old]), DAY)

    both = Keys([new, old])
    after = sign(a_real_decision(), both, DAY)

    assert read(before, both, NOW) == read(after, both, NOW)
    assert read(after, Keys([new]), NOW) == read(before, Keys([old]), NOW)
    for token, keys in ((before, Keys([new])), (after, Keys([old]))):
        with pytest.raises(TokenRefused):
            read(token, keys, NOW)


def test_it_expires():
    token = sign(a_real_decision(), KEYS, DAY)

    assert read(token, KEYS, NOW + DAY).decision_id
    with pytest.raises(TokenRefused, match="expired"):
        read(token, KEYS, NOW + DAY + 0.001)


def test_refusals_do_not_tell_forged_from_cut_or_of_another_key():
    token = sign(a_real_decision(), KEYS, DAY)
    said = set()
    for bad in (token[:-1], token[:-1] + b"x", b"", b"\x02" + token[1:], token * 10):
        with pytest.raises(TokenRefused) as refused:
            read(bad, KEYS, NOW)
        said.add(str(refused.value))

    assert len(said) == 1


@pytest.mark.parametrize(("numbers", "is_in"), [(128, True), (129, False), (512, False)])
def test_a_context_of_up_to_a_kibibyte_goes_along(numbers, is_in):
    decision = a_real_decision(context=packed(*range(numbers)))

    token = sign(decision, KEYS, DAY)

    assert read(token, KEYS, NOW).context == (decision.context if is_in else b"")
    assert len(token) <= LONGEST_TOKEN


def test_what_a_recovered_decision_does_not_know_is_not_zero():
    made = recovered(read(sign(a_real_decision(second_arm=1), KEYS, DAY), KEYS, NOW))

    assert made.recovered
    for unknown in (made.probabilities, made.means, made.deviations):
        assert np.isnan(np.frombuffer(unknown)).tolist() == [True] * 3
    assert list(made.exclusions) == [0, 0, 255]
    nothing = (made.request_id, made.session_hash, made.subject_hash, made.shadow, made.offsets)
    assert nothing == (None,) * 5


def test_a_key_shows_its_id_and_not_its_secret():
    for shown in (repr(KEYS.signing), f"{KEYS.signing}", repr([KEYS.signing])):
        assert "k1" in shown
        assert SECRET.hex() not in shown
        assert repr(SECRET)[2:-1] not in shown


def test_equal_decisions_have_equal_tokens():
    decision = a_real_decision()

    assert sign(decision, KEYS, DAY) == sign(msgspec.structs.replace(decision), KEYS, DAY)
