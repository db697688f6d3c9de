"""What is not Python has to agree with what is: compose, image, Makefile, prose, licences."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from bandit_service import app

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = [name for name, service in COMPOSE["services"].items() if "build" in service]
REPLICAS = [name for name in OURS if COMPOSE["services"][name]["command"][0] == "serve"]
PROSE = ["README.md", "CONTRIBUTING.md"]


@cache
def help_of(*words: str) -> str:
    """What the installed command says about itself."""
    command = Path(sys.executable).with_name("bandit-service")
    wide_and_plain = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    asked = subprocess.run(
        [command, *words, "--help"],
        env=wide_and_plain,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert asked.returncode == 0, f"{words}: {asked.stdout}{asked.stderr}"
    return asked.stdout


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code_of(file: str) -> str:
    """The inline code and the code blocks of a text; of a console, what is typed only."""
    text = (ROOT / file).read_text()
    fenced = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = re.findall(r"`([^`\n]+)`", fenced.sub("", text))
    for block in fenced.findall(text):
        typed = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
        lines += typed or block.splitlines()
    return "\n".join(lines)


def without_version(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0]


def test_compose_runs_the_service_and_its_migration() -> None:
    assert {COMPOSE["services"][name]["command"][0] for name in OURS} == {"migrate", "serve"}


@pytest.mark.parametrize("name", OURS)
def test_compose_runs_commands_and_options_that_exist(name: str) -> None:
    command, *arguments = COMPOSE["services"][name]["command"]

    understood = help_of(command)

    for option in [word for word in arguments if word.startswith("--")]:
        assert re.search(rf"{option}\b", understood), f"{command} has no {option}"


@pytest.mark.parametrize("name", OURS)
def test_compose_sets_variables_that_the_command_reads(name: str) -> None:
    service = COMPOSE["services"][name]

    for variable in service["environment"]:
        assert variable in help_of(service["command"][0])


def test_compose_migrates_before_it_serves() -> None:
    services = COMPOSE["services"]

    for name in REPLICAS:
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"}
        }
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_compose_runs_replicas_that_differ_in_their_port_alone() -> None:
    services = [COMPOSE["services"][name] for name in REPLICAS]
    ports = [port for service in services for port in service["ports"]]
    alike = [{k: v for k, v in service.items() if k != "ports"} for service in services]

    assert ports == ["127.0.0.1:7070:7070", "127.0.0.1:7071:7070"]
    assert alike[0] == alike[1]
    # One name for both, so that a client finds them all and spreads its calls by itself.
    assert alike[0]["networks"] == {"private": {"aliases": ["bandit"]}}


def test_compose_leaves_time_to_drain() -> None:
    for name in REPLICAS:
        patience = COMPOSE["services"][name]["stop_grace_period"]
        assert int(patience.removesuffix("s")) >= 2 * app.DRAIN_SECONDS


def test_compose_watches_only_when_asked_to() -> None:
    watching = {n for n, s in COMPOSE["services"].items() if s.get("profiles") == ["monitoring"]}

    assert watching == {"prometheus", "grafana"}


def test_compose_publishes_nothing_beyond_loopback() -> None:
    published = [port for s in COMPOSE["services"].values() for port in s.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_does_not_start_without_a_password() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    uses = re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", text)

    assert uses
    assert all(use.startswith("${POSTGRES_PASSWORD:?") for use in uses)


def test_the_image_serves_as_somebody_else_than_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last: dict[str, str] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        last[word] = rest

    assert last["USER"] not in ("", "root", "0")
    assert json.loads(last["ENTRYPOINT"]) == ["bandit-service"]
    assert json.loads(last["CMD"])[0] in help_of()


def test_the_image_is_given_what_the_wheel_is_made_of() -> None:
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    wheel: dict[str, Any] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml",
        PROJECT["project"]["readme"],
        *PROJECT["project"]["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }

    assert set(" ".join(copied).split()) == needed == set(kept)
    assert all((ROOT / name).exists() for name in needed)


def test_continuous_integration_runs_what_everybody_runs() -> None:
    script = ROOT / ".ci" / "run"

    assert "make check" in script.read_text().splitlines()
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("file", PROSE)
def test_the_prose_names_targets_that_exist(file: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code_of(file)))

    assert named
    assert named <= targets()


@pytest.mark.parametrize("file", [*PROSE, "docs/operations.md"])
def test_the_prose_names_commands_that_exist(file: str) -> None:
    for named in set(re.findall(r"\bbandit-service ([a-z]+)", code_of(file))):
        help_of(named)


def test_every_dependency_has_its_reason() -> None:
    section = (ROOT / "docs" / "decisions.md").read_text().partition("\n## Dependencies\n")[2]
    explained = set(re.findall(r"^- `([^`]+)`: ", section, re.MULTILINE))
    project = PROJECT["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    wanted = {without_version(one) for one in [*project["dependencies"], *extras]}

    assert explained == wanted - {"bandit-service"}


def test_licence_and_notice_travel_with_the_distribution() -> None:
    about = metadata.metadata("bandit-service")

    assert about["License-Expression"] == "Apache-2.0"
    assert set(about.get_all("License-File") or []) == {"LICENSE", "NOTICE"}


def test_the_notice_names_the_bundled_sample() -> None:
    notice = (ROOT / "NOTICE").read_text()
    bundled = list((ROOT / "bandit_service" / "sample").glob("*.npz"))

    assert bundled
    assert all(file.name in notice for file in bundled)


@pytest.mark.parametrize(
    "package", PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
)
def test_the_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


def test_policies_need_numpy_and_scipy_alone() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "scipy", "policies"}
    imported = set()
    for file in (ROOT / "policies").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])

    assert imported - allowed == set()


def test_the_client_loads_no_more_than_it_needs() -> None:
    program = "import sys, bandit_service.client; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    heavy = {"numpy", "scipy", "msgspec", "sqlalchemy", "psycopg", "typer", "wordllama", "policies"}
    assert heavy.intersection(loaded) == set()
