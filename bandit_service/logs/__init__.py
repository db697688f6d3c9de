"""What the service writes to standard error: a line a record, for people or for programs."""

from bandit_service.logs.lines import of_the_loop, write_logs
from bandit_service.logs.story import story

__all__ = ["of_the_loop", "story", "write_logs"]
