"""Every named place, every time of the first few: the process dies there, or the database fails."""

import asyncio

import pytest

from bandit_service import failpoints
from bandit_service.errors import InvalidField, StoreUnavailable
from bandit_service.failpoints import ERROR, KILL, POINTS
from bandit_service.settings import Settings
from tests.faults.asking import assert_same_state
from tests.faults.checker import check
from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import SOAK, effort, seeded, write_counts
from tests.faults.processes import DURABLE, Service, services
from tests.patience import wait_until

HITS = effort((2,), (1, 2, 3, 5, 8))
# Beside all that: tests/faults/test_checkpoints.py.
OF_A_BATCH = [place for place in POINTS if place != "during_checkpoint"]
DEADLY = [place for place in OF_A_BATCH if KILL in POINTS[place]]
FAILING = [place for place in OF_A_BATCH if ERROR in POINTS[place] and place != "during_load"]


@pytest.fixture(autouse=True)
def _disarmed():
    yield
    failpoints.arm("")


@pytest.mark.parametrize(
    "text",
    ["nowhere=kill@1", "after_commit=explode@1", "after_commit=kill@0", "after_commit=kill",
     "before_deliver=error@1", "after_commit=kill@1;before_commit=kill@1"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(InvalidField, match="BANDIT_FAILPOINTS"):
        failpoints.arm(text)

    for place in POINTS:
        failpoints.hit(place)


def test_a_place_acts_the_time_it_was_told_and_never_again():
    failpoints.arm("after_commit=error@2,before_log=error@1")

    failpoints.hit("after_commit")
    with pytest.raises(StoreUnavailable):
        failpoints.hit("before_log")
    with pytest.raises(StoreUnavailable):
        failpoints.hit("after_commit")
    for place in POINTS:
        failpoints.hit(place)


def test_the_variable_is_no_setting_and_no_typo():
    assert Settings.read({failpoints.VARIABLE: "after_commit=kill@1"}) == Settings()


def test_a_server_refuses_a_place_it_does_not_have(nursery, tmp_path):
    with services(nursery, f"sqlite:///{tmp_path}/test.db") as (service,):
        service.start("nowhere=kill@1", serving=False)
        service.wait_for_the_end()

        assert "cannot 'kill' at 'nowhere'" in service.errors()
        assert "Traceback" not in service.errors()
    assert not (tmp_path / "test.db").exists()


def test_a_database_that_fails_for_a_moment_does_not_keep_a_policy_from_being_made(
    nursery, policy, tmp_path
):
    database = f"sqlite:///{tmp_path}/test.db"
    with services(nursery, database, "--policy", policy, DURABLE) as (service,):
        service.start("before_commit=error@1,after_commit=error@1")

        assert "failpoint before_commit: error" in service.errors()
        assert "failpoint after_commit: error" in service.errors()
        assert_same_state(service.address, check(database, Acknowledged()))


async def killed_at(service: Service, place: str, hit: int, luck) -> Acknowledged:
    prefix = f"{place}-{hit}-"
    service.start(f"{place}={KILL}@{hit}", serving=False)
    async with under_clients([service.address], luck, count=6, prefix=prefix) as told:
        await asyncio.to_thread(service.wait_for_the_end)
        await asyncio.to_thread(service.start)
    return told


@pytest.mark.timeout(3_600)
def test_a_death_at_any_of_the_places_loses_nothing(nursery, policy, fresh_url, request):
    acknowledged = 0
    hits = HITS if SOAK or fresh_url.startswith("sqlite") else HITS[:1]
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, DURABLE) as (service,),
    ):
        service.start()  # there is a policy to load
        service.kill()
        for place in DEADLY:
            # All that is loaded is one short journal: there is one such time.
            for hit in hits if place != "during_load" else (1,):
                told = asyncio.run(killed_at(service, place, hit, luck))
                verdict = check(fresh_url, told)
                assert_same_state(service.address, verdict)
                assert f"failpoint {place}: kill" in service.errors()
                acknowledged += verdict.acknowledged
                service.kill()

    write_counts(
        f"test_failpoints::{request.node.name}",
        places=len(DEADLY),
        hits=len(hits),
        acknowledged=acknowledged,
        lost=0,
        twice=0,
    )


async def failing_at_all(service: Service, hit: int, luck) -> Acknowledged:
    def all_have_failed() -> bool:
        said = service.errors()
        return all(said.count(f"failpoint {place}: error") >= turns for place in FAILING)

    service.start(",".join(f"{place}={ERROR}@{hit}" for place in FAILING))
    turns = service.starts - 1  # the first process was not armed
    async with under_clients([service.address], luck, count=6, prefix=f"{hit}-") as told:
        await asyncio.to_thread(wait_until, all_have_failed, "every place has failed")
    return told


@pytest.mark.timeout(3_600)
def test_a_failure_at_any_of_the_places_loses_nothing(nursery, policy, fresh_url, request):
    acknowledged = 0
    with (
        seeded(request.node.name) as luck,
        services(nursery, fresh_url, "--policy", policy, DURABLE) as (service,),
    ):
        service.start()  # there is a policy: to make it is not to fail
        service.kill()
        for hit in HITS:
            told = asyncio.run(failing_at_all(service, hit, luck))
            verdict = check(fresh_url, told)
            assert_same_state(service.address, verdict)
            assert told.refused["Route UNAVAILABLE"] + told.refused["Feedback UNAVAILABLE"] > 0
            acknowledged += verdict.acknowledged
            service.kill()

    write_counts(
        f"test_failpoints::{request.node.name}",
        places=len(FAILING),
        hits=len(HITS),
        acknowledged=acknowledged,
        lost=0,
        twice=0,
    )
