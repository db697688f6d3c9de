"""A real server on a SQLite file, furnished, and a look at everything a call could change in it."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from bandit_service import errors, model
from bandit_service.rpc.pb import policy_pb2 as pp
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.rpc.server import SERVICES
from bandit_service.store.tables import metadata
from tests.patience import PATIENCE
from tests.servers import Server

METHODS = {method.name: method for service in SERVICES for method in service.methods}
READERS = {"GetDecision", "GetPolicy", "GetPolicyState", "ListPolicies"}
DIMENSION = 4
VECTOR = (0.1, -0.2, 0.3, 0.4)

_CLASSES = {name for it in (errors, model) for name in vars(it) if re.search("[a-z][A-Z]", name)}
# Written by the server's own chores whatever callers do; bytes of checkpoints follow the journal.
CHORES = {"lease", "checkpoint", "checkpoint_part"}
_TABLES = {name for name in metadata.tables if "_" in name}
_OTHERS = {"Traceback", "sqlite", "sqlalchemy", "msgspec", "numpy", "SELECT", "INSERT", "UPDATE"}
INSIDES = re.compile(r"\b({})\b".format("|".join(sorted(_CLASSES | _TABLES | _OTHERS))))


@dataclass
class Answer:
    """What a call ended with."""

    code: grpc.StatusCode
    message: str = ""
    reason: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    response: Any = None

    @property
    def is_ok(self) -> bool:
        return self.code is grpc.StatusCode.OK


@dataclass
class Snapshot:
    """Every policy as it is served, the hash of what it has learned, and every row of the file."""

    policies: list[pp.Policy]
    seen: dict[str, Any] = field(default_factory=dict)


class House:
    """The server, and the names of what is in it.

    `chat` routes vectors of four numbers to the arms small and large; its arm old is retired,
    and gone is removed. `words` routes text. Nobody but `serves` touches the policy steady.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "poison.db"
        self._generation = 0
        self._old: list[str] = []
        self._last_look: Snapshot | None = None
        self._start()
        self.ok("CreatePolicy", pp.CreatePolicyRequest(policy=a_vector_policy("steady")))
        self.furnish()

    def _start(self) -> None:
        self._server = Server(f"sqlite:///{self._file}")
        unlimited = [("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(self._server.address, options=unlimited)
        self._reader = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)
        self._version, self._rows = -1, dict[str, Any]()

    def stop(self) -> str:
        """What the server has logged."""
        self._channel.close()
        self._reader.close()
        return self._server.terminate()[1]

    def restart(self) -> str:
        """The same database under the next process; what the last one has logged."""
        logged = self.stop()
        self._start()
        return logged

    def furnish(self) -> None:
        """Two policies with a past. They are new ones each time; those of long ago are deleted."""
        for name in self._old[:-2]:
            self.ask("DeletePolicy", pp.DeletePolicyRequest(name=name))
        self._generation += 1
        self.chat, self.words = f"chat-{self._generation}", f"words-{self._generation}"
        self._old = [*self._old[-2:], self.chat, self.words]
        self.ok("CreatePolicy", pp.CreatePolicyRequest(policy=a_vector_policy(self.chat)))
        texts = pp.Policy(name=self.words, arms=[pp.Arm(name="small"), pp.Arm(name="large")])
        self.ok("CreatePolicy", pp.CreatePolicyRequest(policy=texts))
        self.ok("RetireArm", pp.RetireArmRequest(policy=self.chat, arm="old"))
        removed = self.ok("RemoveArm", pp.RemoveArmRequest(policy=self.chat, arm="gone"))
        self.etag: str = removed.policy.etag
        self.asked, self.told = f"asked-{self._generation}", f"told-{self._generation}"
        decided = self.ok("Route", self.query(request_id=self.asked))
        self.decision, self.arm = decided.decision_id, decided.arm
        self.other_arm = "large" if self.arm == "small" else "small"
        self.duel = self.ok("Route", self.query(duel=True)).decision_id
        text = pb.RouteRequest(policy=self.words, text="What is the capital of France?")
        self.text_decision = self.ok("Route", text).decision_id
        self.ok("Feedback", self.feedback(feedback_id=self.told, score=0.75))
        self.ok("Feedback", pb.FeedbackRequest(decision_id=self.text_decision, success=True))

    def query(self, **changes: Any) -> pb.RouteRequest:
        """A good one for `chat`, but for the changes."""
        given: dict[str, Any] = {"policy": self.chat, "vector": pb.Vector(values=VECTOR)}
        return pb.RouteRequest(**given | changes)

    def feedback(self, **changes: Any) -> pb.FeedbackRequest:
        """About a decision of `chat`."""
        return pb.FeedbackRequest(**{"decision_id": self.decision} | changes)

    # -- asking ---------------------------------------------------------------------------

    def ask(self, name: str, request: Message | bytes, **options: Any) -> Answer:
        method = METHODS[name]
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        path = f"/{method.containing_service.full_name}/{name}"
        try:
            call: Any = self._channel.unary_unary(path)
            written = call(raw, timeout=PATIENCE, **options)
        except grpc.RpcError as error:
            return _refusal(error)
        if name not in READERS:
            self._last_look = None
        # What a client cannot read is no answer: this raises.
        return Answer(
            grpc.StatusCode.OK, response=GetMessageClass(method.output_type).FromString(written)
        )

    def ok(self, name: str, request: Message) -> Any:
        answer = self.ask(name, request)
        assert answer.is_ok, f"{name}: {answer}"
        return answer.response

    # -- looking --------------------------------------------------------------------------

    def before(self) -> Snapshot:
        """The last look, if nothing has succeeded since that could have changed what is seen."""
        return self._last_look or self.snapshot()

    def snapshot(self) -> Snapshot:
        request = pp.ListPoliciesRequest(page_size=1000)
        look = Snapshot(list(self.ok("ListPolicies", request).policies))
        for policy in look.policies:
            state = self.ok("GetPolicyState", pp.GetPolicyStateRequest(name=policy.name))
            look.seen[f"policy {policy.name}"] = policy
            look.seen[f"state of {policy.name}"] = (state.position, state.state_hash)
        look.seen.update(self._tables())
        self._last_look = look
        return look

    def _tables(self) -> dict[str, Any]:
        """How many rows each table has, and a hash over all of them."""
        (version,) = self._reader.execute("PRAGMA data_version").fetchone()
        if version != self._version:  # somebody has committed something
            self._version, self._rows = version, {}
            tables = self._reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                if table in CHORES:
                    continue
                rows = self._reader.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                digest = hashlib.sha256(repr(rows).encode()).hexdigest()
                self._rows[f"table {table}"] = (len(rows), digest)
        return self._rows

    @contextmanager
    def unchanged(self, what: object) -> Iterator[None]:
        """Around calls that fail: afterwards everything is as it was."""
        before = self.before()
        yield
        self.assert_equal(before, what)

    def assert_equal(self, before: Snapshot, what: object) -> None:
        old, new = before.seen, self.snapshot().seen
        changed = sorted(it for it in old | new if old.get(it) != new.get(it))
        assert not changed, f"{what} has changed: {', '.join(changed)}"

    def serves(self) -> None:
        """A normal query and its feedback still work."""
        query = pb.RouteRequest(policy="steady", vector=pb.Vector(values=VECTOR))
        decided = self.ok("Route", query)
        self.ok("Feedback", pb.FeedbackRequest(decision_id=decided.decision_id, score=0.5))


def a_vector_policy(name: str) -> pp.Policy:
    return pp.Policy(
        name=name,
        features=pp.Features(vector=pp.VectorFeatures(dimension=DIMENSION)),
        default_arm="large",
        arms=[
            pp.Arm(name="small", context_limit_tokens=1000, tags=["fast"]),
            pp.Arm(name="large", modalities=[pb.MODALITY_TEXT, pb.MODALITY_IMAGE]),
            pp.Arm(name="old", tags=["vintage"]),
            pp.Arm(name="gone"),
        ],
    )


def check_words(answer: Answer) -> None:
    """A refusal says something, for people and programs, and nothing of our insides."""
    assert answer.message, answer
    # What is quoted is what the caller sent, who may well send a word of ours.
    assert not INSIDES.search(re.sub("'[^']*'", "", answer.message)), answer
    quoted = {word for word in answer.facts.values() if f"'{word}'" in answer.message}
    assert not any(INSIDES.search(fact) for fact in {*answer.facts.values()} - quoted), answer
    assert bool(answer.fields) == (answer.code is grpc.StatusCode.INVALID_ARGUMENT), answer


def _refusal(error: Any) -> Answer:
    answer = Answer(error.code(), error.details())
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        if packed.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(packed.value)
            assert (info.domain, answer.reason) == ("bandit.v1", "")
            answer.reason, answer.facts = info.reason, dict(info.metadata)
        elif packed.Is(BadRequest.DESCRIPTOR):
            bad = BadRequest.FromString(packed.value)
            answer.fields += [violation.field for violation in bad.field_violations]
    return answer
