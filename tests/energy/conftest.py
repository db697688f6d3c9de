"""Stand-in drivers for every test here: a compiled one, and one in Python."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from tests.energy.stand_in import (
    COMPILER,
    VARIABLE,
    PythonLibrary,
    StandIn,
    compiled,
    put_in_place,
)

KINDS = ["c", "python"] if COMPILER else ["python"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not COMPILER:
        terminalreporter.write_line(
            "tests/energy: there is no C compiler, so only the stand-in in Python was metered"
        )


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with the compiled library, whole and without the counter's symbol."""
    if not COMPILER:
        return {}
    folder = tmp_path_factory.mktemp("nvml")
    return {
        "whole": compiled(folder / "whole"),
        "old": compiled(folder / "old", "-DWITHOUT_COUNTER"),
    }


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The state of a driver of two GPUs."""
    made = StandIn(tmp_path / "nvml.state")
    monkeypatch.setenv(VARIABLE, str(made.path))
    return made


@pytest.fixture(params=KINDS)
def driver(
    request: pytest.FixtureRequest, stand_in: StandIn, libraries: dict[str, Path]
) -> Iterator[StandIn]:
    """The driver in place of NVIDIA's in this process, once of each kind."""
    is_old = "old" in request.fixturenames
    library: Any
    if request.param == "c":
        folder = libraries["old" if is_old else "whole"]
        library = ctypes.CDLL(str(folder / "libnvidia-ml.so.1"))
    else:
        library = PythonLibrary(without_counter=is_old)
    put_in_place(library)
    yield stand_in
    put_in_place(None)


@pytest.fixture
def old() -> None:
    """Asked for together with `driver`: one without the counter's symbol."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command line as given."""
    for name in [name for name in os.environ if name.startswith("BANDIT_")]:
        monkeypatch.delenv(name)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])
