"""checkpoint create, list, verify, restore, pin: on a database of their own, without a server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandit_service.checkpoints import BY_SECRET, Keeper, recover
from bandit_service.model import CheckpointStatus
from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.builders import shape_of
from tests.checkpoints.folds import append, events_of, folded, write
from tests.checkpoints.test_keeper import execute

EXIT_BAD_INPUT, EXIT_NOT_FOUND, EXIT_PRECONDITION = 3, 4, 7


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"sqlite:///{tmp_path}/bandit.db"
    monkeypatch.setenv("BANDIT_DATABASE", url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def tell(run) -> Callable[..., Any]:
    """Runs a command of `checkpoint` that succeeds; what its JSON says."""

    def call(*words: object) -> Any:
        done = run("checkpoint", *words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return call


def three_checkpoints(store: Store, tell: Callable[..., Any]) -> list[int]:
    """Their ids, the oldest first, at positions 21, 41 and 61."""
    events, ids = events_of(1), []
    identity = write(store, events[:21])
    for upto in (21, 41, 61):
        if upto > 21:
            with store.write() as tx:
                append(store, tx, identity, events[upto - 20 : upto])
        (made,) = tell("create")
        assert made["position"] == upto
        ids.append(made["id"])
    return ids


def start(store: Store):
    (identity,) = store.policies()
    return recover(store, Keeper(store.checkpoints, BY_SECRET), identity, shape_of)


def test_create_makes_one_of_each_policy_that_a_start_uses(store, tell) -> None:
    write(store, events_of(1), "one")
    write(store, events_of(2), "other")

    made = tell("create", "--pin")

    assert [(one["policy"], one["position"], one["status"], one["pinned"]) for one in made] == [
        ("one", 61, "usable", True), ("other", 61, "usable", True),
    ]  # fmt: skip
    assert tell("create", "--policy", "other")[0]["policy"] == "other"
    assert [one["policy"] for one in tell("list")] == ["one", "other", "other"]
    identity = store.policies()[0]
    recovered = recover(store, Keeper(store.checkpoints, BY_SECRET), identity, shape_of)
    assert recovered.checkpoint is not None
    assert recovered.engine.state_hash() == folded(events_of(1), identity).state_hash()


def test_list_is_a_table_for_people(store, tell, run) -> None:
    three_checkpoints(store, tell)

    done = run("checkpoint", "list")

    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines() if "usable" in line]
    assert [row[1:3] for row in rows] == [["chat", "61"], ["chat", "41"], ["chat", "21"]]


def test_verify_names_the_one_that_is_damaged(store, tell, run) -> None:
    _, bad, _ = three_checkpoints(store, tell)
    assert [one["wrong"] for one in tell("verify")] == [None] * 3
    assert [one["wrong"] for one in tell("verify", "--against-journal")] == [None] * 3
    execute(store, "UPDATE checkpoint SET mac = :mac WHERE id = :id", mac=bytes(32), id=bad)

    done = run("checkpoint", "verify", "--json")

    assert done.exit_code == EXIT_PRECONDITION
    wrong = {one["id"]: one["wrong"] for one in json.loads(done.stdout) if one["wrong"]}
    assert list(wrong) == [bad]
    assert "MAC" in wrong[bad]
    assert "MAC" in run("checkpoint", "verify").stdout


def test_verify_against_the_journal_finds_a_whole_one_that_says_something_else(store, run) -> None:
    identity = write(store, events_of(1))
    lease = store.leases.take("test", "test", 60.0)
    lie = folded(events_of(2), identity).snapshot()
    made = Keeper(store.checkpoints, BY_SECRET).save(identity, lie, lease)
    assert run("checkpoint", "verify").exit_code == 0

    done = run("checkpoint", "verify", "--against-journal", "--json")

    assert done.exit_code == EXIT_PRECONDITION
    (found,) = json.loads(done.stdout)
    assert (found["id"], found["wrong"]) == (
        made.id, "its journal, folded from zero, gives another state",
    )  # fmt: skip


def prune(store: Store, position: int) -> None:
    """As retention does, up to this position of the first policy."""
    execute(
        store,
        "DELETE FROM journal WHERE policy_id = 1 AND position <= :p AND kind = 'feedback'",
        p=position,
    )


def test_verify_says_that_the_beginning_of_a_journal_was_pruned(store, tell, run) -> None:
    first, second, third = three_checkpoints(store, tell)
    prune(store, 15)

    found = tell("verify", "--against-journal")

    assert [(one["id"], one["wrong"], one["compared_with"]) for one in found] == [
        (first, None, "nothing: the journal before it was pruned"),
        (second, None, f"the journal, folded from checkpoint {first}"),
        (third, None, f"the journal, folded from checkpoint {first}"),
    ]
    shown = run("checkpoint", "verify", "--against-journal").stdout
    assert "nothing:" in shown
    assert "compared with" not in run("checkpoint", "verify").stdout
    assert [one["compared_with"] for one in tell("verify")] == [None] * 3


def test_verify_begins_with_the_oldest_that_is_good_and_old_enough(store, tell, run) -> None:
    first, second, third = three_checkpoints(store, tell)
    prune(store, 21)  # right up to it
    execute(store, "UPDATE checkpoint SET mac = :mac WHERE id = :id", mac=bytes(32), id=first)

    done = run("checkpoint", "verify", "--against-journal", "--json")

    assert done.exit_code == EXIT_PRECONDITION
    found = {one["id"]: one["compared_with"] for one in json.loads(done.stdout)}
    assert found == {
        first: None,
        second: "nothing: the journal before it was pruned",
        third: f"the journal, folded from checkpoint {second}",
    }


def test_verify_finds_another_state_in_a_pruned_journal_too(store, tell, run) -> None:
    first, *_ = three_checkpoints(store, tell)
    prune(store, 15)
    identity = store.policies()[0]
    lease = store.leases.take("test", "test", 60.0)
    lie = folded(events_of(2)[:50], identity).snapshot()
    made = Keeper(store.checkpoints, BY_SECRET).save(identity, lie, lease)

    done = run("checkpoint", "verify", "--against-journal", "--json")

    wrong = {one["id"]: one["wrong"] for one in json.loads(done.stdout) if one["wrong"]}
    assert wrong == {made.id: f"its journal, folded from checkpoint {first}, gives another state"}


@pytest.mark.parametrize("at", [30, 50])
def test_a_gap_behind_a_checkpoint_is_no_pruning(store, tell, run, at) -> None:
    three_checkpoints(store, tell)
    prune(store, 15)
    execute(store, "DELETE FROM journal WHERE policy_id = 1 AND position = :p", p=at)

    done = run("checkpoint", "verify", "--against-journal")

    assert done.exit_code == EXIT_PRECONDITION
    assert f"the journal of policy 1 cannot be read at position {at}" in done.stderr


def test_a_pruned_journal_is_not_restored_from_zero_and_says_why(store, tell, run) -> None:
    _, second, _ = three_checkpoints(store, tell)
    truth = start(store).engine.state_hash()
    prune(store, 15)

    done = run("checkpoint", "restore", "--from-zero", "chat")

    assert done.exit_code == EXIT_PRECONDITION
    assert "retention has let it go; begin from a checkpoint" in " ".join(done.stderr.split())
    assert {one["status"] for one in tell("list")} == {"usable"}
    assert tell("restore", second)["state_hash"] == truth


def test_restore_makes_a_start_begin_there_and_loses_nothing(store, tell) -> None:
    first, second, third = three_checkpoints(store, tell)
    truth = start(store).engine.state_hash()

    done = tell("restore", second)

    assert done == {"policy": "chat", "checkpoint": second, "withdrawn": [third], "position": 61,
                    "state_hash": truth}  # fmt: skip
    recovered = start(store)
    assert recovered.checkpoint is not None
    assert recovered.checkpoint.id == second
    assert recovered.engine.state_hash() == truth
    assert tell("restore", first)["withdrawn"] == [second]
    assert [one["status"] for one in tell("list")] == ["withdrawn", "withdrawn", "usable"]
    assert tell("restore", third)["withdrawn"] == [], "it can be taken back"
    assert start(store).checkpoint.id == third


def test_restore_from_zero_withdraws_all(store, tell) -> None:
    ids = three_checkpoints(store, tell)
    truth = start(store).engine.state_hash()

    done = tell("restore", "--from-zero", "chat")

    assert (done["checkpoint"], sorted(done["withdrawn"])) == (None, ids)
    assert done["state_hash"] == truth
    assert start(store).checkpoint is None


def test_a_damaged_one_is_not_restored(store, tell, run) -> None:
    first, *_ = three_checkpoints(store, tell)
    execute(store, "UPDATE checkpoint SET sha256 = :no WHERE id = :id", no=bytes(32), id=first)

    done = run("checkpoint", "restore", first)

    assert done.exit_code == EXIT_PRECONDITION
    assert "cannot be used: its bytes do not have the SHA-256" in done.stderr
    assert {one["status"] for one in tell("list")} == {"usable"}


def test_restore_is_refused_while_a_service_runs(store, tell, run) -> None:
    first, *_ = three_checkpoints(store, tell)
    lease = store.leases.take("chores", "replica 7", 600.0)

    done = run("checkpoint", "restore", first)

    assert done.exit_code == EXIT_PRECONDITION
    assert "replica 7 holds the lease of 'chores' for another" in done.stderr
    store.leases.drop(lease)
    assert tell("restore", first)["checkpoint"] == first


def test_create_works_while_a_service_runs(store, tell) -> None:
    write(store, events_of(1))
    store.leases.take("chores", "replica 7", 600.0)

    assert len(tell("create")) == 1


def test_pin_and_undo(store, tell) -> None:
    first, *_ = three_checkpoints(store, tell)

    assert [(one["id"], one["pinned"]) for one in tell("pin", first)] == [(first, True)]
    assert [(one["id"], one["pinned"]) for one in tell("pin", first, "--undo")] == [(first, False)]


def test_keys_of_a_file_seal_and_open(store, tell, run, tmp_path, monkeypatch) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("k" * 64)
    write(store, events_of(1))
    tell("create", "--checkpoint-key", key)

    assert run("checkpoint", "verify").exit_code == EXIT_PRECONDITION, "not by the secret alone"
    monkeypatch.setenv("BANDIT_CHECKPOINT_KEY", str(key))
    assert tell("verify")[0]["wrong"] is None
    key.chmod(0o644)
    assert run("checkpoint", "verify").exit_code == EXIT_BAD_INPUT


def test_what_is_not_there_is_named(store, tell, run, tmp_path) -> None:
    three_checkpoints(store, tell)
    absent = tmp_path / "absent.db"

    for words, code, message in (
        (["restore", 99], EXIT_NOT_FOUND, "no checkpoint 99; `bandit-service checkpoint list`"),
        (["list", "--policy", "other"], EXIT_NOT_FOUND, "no policy 'other'"),
        (["list", "--database", f"sqlite:///{absent}"], EXIT_PRECONDITION, "there is no such file"),
        (["restore"], 2, "name a checkpoint, or --from-zero a policy"),
    ):
        done = run("checkpoint", *words)
        assert done.exit_code == code, done.output
        assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not absent.exists()


def test_one_that_was_never_finished_cannot_be_restored(store, tell, run) -> None:
    first, *_ = three_checkpoints(store, tell)
    lease = store.leases.take("test", "test", 60.0)
    keeper = Keeper(store.checkpoints, BY_SECRET)
    keeper.mark([one for one in keeper.of(1) if one.id == first], CheckpointStatus.WRITING, lease)

    assert run("checkpoint", "restore", first).exit_code == EXIT_NOT_FOUND
