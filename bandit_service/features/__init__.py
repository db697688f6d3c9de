"""Text or a caller's vector -> context: what a policy may know of a query.

`features_of(config)` gives the FeatureMap of a policy's configuration; its version string
goes into every decision.
"""

from functools import cache

from bandit_service.features.schema import (
    LARGEST_MAGNITUDE,
    FeatureMap,
    text_features,
    vector_features,
)
from bandit_service.model import Features

__all__ = ["LARGEST_MAGNITUDE", "FeatureMap", "features_of", "text_features", "vector_features"]


@cache
def features_of(config: Features) -> FeatureMap:
    """The map that a configuration names; the same one for equal configurations."""
    if config.vector is not None:
        return vector_features(config.vector.dimension)
    assert config.text is not None
    text = config.text
    return text_features(text.dimensions, text.readability, text.labels)
