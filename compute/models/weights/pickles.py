"""Reads a pickle as data: nothing that it names is imported, looked up or called.

Python's own unpickler makes objects by calling what the file names. Here a name stays a name: an object of a
known kind (a dictionary, a tensor) is made by a function that the caller gives, any other becomes an
`Instance`, which only notes what the file says of it. A checkpoint's callbacks, settings and paths can so be
passed over.
"""

import pickletools
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, field
from typing import IO, Any

from compute.models.weights.errors import Refused

MAX_INSTRUCTIONS = 10_000_000
"""A bound on the time: a checkpoint has about forty instructions a tensor, and a million take a second or
two."""

RENAMED_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
HARMFUL_MODULES = frozenset(
    [
        "os",
        "posix",
        "nt",
        "sys",
        "subprocess",
        "shutil",
        "socket",
        "runpy",
        "pty",
        "ctypes",
        "importlib",
        "pdb",
        "webbrowser",
    ]
)
HARMFUL_BUILTINS = frozenset(["eval", "exec", "compile", "open", "input", "breakpoint", "__import__"])


class UnreadablePickle(ValueError):
    """The bytes are not a whole pickle, or one that is too long."""


@dataclass(frozen=True)
class Name:
    """A class or function that the file names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False)
class Instance:
    """An object that was not made.

    of: its class, or the function that would have made it. state: what it would have been given afterwards,
    mostly its attributes by name. items: what it holds, where it is a dictionary of some class.
    """

    of: object
    arguments: tuple
    state: Any = None
    items: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"object of {spoken(self.of)}"


def spoken(value: object) -> str:
    """What is said of a class or function that a file names; of anything else, its kind.

    Not its content: one list that is twice in another one, and so on, is written out without end.
    """
    return str(value) if isinstance(value, Name) else f"{type(value).__name__} object"


Builder = Callable[..., object]


def read_pickle(
    file: IO[bytes],
    size: int,
    builders: Mapping[str, Builder],
    persistent: Callable[[Any], object] | None = None,
) -> Any:
    """The content of the pickle at the file's position, which is left behind the pickle's end.

    size: of the file in bytes; memory is bounded by it. builders: by full name, what makes an object of the
    arguments that the file gives it; they must bear arguments of any kind. persistent: what makes an object
    of a persistent id. Raises Refused where it names what no checkpoint needs, such as `os.system`, and
    UnreadablePickle for anything but a pickle.
    """
    return _Reader(size, {**CONTAINERS, **builders}, persistent).read(file)


class _Reader:
    """The stack machine that a pickle is a program of (see `pickletools`), with each instruction as a
    method."""

    def __init__(
        self, size: int, builders: Mapping[str, Builder], persistent: Callable[[Any], object] | None
    ):
        self.left_to_copy = 4 * size + 2**16
        self.builders = builders
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self, file: IO[bytes]) -> Any:
        try:
            for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
                if instruction.name == "STOP":
                    return self.stack.pop()
                if count == MAX_INSTRUCTIONS:
                    raise UnreadablePickle(f"it has more than {MAX_INSTRUCTIONS:,} instructions")
                self._follow(instruction.name, argument)
        except Refused:
            raise
        except Exception as error:  # a damaged pickle stumbles over anything
            raise UnreadablePickle(str(error) or type(error).__name__) from error
        raise UnreadablePickle("it has no end")

    def _follow(self, name: str, argument: Any) -> None:
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in METHODS:
            METHODS[name](self, argument)
        elif name not in WITHOUT_EFFECT:
            raise UnreadablePickle(f"it has the instruction {name}")

    def _marked(self) -> list[Any]:
        """What was put on the stack since the last mark, taken from it."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def _pop(self, _: None) -> None:
        self.stack.pop()

    def _pop_mark(self, _: None) -> None:
        self._marked()

    def _duplicate(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def _list(self, _: None) -> None:
        self.stack.append(self._marked())

    def _tuple(self, _: None) -> None:
        self.stack.append(tuple(self._marked()))

    def _tuple_of(self, count: int) -> None:
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(values)

    def _dict(self, _: None) -> None:
        values = self._marked()
        self.stack.append(_insert({}, zip(values[::2], values[1::2], strict=True)))

    def _set_item(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _insert(self.stack[-1], [(key, value)])

    def _set_items(self, _: None) -> None:
        values = self._marked()
        _insert(self.stack[-1], zip(values[::2], values[1::2], strict=True))

    def _append(self, _: None) -> None:
        _extend(self.stack, [self.stack.pop()])

    def _appends(self, _: None) -> None:
        _extend(self.stack, self._marked())

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _global(self, argument: str) -> None:
        self.stack.append(_name(*argument.split(" ", 1)))

    def _stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_name(module, name))

    def _instance(self, argument: str) -> None:
        arguments = tuple(self._marked())
        self.stack.append(self._made(_name(*argument.split(" ", 1)), arguments))

    def _object(self, _: None) -> None:
        of, *arguments = self._marked()
        self.stack.append(self._made(of, tuple(arguments)))

    def _reduce(self, _: None) -> None:
        arguments, of = self.stack.pop(), self.stack.pop()
        self.stack.append(self._made(of, arguments))

    def _new_object_with_keywords(self, _: None) -> None:
        self.stack.pop()
        self._reduce(None)

    def _build(self, _: None) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Instance):
            self.stack[-1].state = state

    def _persistent(self, identity: str) -> None:
        self.stack.append(identity)
        self._binary_persistent(None)

    def _binary_persistent(self, _: None) -> None:
        if self.persistent is None:
            raise UnreadablePickle("it refers to what is kept elsewhere")
        self.stack.append(self.persistent(self.stack.pop()))

    def _count_copies(self, arguments: tuple) -> None:
        """What is put on the stack from the memo costs the file two bytes, however long it is."""
        self.left_to_copy -= len(arguments)
        if self.left_to_copy >= 0:
            self.left_to_copy -= sum(len(each) for each in arguments if isinstance(each, Sized))
        if self.left_to_copy < 0:
            raise UnreadablePickle("it unpacks into many times its size")

    def _made(self, of: object, arguments: object) -> object:
        if not isinstance(arguments, tuple):
            raise UnreadablePickle("it makes an object of what are no arguments")
        if isinstance(of, Name) and str(of) in self.builders:
            self._count_copies(arguments)
            return self.builders[str(of)](*arguments)
        if isinstance(of, Name) and str(of) == "copyreg._reconstructor":
            self._count_copies(arguments)
            return Instance(arguments[0], arguments[1:])
        return Instance(of, arguments)


VALUES = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # its members may be of a kind that no set takes
}
WITHOUT_EFFECT = frozenset({"PROTO", "FRAME"})
METHODS: dict[str, Callable[[_Reader, Any], None]] = {
    "MARK": _Reader._mark,
    "POP": _Reader._pop,
    "POP_MARK": _Reader._pop_mark,
    "DUP": _Reader._duplicate,
    "LIST": _Reader._list,
    "FROZENSET": _Reader._list,
    "TUPLE": _Reader._tuple,
    "TUPLE1": lambda reader, _: reader._tuple_of(1),
    "TUPLE2": lambda reader, _: reader._tuple_of(2),
    "TUPLE3": lambda reader, _: reader._tuple_of(3),
    "DICT": _Reader._dict,
    "SETITEM": _Reader._set_item,
    "SETITEMS": _Reader._set_items,
    "APPEND": _Reader._append,
    "APPENDS": _Reader._appends,
    "ADDITEMS": _Reader._appends,
    "GET": _Reader._get,
    "BINGET": _Reader._get,
    "LONG_BINGET": _Reader._get,
    "PUT": _Reader._put,
    "BINPUT": _Reader._put,
    "LONG_BINPUT": _Reader._put,
    "MEMOIZE": _Reader._memoize,
    "GLOBAL": _Reader._global,
    "STACK_GLOBAL": _Reader._stack_global,
    "INST": _Reader._instance,
    "OBJ": _Reader._object,
    "REDUCE": _Reader._reduce,
    "NEWOBJ": _Reader._reduce,
    "NEWOBJ_EX": _Reader._new_object_with_keywords,
    "BUILD": _Reader._build,
    "PERSID": _Reader._persistent,
    "BINPERSID": _Reader._binary_persistent,
}


def _name(module: object, name: object) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise UnreadablePickle("it names something by what is no text")
    module = RENAMED_MODULES.get(module, module)
    root = module.partition(".")[0]
    if root in HARMFUL_MODULES or (root == "builtins" and name in HARMFUL_BUILTINS):
        raise Refused(
            f"holds Python objects besides tensors, and loading them could run code: it names "
            f"{module}.{name}, which no checkpoint needs; save `network.state_dict()` instead"
        )
    return Name(module, name)


def _insert(target: object, pairs: Iterable[tuple[object, object]]) -> object:
    """Keys of other kinds are passed over: the hash of a tuple that is nested deeply enough ends the
    process."""
    items = target.items if isinstance(target, Instance) else target
    if not isinstance(items, dict):
        raise UnreadablePickle("it puts an item into what is no dictionary")
    items.update((key, value) for key, value in pairs if isinstance(key, str | int | float | bytes | None))
    return target


def _extend(stack: list[Any], values: list[Any]) -> None:
    if isinstance(stack[-1], list):
        stack[-1].extend(values)
    elif not isinstance(stack[-1], Instance):
        raise UnreadablePickle("it appends to what is no list")


def _dictionary(pairs: object = (), *_: object) -> object:
    """Of the class's arguments: a dictionary, a list of pairs, or (defaultdict's) what makes a missing
    value."""
    if isinstance(pairs, dict):
        return dict(pairs)
    if isinstance(pairs, list | tuple):
        return _insert({}, [(key, value) for key, value in pairs])
    return {}


def _sequence(values: object = (), *_: object) -> object:
    return list(values) if isinstance(values, list | tuple) else []


def _bytes(text: object = "", *_: object) -> object:
    """Python 3 keeps bytes in its older protocols as text of as many characters."""
    return text.encode("latin-1") if isinstance(text, str) else text


CONTAINERS: dict[str, Builder] = {
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _dictionary,
    "collections.Counter": _dictionary,
    "builtins.dict": _dictionary,
    "builtins.list": _sequence,
    "builtins.set": _sequence,
    "builtins.frozenset": _sequence,
    "_codecs.encode": _bytes,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
}
