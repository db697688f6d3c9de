"""Dashboards and alerts know only what the service shows, and the manual knows all of it."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bandit_service.engine import Registry
from bandit_service.metrics import Metrics

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
REPLICAS = {name: one for name, one in COMPOSE["services"].items() if "serve" in str(one)}
MANUAL = (ROOT / "docs" / "operations.md").read_text()

OF_PROMETHEUS = {"instance", "job", "le"}
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}


@cache
def shown() -> dict[str, set[str]]:
    """Every series that the service can show, and the labels it has."""
    metrics = Metrics(Registry(), "127.0.0.1:0")
    metrics.stop()
    labels = {
        name: set(getattr(one, "_labelnames", ()))
        for one, names in metrics.registry._collector_to_names.items()
        for name in names
    }
    found = {}
    for family in metrics.registry.collect():
        for suffix in SUFFIXES[family.type]:
            name = family.name + suffix
            # What is asked for has its labels in the family, where there is one policy.
            by_policy = re.match(r"bandit_(journal|checkpoint)_", name)
            found[name] = labels.get(family.name, set()) | ({"policy"} if by_policy else set())
    found["bandit_build_info"] = {"version", "python"}
    return found | {"up": set()}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def panels() -> list[dict[str, Any]]:
    board = json.loads((DEPLOY / "grafana" / "bandit-service.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


QUERIES = [(rule["alert"], rule["expr"]) for rule in alerts()] + [
    (panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]
]


@pytest.mark.parametrize(("place", "query"), QUERIES)
def test_a_query_names_series_and_labels_that_exist(place: str, query: str) -> None:
    named = set(re.findall(r"\b(?:bandit|process|python)_[a-z_]+\b|\bup\b", query))
    known = OF_PROMETHEUS.union(*(shown()[name] for name in named))  # KeyError: no such series

    assert named
    for braces in re.findall(r"\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces)) <= known
    for listed in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query):
        assert set(re.findall(r"\w+", listed)) <= known


@pytest.mark.parametrize(("place", "query"), QUERIES)
def test_a_query_is_closed_and_counters_are_read_as_rates(place: str, query: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing)
    for name in re.findall(r"\b(?:bandit|process)_\w+(?:_total|_bucket|_sum|_count)\b", query):
        assert re.search(rf"\b(?:rate|increase)\({name}\b", query), f"{name} only ever grows"


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_the_manual_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    aggregated = re.search(r"^\s*\w+ by \(([^)]*)\)", rule["expr"])
    if aggregated and "group_right" not in rule["expr"]:
        assert named <= set(re.findall(r"\w+", aggregated[1]))
    assert re.search(rf"^\| `{rule['alert']}` \|", MANUAL, re.MULTILINE)


def test_the_manual_knows_no_other_alerts() -> None:
    assert set(re.findall(r"\bBandit[A-Z]\w+", MANUAL)) == {rule["alert"] for rule in alerts()}


def test_the_manual_has_every_number_and_no_other() -> None:
    told = set(re.findall(r"\bbandit_[a-z_]+\b", MANUAL))
    series = {name for name in shown() if name.startswith("bandit_")}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series}

    assert families <= told
    assert told <= families | series


def test_every_policy_shown_can_be_chosen() -> None:
    board = json.loads((DEPLOY / "grafana" / "bandit-service.json").read_text())
    (variable,) = board["templating"]["list"]
    series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]

    assert label in shown()[series]


def test_no_two_panels_share_a_place_or_an_id() -> None:
    board = json.loads((DEPLOY / "grafana" / "bandit-service.json").read_text())
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_asks_the_replicas_that_compose_starts() -> None:
    configured = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    (job,) = configured["scrape_configs"]
    (static,) = job["static_configs"]
    listens = {
        f"{name}:{one['command'][one['command'].index('--metrics-listen') + 1].rpartition(':')[2]}"
        for name, one in REPLICAS.items()
    }

    assert set(static["targets"]) == listens
    assert job["job_name"] == "bandit-service"
    assert all((DEPLOY / file).exists() for file in configured["rule_files"])


def test_grafana_reads_from_the_prometheus_of_compose() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text())["datasources"]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]

    assert host in COMPOSE["services"]
    assert COMPOSE["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}


def test_what_compose_mounts_is_there() -> None:
    mounts = [
        mount.split(":")[0]
        for service in COMPOSE["services"].values()
        for mount in service.get("volumes", [])
    ]
    files = [mount for mount in mounts if mount.startswith("./")]

    assert len(files) == 5
    assert all((ROOT / file).is_file() for file in files)
    assert {mount for mount in mounts if not mount.startswith("./")} <= set(COMPOSE["volumes"])
