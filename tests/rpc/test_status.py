"""How every error of the service looks on the wire."""

import inspect

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from bandit_service import errors
from bandit_service.errors import BadStore, BanditError
from bandit_service.rpc.status import CODES, incident_status, item_error, status_of

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, BanditError) and kind is not BanditError
]
REACHABLE = [kind for kind in KINDS if not issubclass(kind, BadStore)]
UNREACHABLE = [kind for kind in KINDS if issubclass(kind, BadStore)]


def an_error(kind: type[BanditError]) -> BanditError:
    error = kind.__new__(kind)
    BanditError.__init__(error, "it is so", which="this one")
    error.field = "score"  # type: ignore[attr-defined]
    return error


def details(status, kind):
    """The details of one kind, unpacked."""
    return [kind.FromString(it.value) for it in status.details if it.Is(kind.DESCRIPTOR)]


@pytest.mark.parametrize("kind", REACHABLE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_with_one_reason(kind):
    status = status_of(an_error(kind))

    assert status.code != 0
    assert status.message == "it is so"
    (info,) = details(status, ErrorInfo)
    assert info.domain == "bandit.v1"
    assert info.metadata == {"which": "this one"}
    assert info.reason.replace("_", "") == kind.__name__.upper()


@pytest.mark.parametrize("kind", UNREACHABLE, ids=lambda kind: kind.__name__)
def test_errors_of_the_start_have_no_status(kind):
    with pytest.raises(KeyError):
        status_of(an_error(kind))


def test_every_family_has_a_code_of_its_own():
    families = [kind for kind in KINDS if kind.__base__ is BanditError]

    assert set(families) == {*CODES, BadStore}
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (errors.InvalidField("score", "is odd"), "INVALID_ARGUMENT", "INVALID_FIELD"),
        (errors.PolicyNotFound("chat"), "NOT_FOUND", "POLICY_NOT_FOUND"),
        (errors.IdReused("request_id", "r"), "ALREADY_EXISTS", "ID_REUSED"),
        (errors.ClockFixed("chat", "time"), "FAILED_PRECONDITION", "CLOCK_FIXED"),
        (errors.DecisionExpired("d1", 60.0), "FAILED_PRECONDITION", "DECISION_EXPIRED"),
        (errors.StaleEtag("chat", "1", "2"), "ABORTED", "STALE_ETAG"),
        (errors.Overloaded(9), "RESOURCE_EXHAUSTED", "OVERLOADED"),
        (errors.StoreUnavailable(), "UNAVAILABLE", "STORE_UNAVAILABLE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_family_has_the_code_that_was_promised(error, code, reason):
    status, item = status_of(error), item_error(error)

    assert status.code == item.code == grpc.StatusCode[code].value[0]
    (info,) = details(status, ErrorInfo)
    assert info.reason == item.reason == reason
    assert info.metadata == item.metadata == error.facts
    assert item.message == status.message == str(error)


def test_a_bad_field_is_named():
    status = status_of(errors.InvalidField("usage.cost_usd", "must be at least 0"))

    (request,) = details(status, BadRequest)
    (violation,) = request.field_violations
    assert violation.field == "usage.cost_usd"
    assert "at least 0" in violation.description


@pytest.mark.parametrize("error", [errors.Overloaded(9), errors.Draining()])
def test_what_may_be_sent_again_says_when(error):
    (retry,) = details(status_of(error), RetryInfo)

    assert retry.retry_delay.ToMilliseconds() == 100


def test_what_may_not_be_sent_again_does_not():
    assert not details(status_of(errors.PolicyNotFound("chat")), RetryInfo)


def test_a_status_fits_into_headers_whatever_it_repeats():
    # Of the 8 KiB, a character of three bytes takes nine in the message, four in the details.
    status = status_of(errors.InvalidField("\u4e2d" * 5000, "\u4e2d" * 5000))

    assert 3 * len(status.message.encode()) + len(status.SerializeToString()) * 4 / 3 < 8000


def test_an_incident_tells_its_name_only():
    status = incident_status("abc123")

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    (info,) = details(status, ErrorInfo)
    assert info.metadata == {"incident": "abc123"}
