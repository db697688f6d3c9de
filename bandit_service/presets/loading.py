"""Presets, read and checked: those that ship in this folder, and files of one's own."""

from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

import policies
from bandit_service.errors import InvalidField
from bandit_service.presets.preset import Preset, plain

SUFFIXES = (".yaml", ".yml")


@cache
def names() -> tuple[str, ...]:
    """Of those that ship, in alphabetical order."""
    files = resources.files("bandit_service.presets").iterdir()
    return tuple(sorted(Path(f.name).stem for f in files if f.name.endswith(SUFFIXES)))


def found(name: str) -> Preset:
    """The preset of that name, or of the file with that path. Raises InvalidField."""
    if name in names():
        text = (resources.files("bandit_service.presets") / f"{name}.yaml").read_text("utf-8")
        return checked(text, name)
    if not name.endswith(SUFFIXES):
        known = ", ".join(names())
        raise InvalidField("preset", f"there is no {name!r}; known: {known}, or a YAML file")
    try:
        return checked(Path(name).read_text("utf-8"), name)
    except OSError as error:
        raise InvalidField("preset", f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidField("preset", f"{name} is not text in UTF-8") from error


def checked(text: str, source: str) -> Preset:
    """A preset that makes sense by itself; `source` is what errors call it. Raises InvalidField."""
    try:
        preset = msgspec.yaml.decode(text, type=Preset)
    except msgspec.ValidationError as error:
        fields = ", ".join(Preset.__struct_fields__)
        raise InvalidField(
            f"preset {source}", f"{plain(error)}; the fields of a preset are {fields}"
        ) from None
    except msgspec.DecodeError as error:
        raise InvalidField(f"preset {source}", f"is not YAML: {error}") from None
    algorithm = preset.config(preset.name).algorithm
    try:
        policies.build(algorithm.name, dim=2, settings=algorithm.settings)
    except ValueError as wrong:
        raise InvalidField(f"preset {source}", f"policy.algorithm: {wrong}") from None
    return preset
