"""How long a test waits for what is going to happen."""

import time
from collections.abc import Callable

# No machine is so busy that it takes this long: whatever does, hangs. A shorter deadline is for
# a test of what happens when it expires, and then nothing has to succeed before it does.
PATIENCE = 30.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)
