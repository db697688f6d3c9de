"""Who changed what about a policy, and when: read back from its journal."""

import json

import pytest

from bandit_service.errors import PolicyNotFound, StaleEtag
from bandit_service.model import Algorithm, Arm, Objective
from tests.builders import NOW, a_submission


def told(view) -> dict[str, tuple[object, object]]:
    read = [
        (one.field, *(value and json.loads(value) for value in (one.old, one.new)))
        for one in view.changes
    ]
    return {field: (old, new) for field, old, new in read}


async def test_three_changes_are_told_with_who_when_and_from_what_to_what(service):
    administrator = service.administrator
    first, _ = await administrator.update("chat", {"floor": 0.05}, "", "ada")
    decision = await service.decide()
    await service.recorder.record(a_submission(decision_id=decision, success=True))
    second, _ = await administrator.update(
        "chat", {"objective": Objective(quality_per_usd=20.0)}, first.etag, "grace"
    )
    third, _ = await administrator.update_arm(
        "chat", "small", {"tags": ("eu",), "input_usd_per_million_tokens": 0.5}, second.etag
    )

    views = await administrator.history("chat", 100, 0)

    assert [view.revision for view in views] == [4, 3, 2, 1]
    assert [view.etag for view in views[:3]] == [third.etag, second.etag, first.etag]
    assert [view.author for view in views] == ["", "grace", "ada", ""]
    assert [view.position for view in views] == [5, 4, 2, 1]
    assert [view.time for view in views[:3]] == [
        third.update_time, second.update_time, first.update_time,
    ]  # fmt: skip
    assert views[0].time > views[1].time > views[2].time > views[3].time >= NOW
    assert told(views[2]) == {"floor": (0.01, 0.05)}
    assert told(views[1]) == {"objective.quality_per_usd": (0.0, 20.0)}
    assert told(views[0]) == {
        "arms[small].tags": ([], ["eu"]),
        "arms[small].input_usd_per_million_tokens": (None, 0.5),
    }
    assert told(views[3]) == {}


async def test_an_arm_that_came_and_a_restart_are_told(service):
    await service.administrator.add_arm("chat", Arm(name="new", tags=("eu",)), "")
    await service.administrator.update("chat", {"algorithm": Algorithm(name="beta_thompson")}, "")

    restart, arm, _ = await service.administrator.history("chat", 10, 0)

    assert list(told(arm)) == ["arms[new]"]
    assert arm.changes[0].old is None
    assert json.loads(arm.changes[0].new)["tags"] == ["eu"]
    assert (restart.restarted, arm.restarted) == (True, False)
    assert told(restart)["algorithm.name"] == ("hierarchical_thompson", "beta_thompson")


async def test_history_comes_a_page_at_a_time_and_every_change_once(service):
    for number in range(5):
        await service.administrator.update("chat", {"floor": 0.1 + number / 10}, "", f"u{number}")

    pages, before = [], 0
    while page := await service.administrator.history("chat", 2, before):
        pages.append([(view.revision, len(view.changes)) for view in page])
        before = page[-1].position

    assert pages == [[(6, 1), (5, 1)], [(4, 1), (3, 1)], [(2, 1), (1, 0)]]


async def test_what_was_refused_or_changed_nothing_is_no_part_of_it(service):
    with pytest.raises(StaleEtag):
        await service.administrator.update("chat", {"floor": 0.5}, "0-0", "eve")
    await service.administrator.update("chat", {"floor": 0.01}, "", "ada")

    assert [view.revision for view in await service.administrator.history("chat", 9, 0)] == [1]
    with pytest.raises(PolicyNotFound):
        await service.administrator.history("nowhere", 9, 0)
