"""What a model's answer says it took, and what an exception says of a failed call.

Reads the OpenAI shape (chat completions and responses), as objects or as dicts, and OpenRouter's
`usage.cost`. Imports none of their libraries.
"""

import math
from typing import Any

from bandit_service.client.records import Failure, Usage

_RATE_LIMITED = 429
_TIMED_OUT = (408, 504)


def usage_of(response: object) -> Usage:
    """What `response.usage` says. What is missing, or makes no sense, stays unknown."""
    usage = _get(response, "usage")
    return Usage(
        cost_usd=_amount(_get(usage, "cost")),
        input_tokens=_count(_get(usage, "prompt_tokens"), _get(usage, "input_tokens")),
        output_tokens=_count(_get(usage, "completion_tokens"), _get(usage, "output_tokens")),
    )


def failure_of(error: BaseException) -> Failure:
    """By the names of its classes and its HTTP status: every provider has its own."""
    names = [kind.__name__ for kind in type(error).__mro__]
    status = getattr(error, "status_code", None)
    if status == _RATE_LIMITED or any("RateLimit" in name for name in names):
        return "rate_limit"
    if status in _TIMED_OUT or any("Timeout" in name for name in names):
        return "timeout"
    return "error"


def _get(holder: object, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _count(*candidates: Any) -> int | None:
    for given in candidates:
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return given
    return None


def _amount(given: Any) -> float | None:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given) if given >= 0 and math.isfinite(given) else None
    return None
