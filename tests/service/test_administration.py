"""Policies and arms, changed while they serve."""

import asyncio

import numpy as np
import pytest

from bandit_service.errors import (
    ArmExists,
    BanditError,
    ClockFixed,
    DefaultArmInUse,
    InvalidField,
    PolicyExists,
    PolicyNotFound,
    StaleEtag,
)
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    Features,
    Forgetting,
    Routed,
    VectorFeatures,
)
from tests.builders import a_config, a_submission
from tests.patience import PATIENCE
from tests.service.running import running


async def test_a_new_policy_serves_at_once(service):
    view = await service.administrator.create(a_config(name="new"))

    assert (view.revision, view.config.name, view.create_time) == (1, "new", view.update_time)
    assert isinstance((await service.routed(policy="new"))[0], Routed)


async def test_the_name_of_a_living_policy_is_taken(service):
    with pytest.raises(PolicyExists):
        await service.create()

    assert await service.decide()


async def test_of_two_policies_of_one_name_that_come_together_one_is_made(service):
    answers = await asyncio.gather(
        service.create(name="new"), service.create(name="new"), return_exceptions=True
    )

    assert sum(isinstance(answer, PolicyExists) for answer in answers) == 1
    assert await service.decide(policy="new")


async def test_a_policy_that_makes_no_sense_is_never_made(service):
    with pytest.raises(InvalidField, match="floor"):
        await service.create(name="new", floor=2.0)

    with pytest.raises(PolicyNotFound):
        service.administrator.get("new")
    assert len(service.store.policies()) == 1


async def test_two_policies_have_two_secrets(service):
    await service.create(name="other")

    secrets = {policy.secret for policy in service.store.policies()}
    assert len(secrets) == 2
    assert {len(secret) for secret in secrets} == {32}


async def test_an_update_acts_on_the_next_decision(service):
    before = service.administrator.get("chat")

    view, restarted = await service.administrator.update("chat", {"floor": 1.0}, before.etag)

    assert not restarted
    assert (view.revision, view.config.floor) == (2, 1.0)
    assert view.update_time > before.update_time
    assert view.etag != before.etag
    decision = (await service.routed())[0].decision
    assert decision.revision == 2
    assert np.frombuffer(decision.probabilities) == pytest.approx([1 / 3] * 3)


async def test_an_update_that_changes_nothing_is_no_revision(service):
    before = service.administrator.get("chat")

    view, restarted = await service.administrator.update("chat", {"floor": 0.01}, before.etag)

    assert (view, restarted) == (before, False)
    assert service.engine().position == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": Algorithm(name="beta_thompson")},
        {"features": Features(vector=VectorFeatures(dimension=2))},
        {"algorithm": Algorithm(name="squarecb")},
    ],
)
async def test_an_update_says_whether_learning_starts_afresh(service, changes):
    decision_id = await service.decide()
    await service.recorder.record(a_submission(decision_id=decision_id, success=True))

    _, restarted = await service.administrator.update("chat", changes, "")

    assert restarted == (changes.get("algorithm") == Algorithm(name="beta_thompson"))
    assert bool(service.engine().state.observations.any()) is not restarted


async def test_learning_goes_on_after_the_number_of_clusters_changes(service):
    one, two = (
        Algorithm(name="beta_thompson", settings={"clusters": clusters}) for clusters in (1, 2)
    )
    await service.create(name="beta", algorithm=one)
    decision_id = await service.decide(policy="beta")

    call = service.administrator.update("beta", {"algorithm": two}, "")
    await asyncio.wait_for(call, PATIENCE)

    recorded = await service.recorder.record(a_submission(decision_id=decision_id, success=True))
    assert service.engine("beta").position == recorded.position == 3


async def test_after_the_number_of_clusters_changed_the_service_still_starts(database):
    beta = Algorithm(name="beta_thompson")
    async with running(database) as service:
        await service.create(algorithm=beta)
        two = Algorithm(name="beta_thompson", settings={"clusters": 2})
        await service.administrator.update("chat", {"algorithm": two}, "")

    async with running(database) as service:
        assert await service.decide()


async def test_every_change_refuses_a_stale_etag_and_changes_nothing(service):
    stale = service.administrator.get("chat").etag
    await service.administrator.update("chat", {"floor": 0.2}, "")
    before = service.administrator.get("chat")
    administrator = service.administrator

    for call in (
        administrator.update("chat", {"floor": 0.3}, stale),
        administrator.add_arm("chat", Arm(name="huge"), stale),
        administrator.update_arm("chat", "small", {"tags": ("eu",)}, stale),
        administrator.retire_arm("chat", "small", stale),
        administrator.remove_arm("chat", "small", stale),
        administrator.delete("chat", stale),
    ):
        with pytest.raises(StaleEtag):
            await call

    assert administrator.get("chat") == before


async def test_of_two_changes_with_one_etag_one_wins(service):
    etag = service.administrator.get("chat").etag

    answers = await asyncio.gather(
        service.administrator.update("chat", {"floor": 0.2}, etag),
        service.administrator.update("chat", {"floor": 0.3}, etag),
        return_exceptions=True,
    )

    assert [isinstance(answer, StaleEtag) for answer in answers].count(True) == 1
    assert service.administrator.get("chat").revision == 2


async def test_an_arm_lives_from_its_addition_to_its_removal(service):
    administrator = service.administrator

    await administrator.add_arm("chat", Arm(name="huge"), "")
    assert (await service.routed(allowed_arms=("huge",)))[0].arm == "huge"
    await administrator.update_arm("chat", "huge", {"tags": ("eu",)}, "")
    assert (await service.routed(required_tags=("eu",)))[0].arm == "huge"
    await administrator.retire_arm("chat", "huge", "")
    with pytest.raises(BanditError, match="huge: the arm is retired"):
        await service.decide(required_tags=("eu",))
    view = await administrator.remove_arm("chat", "huge", "")
    assert view.config.arms[3].state is ArmState.REMOVED
    with pytest.raises(ArmExists):
        await administrator.add_arm("chat", Arm(name="huge"), "")


async def test_the_default_arm_cannot_be_taken_away(service):
    await service.administrator.update("chat", {"default_arm": "small"}, "")

    with pytest.raises(DefaultArmInUse):
        await service.administrator.retire_arm("chat", "small", "")


async def test_the_clock_of_forgetting_cannot_change_but_the_half_life_can(service, by_requests):
    by_time = Forgetting(half_life=60.0)

    with pytest.raises(ClockFixed):
        await service.administrator.update("chat", {"forgetting": by_requests}, "")
    view, _ = await service.administrator.update("chat", {"forgetting": by_time}, "")

    assert view.config.forgetting == by_time


async def test_a_deleted_policy_is_gone_and_its_name_is_free(database):
    async with running(database) as service:
        await service.create()
        etag = service.administrator.get("chat").etag
        await service.administrator.delete("chat", etag)
        for call in (service.decide(), service.administrator.delete("chat", "")):
            with pytest.raises(PolicyNotFound):
                await call
        await service.create(floor=0.5)

    async with running(database) as service:
        view = service.administrator.get("chat")
        assert (view.config.floor, view.revision) == (0.5, 1)
        assert view.etag != etag


async def test_deleting_twice_at_once_finds_nothing_the_second_time(service):
    answers = await asyncio.gather(
        *(service.administrator.delete("chat", "") for _ in range(2)), return_exceptions=True
    )

    assert [isinstance(answer, PolicyNotFound) for answer in answers].count(True) == 1


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 8, 1000])
async def test_pages_list_every_policy_once_and_by_name(service, page_size):
    names = ["b", "B", "a.1", "a-1", "zz", "a"]
    for name in names:
        await service.create(name=name)

    listed, token = [], ""
    while True:
        page, token = service.administrator.list(page_size, token)
        assert 1 <= len(page) <= page_size
        listed += [view.config.name for view in page]
        if not token:
            break

    assert listed == sorted([*names, "chat"])


async def test_a_page_goes_on_where_it_was_even_if_that_policy_is_gone(service):
    for name in ("a", "b"):
        await service.create(name=name)
    _, token = service.administrator.list(1, "")
    await service.administrator.delete("a", "")

    page, _ = service.administrator.list(1, token)

    assert [view.config.name for view in page] == ["b"]


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_size_out_of_range_is_refused(service, size):
    with pytest.raises(InvalidField) as refused:
        service.administrator.list(size, "")

    assert refused.value.field == "page_size"


@pytest.mark.parametrize("token", ["!!!!", "x", "é", "_w==", "YQ==\n"])
async def test_a_page_token_that_was_never_handed_out_is_refused(service, token):
    with pytest.raises(InvalidField) as refused:
        service.administrator.list(10, token)

    assert refused.value.field == "page_token"
