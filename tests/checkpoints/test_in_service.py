"""The real server: what it has checkpointed when it ends, and what it starts from."""

import time

import grpc

from bandit_service.checkpoints import BY_SECRET, Keeper, fold, recover, restored
from bandit_service.client import Client
from bandit_service.engine import PolicyEngine
from bandit_service.model import Checkpoint
from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc
from bandit_service.store import open_store
from tests.builders import shape_of
from tests.checkpoints.test_keeper import execute
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

POLICY = """
name: chat
features: {vector: {dimension: 4}}
arms: [{name: small}, {name: large}]
"""
EACH = 30  # pieces of feedback


def teach(address: str) -> str:
    """Gives feedback, and returns the hash of the state that this makes."""
    with Client(address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE) as client:
        for number in range(EACH):
            choice = client.route(vector=[0.1 * number, 0.5, -0.5, 1.0])
            client.feedback(choice, score=number / EACH)
    return the_state(address).state_hash


def the_state(address: str) -> policy_pb2.GetPolicyStateResponse:
    with grpc.insecure_channel(address) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        asked = policy_pb2.GetPolicyStateRequest(name="chat")
        answer: policy_pb2.GetPolicyStateResponse = stub.GetPolicyState(asked, timeout=PATIENCE)
        return answer


def look(url: str) -> tuple[list[Checkpoint], str]:
    """The checkpoints, each of which is good, and the hash of a fold from zero."""
    store = open_store(url)
    try:
        (identity,) = store.policies()
        keeper = Keeper(store.checkpoints, BY_SECRET)
        for one in keeper.of(identity.id):
            restored(keeper, identity, one, shape_of)
        engine = PolicyEngine(identity, shape_of)
        fold(store, engine)
        assert recover(store, keeper, identity, shape_of).engine.state_hash() == engine.state_hash()
        return keeper.of(identity.id), engine.state_hash()
    finally:
        store.close()


def test_sigterm_leaves_a_checkpoint_and_the_next_start_reads_nothing_before_it(
    store_url: str, tmp_path
) -> None:
    file = policy_file(tmp_path, POLICY)
    with a_server(store_url, "--policy", str(file)) as server:
        learned = teach(server.address)
        code, _ = server.terminate()
        assert code == 0
    (made,), truth = look(store_url)
    assert (made.position, truth) == (1 + EACH, learned)

    store = open_store(store_url)
    execute(store, "DELETE FROM journal WHERE position <= :upto", upto=made.position)
    store.close()
    with a_server(store_url) as server:
        assert the_state(server.address).state_hash == learned
        after = teach(server.address)
        assert the_state(server.address).position == 1 + 2 * EACH
        server.kill()
    with a_server(store_url) as server:
        assert the_state(server.address).state_hash == after


def test_many_events_make_one_while_it_serves_and_sigkill_takes_none(tmp_path) -> None:
    store_url = f"sqlite:///{tmp_path}/test.db"
    file = policy_file(tmp_path, POLICY)
    options = ("--policy", str(file), "--checkpoint-events", "5", "--checkpoint-seconds", "1")
    with a_server(store_url, *options) as server:
        teach(server.address)
        teach(server.address)
        wait_for_a_checkpoint(store_url)
        learned = teach(server.address)
        server.kill()

    made, truth = look(store_url)
    assert made
    assert truth == learned
    with a_server(store_url) as server:
        assert the_state(server.address).state_hash == learned


def wait_for_a_checkpoint(url: str) -> None:
    """There is one of something that was learned."""
    store = open_store(url)
    keeper, (identity,) = Keeper(store.checkpoints, BY_SECRET), store.policies()
    try:
        for _ in range(int(PATIENCE / 0.05)):
            if any(one.status == "usable" and one.position > 5 for one in keeper.of(identity.id)):
                return
            time.sleep(0.05)
        raise AssertionError("no checkpoint was made")
    finally:
        store.close()


def test_a_damaged_one_is_named_in_the_log_and_nothing_is_lost(tmp_path) -> None:
    store_url = f"sqlite:///{tmp_path}/test.db"
    file = policy_file(tmp_path, POLICY)
    with a_server(store_url, "--policy", str(file)) as server:
        learned = teach(server.address)
        server.terminate()
    (made,), _ = look(store_url)
    store = open_store(store_url)
    execute(store, "UPDATE checkpoint SET mac = :mac", mac=bytes(32))
    store.close()

    with a_server(store_url) as server:
        assert the_state(server.address).state_hash == learned
        code, log = server.terminate()

    assert code == 0
    assert f"checkpoint {made.id} of policy 'chat' at position {made.position} is left aside" in log
