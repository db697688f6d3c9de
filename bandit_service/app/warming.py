"""What is done once, so that the first callers do not wait for it, and none later."""

import gc

from bandit_service.engine import Registry
from bandit_service.features import features_of


def keep_out_of_collections() -> None:
    """What is there by now stays: modules, tables, weights. Without this every full collection
    looks through all of it again, and holds every call up for 40 to 60 ms (1 to 2 ms with it)."""
    gc.collect()
    gc.freeze()


def warm_up(registry: Registry) -> None:
    """Loads the embedding before the first caller would have to wait for it."""
    for engine in registry.by_name.values():
        if engine.config.features.text is not None:
            features_of(engine.config.features).from_texts(["warm up"])
