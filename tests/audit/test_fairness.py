"""Arms that come too often, though each of them is what the key draws."""

import numpy as np
import pytest

from bandit_service.draw import draw_first, new_ids
from bandit_service.evaluation.audit.fairness import Draws
from bandit_service.evaluation.audit.states import Rederiver
from bandit_service.model import Algorithm, JournalEntry
from bandit_service.store import open_store
from tests.audit.histories import audited
from tests.builders import NOW, SECRET, a_config, a_decision, a_revision


def biased(url, tries):
    """A log whose every arm is what the key draws: but ids were thrown away until one drew the
    first arm, `tries` times at most."""
    chances, luck = np.array([0.3, 0.3, 0.4]), 0
    store = open_store(url)
    with store.write() as transaction:
        policy = transaction.create_policy("chat", SECRET, NOW)
        transaction.lock_head(policy.id)
        config = a_config(algorithm=Algorithm(name="uniform"), floor=0.0)
        transaction.append(policy.id, [JournalEntry(1, a_revision(config))], [], [], [])
        for at in range(2_000):
            ids = new_ids(tries, NOW + at)
            drawn = draw_first(policy.secret, ids, np.tile(chances, (tries, 1)))
            kept = drawn.index(0) if 0 in drawn else 0
            decision_id, arm = ids[kept], drawn[kept]
            luck += arm == 0
            row = a_decision(
                id=decision_id, arm=arm, propensity=chances[arm], create_time=NOW + at,
                probabilities=chances.tobytes(), policy_id=policy.id, clock=NOW + at,
            )  # fmt: skip
            transaction.add_decisions([row])
    store.close()
    return luck


def test_a_log_whose_arms_were_drawn_with_a_bias_is_found(url, monkeypatch):
    # What the state says of such a log is not asked here.
    monkeypatch.setattr(Rederiver, "findings", lambda self, decisions: iter(()))
    drawn = biased(url, tries=2)

    found = audited(url)
    assert found.findings == ()  # one by one, each is what the key draws
    assert not found.holds
    by_arm = {arm.arm: arm for arm in found.arms}
    assert by_arm["small"].drawn == drawn
    assert by_arm["small"].mean == pytest.approx(drawn / 0.3 / 2_000)
    assert by_arm["small"].standard_error == pytest.approx(np.sqrt((1 / 0.3 - 1) / 2_000))
    assert [arm.holds for arm in found.arms] == [False, False, False]


def test_the_same_log_drawn_once_holds(url, monkeypatch):
    monkeypatch.setattr(Rederiver, "findings", lambda self, decisions: iter(()))
    biased(url, tries=1)

    assert audited(url).holds


def draws_of(arms, chances, count):
    """`count` decisions with these arms, over and over, and their chances (K,)."""
    found = Draws(["rare", "usual"])
    made = [
        a_decision(arm=arms[at % len(arms)], probabilities=chances.tobytes(), exclusions=bytes(2))
        for at in range(count)
    ]
    found.add(made)
    return found.verdicts()


def test_two_draws_of_a_rare_arm_are_luck_and_two_hundred_are_not():
    chances = np.array([0.001, 0.999])
    rare, usual = draws_of([0] * 2 + [1] * 98, chances, 100)
    # (2 / .001 - 100) / sqrt(100 * 999) is six standard errors, and one such log in 200 is honest.
    assert (rare.mean - 1.0) / rare.standard_error > 6.0
    assert (rare.holds, usual.holds) == (None, None)

    rare, usual = draws_of([0] * 2 + [1] * 98, chances, 10_000)
    assert (rare.holds, usual.holds) == (False, False)


def test_honest_logs_are_hardly_ever_called_unfair():
    """Chances as uneven as they get: four thousand arms among honest draws, none is called so."""
    luck = np.random.default_rng(0)
    for _ in range(1_000):
        chances = luck.dirichlet([0.1] * 4)
        chances = 0.98 * chances + 0.005
        arms = luck.choice(4, size=200, p=chances)
        found = Draws("abcd")
        found.add(
            [
                a_decision(arm=arm, probabilities=chances.tobytes(), exclusions=bytes(4))
                for arm in arms.tolist()
            ]
        )
        assert all(arm.holds is not False for arm in found.verdicts())
