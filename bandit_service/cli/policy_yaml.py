"""Policies as people write them: YAML in the shape of PolicyConfig, and `--set` on top.

Every mistake is one line that names the file, the place in it, and what is expected there.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from bandit_service.errors import InvalidField
from bandit_service.model import Arm, ArmState, PolicyConfig

Kind = TypeVar("Kind", PolicyConfig, Arm)

SET = "--set"

_AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")


class _StrictLoader(yaml.SafeLoader):
    """YAML lets a key be given twice and forgets the first. And YAML 1.1 takes 1e-4 for text, where
    1.2 and everybody who writes it mean a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(problem=f"{key.value} twice, line {line}")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep=deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_policy(path: Path) -> PolicyConfig:
    """Raises InvalidField."""
    return checked(read_mapping(path), PolicyConfig, str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """What a YAML file says, not yet checked against anything. Raises InvalidField."""
    try:
        content = _load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidField(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidField(str(path), "is not text in UTF-8") from error
    except yaml.YAMLError as error:
        raise InvalidField(str(path), f"is not YAML: {_reason(error)}") from error
    if not isinstance(content, dict):
        raise InvalidField(str(path), "must be a mapping, such as `name: chat`")
    return content


def read_arms(path: Path) -> list[Any]:
    """What a file says under `arms`, its only field. Raises InvalidField."""
    said = read_mapping(path)
    if said.keys() != {"arms"} or not isinstance(said["arms"], list):
        raise InvalidField(str(path), "must be a list under `arms:`, and nothing else")
    return said["arms"]


def checked(mapping: dict[str, Any], kind: type[Kind], source: str) -> Kind:
    """Raises InvalidField, which names `source`, for what `kind` does not have."""
    try:
        made = msgspec.convert(mapping, kind)
    except msgspec.ValidationError as error:
        raise InvalidField(source, _explained(str(error), kind)) from None
    arms: Any = getattr(made, "arms", [made])
    if any(arm.state is not ArmState.ACTIVE for arm in arms):
        raise InvalidField(source, "state: leave it out; `policy retire-arm` changes it")
    if any(arm.version_position for arm in arms):
        raise InvalidField(source, "version_position: leave it out; a new model_version sets it")
    return made


def assigned(mapping: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """`mapping` with each `path.to.key=value` put in; values are YAML. Raises InvalidField."""
    parsed = [_parsed(each) for each in assignments]
    # Another algorithm has other settings, so its name goes before them.
    for path, value in sorted(parsed, key=lambda each: each[0] != ["algorithm", "name"]):
        mapping = _with(mapping, path, value)
        if path == ["algorithm", "name"]:
            mapping["algorithm"] = {"name": value}
        if path[0] == "features" and len(path) > 1:
            mapping["features"] = {path[1]: mapping["features"][path[1]]}
    return mapping


def roots(assignments: Sequence[str]) -> set[str]:
    """The fields at the top that assignments change."""
    return {_parsed(each)[0][0] for each in assignments}


def _parsed(assignment: str) -> tuple[list[str], Any]:
    path, equals, text = assignment.partition("=")
    if not equals or not all(path.split(".")):
        raise InvalidField(SET, f"{assignment!r} must be like objective.quality_per_usd=20")
    try:
        return path.split("."), _load(text)
    except yaml.YAMLError as error:
        raise InvalidField(SET, f"{path}: {_reason(error)}") from error


def _with(mapping: Any, path: list[str], value: Any) -> dict[str, Any]:
    inside = dict(mapping) if isinstance(mapping, dict) else {}
    key, rest = path[0], path[1:]
    inside[key] = _with(inside.get(key), rest, value) if rest else value
    return inside


def _load(text: str) -> Any:
    return yaml.load(text, _StrictLoader)  # noqa: S506 (it is a SafeLoader)


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "unreadable"
    return f"{problem}, line {mark.line + 1}" if mark else str(problem)


def _explained(message: str, kind: type[Kind]) -> str:
    """msgspec's words, with the place in front, and with what would have been right."""
    found = _AT.fullmatch(message)
    assert found is not None
    path, what = found["path"] or "", found["what"].replace("`", "")
    expected = _type_at(kind, path)
    if unknown := _UNKNOWN.fullmatch(found["what"]):
        path = f"{path}.{unknown['name']}"
        what = "no such field"
    if isinstance(expected, msgspec.inspect.StructType):
        names = ", ".join(field.encode_name for field in expected.fields)
        what += f"; there are {names}"
    elif isinstance(expected, msgspec.inspect.EnumType):
        what += f", where one of {', '.join(each.value for each in expected.cls)} is expected"
    where = path.removeprefix(".")
    return f"{where}: {what[0].lower()}{what[1:]}" if where else f"{what[0].lower()}{what[1:]}"


def _type_at(kind: type[Kind], path: str) -> Any:
    """What belongs at a path such as `.arms[0].tags`; None where nothing is known."""
    found: Any = msgspec.inspect.type_info(kind)
    for step in _STEP.finditer(path):
        if isinstance(found, msgspec.inspect.UnionType):
            structs = (t for t in found.types if isinstance(t, msgspec.inspect.StructType))
            found = next(structs, None)
        if step[1]:
            fields = {each.encode_name: each.type for each in getattr(found, "fields", ())}
            found = fields.get(step[1])
        else:
            found = getattr(found, "item_type", getattr(found, "value_type", None))
    return found
