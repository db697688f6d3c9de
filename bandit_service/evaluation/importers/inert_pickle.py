"""Reads a pickle without running it.

A pickle is a program: "call this function of that module with these arguments". Here nothing is
imported and nothing is called. What the program wanted is written down instead, as a tree of
Global (a name it asked for) and Call (a call it asked for), so a crafted file can at most give a
tree that the reader of the tree refuses. `pickletools` of the standard library does the parsing.

Opcodes: those of protocols 0 to 5, without persistent ids, the extension registry, out-of-band
buffers and classes of Python 2, which no pickled DataFrame in one file needs.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class NotReadable(ValueError):
    """The bytes are no pickle, or one that does more than build plain data."""


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name that the pickle asked for. It was not looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Call:
    """A call that the pickle asked for, which was not made; `state` it would have set after."""

    function: Any
    arguments: Any
    state: Any = None


def read(data: bytes) -> Any:
    """The tree. Raises NotReadable."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, argument)
    except NotReadable:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise NotReadable(f"is no complete pickle: {error}") from error
    raise NotReadable("is no complete pickle: it does not end")


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
# genops has decoded their arguments.
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_VALUES = _NUMBERS | _TEXTS | _STRINGS | _BYTES
_NOTHING = {"PROTO", "FRAME"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}


class _Machine:
    """The stack machine. `marks` are the stacks under the current one; sets are kept as lists."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        return self.stack.pop()

    def to_mark(self) -> list[Any]:
        above, self.stack = self.stack, self.marks.pop()
        return above

    def run(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in _PUT:
            self.memo[argument] = self.stack[-1]
        elif name in _GET:
            self.stack.append(self.memo[argument])
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            parts = self.stack[-_TUPLES[name] :]
            self.stack[-_TUPLES[name] :] = [tuple(parts)]
        elif name not in _NOTHING:
            step = _STEPS.get(name)
            if step is None:
                raise NotReadable(f"uses the opcode {name}, which no pickled DataFrame needs")
            step(self, argument)


def _mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _duplicate(machine: _Machine, _: Any) -> None:
    machine.stack.append(machine.stack[-1])


def _drop(machine: _Machine, _: Any) -> None:
    machine.pop()


def _drop_to_mark(machine: _Machine, _: Any) -> None:
    machine.to_mark()


def _tuple(machine: _Machine, _: Any) -> None:
    parts = tuple(machine.to_mark())
    machine.stack.append(parts)


def _list(machine: _Machine, _: Any) -> None:
    parts = machine.to_mark()
    machine.stack.append(parts)


def _dict(machine: _Machine, _: Any) -> None:
    parts = machine.to_mark()
    machine.stack.append({})
    _put_items(machine, parts)


def _append(machine: _Machine, _: Any) -> None:
    part = machine.pop()
    _list_on_top(machine).append(part)


def _appends(machine: _Machine, _: Any) -> None:
    parts = machine.to_mark()
    _list_on_top(machine).extend(parts)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    _put_items(machine, [key, value])


def _set_items(machine: _Machine, _: Any) -> None:
    _put_items(machine, machine.to_mark())


def _list_on_top(machine: _Machine) -> list[Any]:
    top = machine.stack[-1]
    if not isinstance(top, list):
        raise NotReadable("appends to something that is no list")
    return top


def _put_items(machine: _Machine, parts: list[Any]) -> None:
    top = machine.stack[-1]
    if not isinstance(top, dict):
        raise NotReadable("sets items of something that is no dict")
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        # Python hashes tuples within tuples until its own stack overflows, so none are keys here.
        if not isinstance(key, str | int | float | None):
            raise NotReadable("has a key that is neither text nor a number")
        top[key] = value


def _global(machine: _Machine, argument: Any) -> None:
    module, _, name = str(argument).partition(" ")
    machine.stack.append(Global(module, name))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise NotReadable("asks for something whose name is no text")
    machine.stack.append(Global(module, name))


def _call(machine: _Machine, _: Any) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.stack.append(Call(function, arguments))


def _call_with_names(machine: _Machine, _: Any) -> None:
    names, arguments, function = machine.pop(), machine.pop(), machine.pop()
    machine.stack.append(Call(function, (arguments, names)))


def _build(machine: _Machine, _: Any) -> None:
    state, top = machine.pop(), machine.stack[-1]
    if not isinstance(top, Call):
        raise NotReadable("sets the state of something that is no object")
    top.state = state


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _mark,
    "DUP": _duplicate,
    "POP": _drop,
    "POP_MARK": _drop_to_mark,
    "TUPLE": _tuple,
    "LIST": _list,
    "FROZENSET": _list,
    "DICT": _dict,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "NEWOBJ_EX": _call_with_names,
    "BUILD": _build,
}
