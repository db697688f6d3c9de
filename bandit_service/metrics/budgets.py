"""Where budgets stand, as this replica knows it: asked for whenever somebody looks."""

import logging
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bandit_service.ledger.holding import BudgetNumbers
from bandit_service.metrics.labels import Labels
from bandit_service.model import Resource

log = logging.getLogger(__name__)

_NUMBERS = (
    ("amount", "bandit_budget_amount", "What the budget's present window holds."),
    ("spent", "bandit_budget_spent", "Settled, reserved and overrun, in the present window."),
    ("reserved", "bandit_budget_reserved", "Of calls whose usage was not reported yet."),
    ("overrun", "bandit_budget_overrun", "Taken beyond what was reserved."),
    ("leased", "bandit_budget_leased", "Held by this replica for decisions to come."),
)
_PRICE = "Points of quality that a unit was worth at this replica's last decision."
_UNITS = {Resource.USD: ("usd", "usd"), Resource.JOULES: ("joules", "joule")}


class BudgetMetrics(Collector):
    """`source` is called from the thread of whoever looks, so it waits for nothing."""

    def __init__(self, registry: CollectorRegistry, labels: Labels) -> None:
        self.source: Callable[[], Iterable[BudgetNumbers]] | None = None
        self._labels = labels
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        known = self._ask()
        for resource, (units, unit) in _UNITS.items():
            mine = [one for one in known if one.resource is resource]
            for field, name, about in _NUMBERS:
                yield self._family(f"{name}_{units}", about, field, mine)
            price = f"bandit_budget_shadow_price_per_{unit}"
            yield self._family(price, _PRICE, "shadow_price", mine)

    def _family(
        self, name: str, about: str, field: str, mine: Iterable[BudgetNumbers]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, about, labels=("policy", "budget"))
        for one in mine:
            value = getattr(one, field)
            # Of policies beyond the limit none is shown: what would their sum mean?
            if value is not None and self._labels.policy(one.policy) == one.policy:
                family.add_metric((one.policy, one.budget), value)
        return family

    def _ask(self) -> list[BudgetNumbers]:
        try:
            found = list(self.source()) if self.source else []
        except Exception:
            log.warning("cannot read where budgets stand", exc_info=True)
            return []
        return sorted(found, key=lambda one: (one.policy, one.budget))
