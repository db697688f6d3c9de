"""What each field of a configuration may be, whatever the others are."""

from collections.abc import Sequence

from bandit_service import embeddings, weighing
from bandit_service.errors import InvalidField
from bandit_service.model import Arm, Features, PolicyConfig

MOST_ARMS = 256
MOST_FEATURES = 512
MOST_LABELS = 64
# Seconds or requests. A thousandth forgets all at once; the longest is what a Duration holds.
SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE = 1e-3, 315_576_000_000.0
SHORTEST_HORIZON, LONGEST_HORIZON = 1.0, LONGEST_HALF_LIFE  # seconds
_MOST_ARM_NAME = 128


def check_features(features: Features) -> None:
    if (features.text is None) == (features.vector is None):
        raise InvalidField("features", "exactly one of text and vector is required")
    if features.vector is not None and not 1 <= features.vector.dimension < MOST_FEATURES:
        raise InvalidField(
            "features.vector.dimension",
            f"must be from 1 to {MOST_FEATURES - 1}, not {features.vector.dimension}",
        )
    if features.text is not None and not 8 <= features.text.dimensions <= 256:
        raise InvalidField(
            "features.text.dimensions", f"must be from 8 to 256, not {features.text.dimensions}"
        )
    if features.text is not None:
        _check_labels(features.text.labels)


def _check_labels(labels: Sequence[str]) -> None:
    if len(labels) > MOST_LABELS:
        raise InvalidField("features.text.labels", f"at most {MOST_LABELS}, not {len(labels)}")
    for place, label in enumerate(labels):
        where = f"features.text.labels[{place}]"
        if not (0 < len(label) <= _MOST_ARM_NAME and label.isprintable()):
            raise InvalidField(where, f"must be 1 to {_MOST_ARM_NAME} printable characters")
        if label in labels[:place]:
            raise InvalidField(where, f"{label!r} is there twice")


def check_arms(config: PolicyConfig) -> None:
    if not config.arms:
        raise InvalidField("arms", "at least one is required")
    if len(config.arms) > MOST_ARMS:
        raise InvalidField("arms", f"at most {MOST_ARMS}, not {len(config.arms)}")
    names = [arm.name for arm in config.arms]
    for place, arm in enumerate(config.arms):
        where = f"arms[{place}]"
        if not (0 < len(arm.name) <= _MOST_ARM_NAME and arm.name.isprintable()):
            raise InvalidField(
                f"{where}.name", f"must be 1 to {_MOST_ARM_NAME} printable characters"
            )
        if arm.name != arm.name.strip():
            raise InvalidField(f"{where}.name", f"{arm.name!r} begins or ends with a blank")
        if arm.name in names[:place]:
            raise InvalidField(f"{where}.name", f"{arm.name!r} is there twice")
        check_arm_numbers(arm, where)


def check_arm_numbers(arm: Arm, where: str) -> None:
    for name in (
        "input_usd_per_million_tokens",
        "output_usd_per_million_tokens",
        "declared_joules_per_output_token",
    ):
        _check_number(f"{where}.{name}", getattr(arm, name))
    if arm.context_limit_tokens is not None and arm.context_limit_tokens < 1:
        raise InvalidField(
            f"{where}.context_limit_tokens", f"must be at least 1, not {arm.context_limit_tokens}"
        )
    embeddings.check(arm, where)
    if not arm.modalities:
        raise InvalidField(f"{where}.modalities", "at least one is required")


def check_numbers(config: PolicyConfig) -> None:
    if not 0.0 <= config.floor <= 1.0:
        raise InvalidField("floor", f"must be in [0, 1], not {config.floor:g}")
    weighing.checked(config.objective)
    weighing.checked_limits(config.override_limits)
    if config.forgetting is not None:
        half_life = config.forgetting.half_life
        if not SHORTEST_HALF_LIFE <= half_life <= LONGEST_HALF_LIFE:
            raise InvalidField(
                "forgetting.half_life",
                f"must be from {SHORTEST_HALF_LIFE:g} to {LONGEST_HALF_LIFE:g}, not {half_life:g}",
            )
    if not SHORTEST_HORIZON <= config.feedback_horizon <= LONGEST_HORIZON:
        raise InvalidField(
            "feedback_horizon",
            f"must be from {SHORTEST_HORIZON:g} to {LONGEST_HORIZON:g} seconds, "
            f"not {config.feedback_horizon:g}",
        )
    sources = config.quality_sources
    if not sources or len(set(sources)) < len(sources):
        raise InvalidField("quality_sources", "at least one is required, and each only once")


def _check_number(field: str, value: float | None) -> None:
    if value is not None and not 0.0 <= value <= 1e9:
        raise InvalidField(field, f"must be from 0 to 1e9, not {value:g}")
