"""Lines of the log, as records become them."""

import asyncio
import io
import json
import logging
import re
import threading
import warnings

import pytest

from bandit_service.logs import of_the_loop, write_logs

OURS = logging.getLogger("bandit_service.here")
THEIRS = logging.getLogger("somebody.elses")
SECRET = "the password is hunter2"  # noqa: S105 - nobody's


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("bandit_service")
    hook = threading.excepthook
    before = (root.level, list(root.handlers), ours.level)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    ours.setLevel(before[2])
    threading.excepthook = hook
    logging.captureWarnings(False)


@pytest.fixture
def lines():
    """What has been written so far, at level info."""
    stream = io.StringIO()
    write_logs("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def an_error() -> Exception:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise RuntimeError(SECRET) from cause
    except RuntimeError as error:
        return error


def test_a_line_says_when_what_and_who(lines):
    OURS.warning("policy %r exists", "chat", extra={"policy": "chat", "position": 7})

    (line,) = lines()
    assert list(line) == ["time", "level", "logger", "event", "policy", "position"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "bandit_service.here",
        "event": "policy 'chat' exists",
        "policy": "chat",
        "position": 7,
    }


def test_the_time_is_that_of_the_record_in_utc(lines):
    record = OURS.makeRecord(OURS.name, logging.INFO, "f", 1, "then", (), None)
    record.created = 1_700_000_000.25
    OURS.handle(record)

    assert lines()[0]["time"] == "2023-11-14T22:13:20.250Z"


def test_fields_that_are_not_known_are_left_out(lines):
    OURS.error("no", extra={"text": SECRET, "parameters": [SECRET], "session": "s", "code": "OK"})

    assert {*lines()[0]} == {"time", "level", "logger", "event", "code"}


def test_of_an_error_the_story_is_told_and_no_message(lines):
    OURS.error("it failed", exc_info=an_error())

    story = lines()[0]["error"]
    for word in ("RuntimeError", "caused by", "KeyError", "an_error", "test_lines.py"):
        assert word in story
    assert "hunter2" not in json.dumps(lines())


def test_a_line_is_a_line_whatever_is_in_it(lines):
    OURS.info('two\nlines "quoted" \u4e2d\x1b[31m')

    assert [line["event"] for line in lines()] == ['two\nlines "quoted" \u4e2d\x1b[31m']


def test_of_libraries_only_warnings_are_written(lines):
    THEIRS.info(SECRET)
    THEIRS.warning("careful")
    OURS.debug(SECRET)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)

    assert [(line["logger"], line["level"]) for line in lines()] == [
        ("somebody.elses", "warning"),
        ("py.warnings", "warning"),
    ]


def test_at_debug_ours_says_more_and_theirs_does_not():
    stream = io.StringIO()
    write_logs("debug", "json", stream)
    OURS.debug("here")
    THEIRS.debug("there")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["here"]


def test_written_twice_over_it_is_written_once(lines):
    again = io.StringIO()
    write_logs("info", "json", again)
    OURS.info("once")

    assert lines() == []
    assert again.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("style", "stream", "is_json"),
    [
        ("", io.StringIO, True),
        ("", Terminal, False),
        ("json", Terminal, True),
        ("text", io.StringIO, False),
    ],
)
def test_people_get_text_and_programs_json(style, stream, is_json):
    stream = stream()
    write_logs("info", style, stream)
    OURS.info("draining", extra={"policies": 3})
    OURS.error("it failed", exc_info=an_error())

    first, second, *_ = stream.getvalue().splitlines()
    if is_json:
        assert json.loads(first)["policies"] == 3
    else:
        assert first.endswith("Z info bandit_service.here: draining policies=3")
        assert second.endswith("Z error bandit_service.here: it failed")
        assert "RuntimeError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_by_an_error_is_a_line(lines):
    def fail() -> None:
        raise RuntimeError(SECRET)

    write = threading.excepthook  # pytest puts its own in its place around the test
    thread = threading.Thread(target=fail, name="worker")
    threading.excepthook = write
    thread.start()
    thread.join()

    (line,) = lines()
    assert line["event"] == "a thread ended by an error: worker"
    assert "RuntimeError" in line["error"]


async def test_what_the_event_loop_cannot_hand_to_anybody_is_a_line(lines):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(of_the_loop)

    async def fail() -> None:
        raise RuntimeError(SECRET)

    loop.call_soon(lambda: (_ for _ in ()).throw(RuntimeError(SECRET)))
    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    del task  # its error is nobody's now

    assert [line["logger"] for line in lines()] == ["bandit_service.logs.lines"] * 2
    assert all("RuntimeError" in line["error"] for line in lines())
    assert "hunter2" not in json.dumps(lines())
