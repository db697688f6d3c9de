"""Service processes that start in a moment: forks of one process that has imported everything.

A start of Python reads numpy, scipy, gRPC and SQLAlchemy for a second, which is no part of what
is tested here. A child is a process of its own, runs the real command line from its beginning,
and is killed by its own id.

As a program: reads one JSON object a line from standard input (`arguments`, `environment`, and the
names of files `out`, `err` and `code`, the last for the exit code) and answers with the child's
process id. Where an order has `traced`, the name of a file, the child adds a line to it at SIGUSR1:
the bytes that its objects in Python take, without what is garbage. `smaller` are values of modules
that it has instead of its own.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import traceback
import tracemalloc
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `serve` sets it, before numpy is loaded
    _read_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_a_service(order)
        print(child, flush=True)


def _read_everything() -> None:
    """Nothing of it starts a thread or looks at the environment before it is called."""
    for name in (
        "alembic.command",
        "psycopg",
        "scipy.stats",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.dialects.sqlite",
        "uvloop",
        "bandit_service.app",
        "bandit_service.cli.policy_yaml",
        "bandit_service.cli.serving",
    ):
        importlib.import_module(name)


def _be_a_service(order: dict[str, object]) -> None:
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody outlives the nursery
        for number, path in ((0, os.devnull), (1, str(order["out"])), (2, str(order["err"]))):
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(opened, number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        for name, value in dict(order["smaller"]).items():  # type: ignore[call-overload]
            module, _, constant = name.rpartition(".")
            setattr(importlib.import_module(module), constant, value)
        if order["traced"]:
            _trace(str(order["traced"]))
        environment = order["environment"]
        assert isinstance(environment, dict)
        os.environ.update(environment)
        sys.argv = ["bandit-service", *list(order["arguments"])]  # type: ignore[call-overload]
        from bandit_service.cli import main as run

        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - it ends here, whatever it is
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(str(order["code"])).write_text(str(code))
        os._exit(code)


def _trace(path: str) -> None:
    def tell(*_: object) -> None:
        gc.collect()
        with Path(path).open("a") as file:
            file.write(f"{tracemalloc.get_traced_memory()[0]}\n")

    tracemalloc.start()
    signal.signal(signal.SIGUSR1, tell)


if __name__ == "__main__":
    main()
