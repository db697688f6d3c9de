"""Names that last: once a dashboard uses one, it is part of the interface."""

import re

import pytest
from prometheus_client import Metric

from bandit_service.engine import Registry
from bandit_service.metrics import Metrics
from bandit_service.rpc.server import SERVICES


def families() -> list[Metric]:
    metrics = Metrics(Registry(), "127.0.0.1:0")
    try:
        return list(metrics.registry.collect())
    finally:
        metrics.stop()


FAMILIES = families()
OURS = [family for family in FAMILIES if family.name.startswith("bandit_")]

# Base units, and what is counted one by one.
UNITS = {
    "seconds",
    "bytes",
    "joules",
    "joule",
    "usd",
    "rows",
    "items",
    "position",
    "decisions",
    "info",
    "share",  # of 1
    "points",  # of quality: 1 is all of it
}


def test_there_are_some_of_the_process_and_ours():
    names = {family.name for family in FAMILIES}

    assert len(OURS) >= 25
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


@pytest.mark.parametrize("family", OURS, ids=lambda family: family.name)
def test_a_name_says_what_is_measured_and_in_which_unit(family):
    assert re.fullmatch(r"bandit(_[a-z]+)+", family.name)
    if family.type == "counter":  # its series end in _total
        assert not family.name.endswith("_total")
    elif family.type == "info":
        assert family.name == "bandit_build"
    else:
        assert family.name.rpartition("_")[2] in UNITS


@pytest.mark.parametrize("family", OURS, ids=lambda family: family.name)
def test_every_number_is_explained_in_a_sentence(family):
    assert len(family.documentation) > 15
    assert family.documentation.endswith(".")
    assert family.documentation[0].isupper()


def test_no_label_can_hold_what_a_caller_sends():
    """Labels are of a fixed set, or names that only the operator gives."""
    metrics = Metrics(Registry(), "127.0.0.1:0")
    metrics.stop()
    collectors = metrics.registry._collector_to_names
    labels = {name for one in collectors for name in getattr(one, "_labelnames", ())}

    fixed = {"method", "code", "error", "flag", "source", "effect", "kind", "failure"}
    assert labels == fixed | {"direction", "energy_source", "resource"} | {"policy", "arm"}


def test_a_method_is_known_by_its_name_alone():
    names = [method.name for service in SERVICES for method in service.methods]

    assert len(names) == len(set(names))
