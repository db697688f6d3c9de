"""What a case of bad input is: a request, and the one precise refusal that it gets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from bandit_service.rpc.pb.routing_pb2 import ItemError
from tests.poison.house import Answer, House, check_words

Build = Callable[[House], Any]  # the request, of whichever kind


@dataclass(frozen=True)
class Refusal:
    code: grpc.StatusCode
    reason: str
    field: str = ""

    def check(self, answer: Answer) -> None:
        found = (answer.code.name, answer.reason, answer.fields)
        fields = [self.field] if self.field else []
        assert found == (self.code.name, self.reason, fields), answer
        check_words(answer)

    def check_item(self, error: ItemError) -> None:
        """An item of a batch is told the same."""
        found = (error.code, error.reason, error.metadata["field"] if self.field else "")
        assert found == (self.code.value[0], self.reason, self.field), error
        fields = [self.field] if self.field else []
        check_words(Answer(self.code, error.message, error.reason, dict(error.metadata), fields))


def bad(field: str, reason: str = "INVALID_FIELD") -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, reason, field)


WRONG_CONTEXT = bad("context", "WRONG_CONTEXT")
NO_POLICY = Refusal(grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND")
NO_DECISION = Refusal(grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND")
NO_ARM = Refusal(grpc.StatusCode.NOT_FOUND, "ARM_NOT_FOUND")
POLICY_EXISTS = Refusal(grpc.StatusCode.ALREADY_EXISTS, "POLICY_EXISTS")
ARM_EXISTS = Refusal(grpc.StatusCode.ALREADY_EXISTS, "ARM_EXISTS")
ID_REUSED = Refusal(grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")
NO_ELIGIBLE_ARM = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "NO_ELIGIBLE_ARM")
DEFAULT_ARM_IN_USE = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "DEFAULT_ARM_IN_USE")
CLOCK_FIXED = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "CLOCK_FIXED")
STALE_ETAG = Refusal(grpc.StatusCode.ABORTED, "STALE_ETAG")

Cases = dict[str, tuple[Refusal, Build]]


def sentences(cases: dict[str, Any]) -> list[Any]:
    """One parameter a case, named by its sentence."""
    return [pytest.param(*case, id=sentence) for sentence, case in cases.items()]


def check_refused(house: House, method: str, request: Message, refusal: Refusal) -> None:
    with house.unchanged(f"a refused {method}"):
        refusal.check(house.ask(method, request))


def check_restart(house: House) -> None:
    """Nothing poisonous got into the journal, and nothing that went wrong into the log."""
    before = house.snapshot()
    logged = house.restart()
    house.assert_equal(before, "a restart")
    house.serves()
    for trouble in ("Traceback", "incident", "Warning"):
        assert trouble not in logged, f"the server has logged:\n{logged[-2000:]}"
