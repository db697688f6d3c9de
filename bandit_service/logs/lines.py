"""From records of the standard library's logging to lines on standard error.

Modules log as every library does; what they want to be a field of its own goes into `extra`.
Whatever a record carries beside the known fields is left out, and of an error only its story
is told, so that no library can put a query, a parameter or a key into the log by accident.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from bandit_service.logs.story import story

log = logging.getLogger(__name__)

# Names of policies, methods and the like; ids that an operator can ask for. Nothing else.
FIELDS = (
    *("policy", "decision", "incident", "method", "code", "seconds"),
    *("position", "source", "policies", "version"),
)


def write_logs(level: str, style: str = "", stream: TextIO | None = None) -> None:
    """Ours from `level` on, those of libraries from warnings on: below that they may say what
    passes through them. style: json, text, or empty for text on a terminal and json elsewhere.
    """
    stream = stream or sys.stderr
    as_text = style == "text" or (not style and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(_text if as_text else structlog.processors.JSONRenderer()))
    root = logging.getLogger()
    for earlier in [one for one in root.handlers if isinstance(one.formatter, _Lines)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("bandit_service").setLevel(level.upper())
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended


def of_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: the default quotes the error and what was awaited."""
    log.error(context["message"], exc_info=context.get("exception"))


class _Lines(structlog.stdlib.ProcessorFormatter):
    """To be told from handlers of others."""


def _formatter(render: Processor) -> _Lines:
    gather: Sequence[Processor] = (
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=FIELDS),
    )
    return _Lines(foreign_pre_chain=gather, processors=[_line, render])


def _line(_logger: Any, _method: str, given: EventDict) -> EventDict:
    """The fields of one line, in the order in which they are read."""
    record: logging.LogRecord = given.pop("_record")
    del given["_from_structlog"]
    given.pop("stack_info", None)
    error = given.pop("exc_info", None)
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    line = {
        "time": when.removesuffix("+00:00") + "Z",
        "level": given.pop("level"),
        "logger": given.pop("logger"),
        "event": given.pop("event"),
        **given,
    }
    if error and error[1] is not None:
        line["error"] = story(error[1])
    return line


def _text(_logger: Any, _method: str, line: EventDict) -> str:
    head = " ".join(str(line.pop(name)) for name in ("time", "level", "logger"))
    event, error = line.pop("event"), line.pop("error", "")
    fields = "".join(f" {name}={value}" for name, value in line.items())
    return f"{head}: {event}{fields}" + (f"\n{error}" if error else "")


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "?"
    log.error("a thread ended by an error: %s", name, exc_info=ended.exc_value)
