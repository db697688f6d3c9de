"""Published systems by name: what each of them is, and the configuration that makes it.

A preset composes what the service has (an algorithm, features, an objective): it is one YAML file
in this folder, and nothing else. Somebody's own file of the same shape does as well.
"""

from bandit_service.presets.loading import found, names
from bandit_service.presets.preset import NOT_A_PRESETS, Need, Preset, When

__all__ = ["NOT_A_PRESETS", "Need", "Preset", "When", "found", "names"]
