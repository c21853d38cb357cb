"""A reader of the pickles in PyTorch's files that runs nothing.

A pickle is a program: it may name any function of the machine and have it called. Here its instructions are read by
`pickletools` and followed by a machine that knows containers, text, scalars and PyTorch's few names for tensors, and
makes descriptions of the tensors. It has no way to import or call anything.
"""

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from .pickle_names import Name, RefusedError, Storage, known, made, storage

__all__ = ["read_pickle"]

MARK = Name("")


def read_pickle(file: BinaryIO) -> tuple[Any, dict[str, Storage]]:
    """The pickle that begins where the file stands: dictionaries, lists, tuples, text, scalars and `Tensor`s; and the
    storages that it refers to, by key.

    Raises RefusedError for all else, and ValueError for a broken pickle.
    """
    machine = _Machine()
    for instruction, argument, _ in pickletools.genops(file):
        if instruction.name == "STOP":
            return machine.top(), machine.storages
        machine.follow(instruction.name, argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """The stack of a pickle, and what it has put aside."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.kept: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def top(self) -> Any:
        if not self.stack or self.stack[-1] is MARK:
            raise RefusedError("its pickle takes from an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def since_mark(self) -> list[Any]:
        """What lies above the last mark."""
        for position in range(len(self.stack) - 1, -1, -1):
            if self.stack[position] is MARK:
                above = self.stack[position + 1 :]
                del self.stack[position:]
                return above
        raise RefusedError("its pickle takes from an empty stack")

    def follow(self, name: str, argument: Any) -> None:
        if name in IGNORED:
            return
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.kept[argument] = self.top()
        elif name == "MEMOIZE":
            self.kept[len(self.kept)] = self.top()
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            if argument not in self.kept:
                raise RefusedError("its pickle takes what it hasn't kept")
            self.stack.append(self.kept[argument])
        elif name == "GLOBAL":
            self.stack.append(known(argument.replace(" ", ".", 1)))
        elif name in OPERATIONS:
            OPERATIONS[name](self)
        else:
            raise RefusedError(f"its pickle has the instruction {name}, which weights don't need: refused")

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise RefusedError("it requests something by a name that isn't text: refused")
        self.stack.append(known(f"{module}.{name}"))

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedError("its pickle sets items of something that isn't a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):  # the hash of a nested tuple would take stack for each level
                raise RefusedError(f"a dictionary in it has a key of the type {type(key).__name__}: refused")
            target[key] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise RefusedError("its pickle appends to something that isn't a list")
        target.extend(items)

    def tuple_of(self, count: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))

    def call(self) -> None:
        """REDUCE and NEWOBJ: what the known names stand for."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise RefusedError("its pickle calls something that has no name: refused")
        self.stack.append(made(function.path, arguments))

    def build(self) -> None:
        """BUILD sets the attributes of an object: of a state_dict its versions, which nothing here needs."""
        state, target = self.pop(), self.top()
        if not isinstance(target, dict):
            raise RefusedError("its pickle sets attributes of something that isn't a dictionary: refused")
        del state

    def stored(self) -> None:
        """BINPERSID: a storage by its key."""
        found = storage(self.pop())
        if self.storages.setdefault(found.key, found) != found:
            raise RefusedError(f"its storage {found.key[:40]!r} is declared with two types or sizes: refused")
        self.stack.append(found)


IGNORED = {"PROTO", "FRAME"}
LITERALS = set(
    "BININT BININT1 BININT2 INT LONG LONG1 BINFLOAT FLOAT BINUNICODE SHORT_BINUNICODE UNICODE "
    "BINSTRING SHORT_BINSTRING STRING BINBYTES SHORT_BINBYTES".split()
)
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: MARK,
}
OPERATIONS: dict[str, Callable[[_Machine], None]] = {
    "STACK_GLOBAL": _Machine.stack_global,
    "SETITEM": _Machine.set_item,
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine: machine.append([machine.pop()]),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "LIST": lambda machine: machine.stack.append(machine.since_mark()),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.stored,
}
