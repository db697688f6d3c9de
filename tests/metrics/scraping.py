"""Reads a page of metrics as Prometheus does."""

import urllib.request
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.patience import PATIENCE

Series = tuple[str, frozenset[tuple[str, str]]]


class Seen:
    """What a page shows: values by name and labels."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {
            family.name: family for family in text_string_to_metric_families(text)
        }
        self._values: dict[Series, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """None where there is no such series."""
        return self._values.get((name, frozenset(labels.items())))

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Values that are not zero, by their labels in the order of the labels' names."""
        return {
            tuple(value for _, value in sorted(labels)): number
            for (of, labels), number in self._values.items()
            if of == name and number
        }


def scraped(url: str, headers: Mapping[str, str] | None = None) -> Seen:
    asked = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own
    with urllib.request.urlopen(asked, timeout=PATIENCE) as page:  # noqa: S310
        return Seen(page.read().decode())


def shown_by(registry: CollectorRegistry) -> Seen:
    return Seen(generate_latest(registry).decode())
