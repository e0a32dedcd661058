"""A reader of pickles that cannot call anything: torch's checkpoints as plain values and tensor descriptions.

`torch.load(weights_only=True)` still imports and calls (a fixed list of) real functions, and needs every
storage in reach. This reader knows some forty opcodes and a closed table of names, builds plain values
only, and therefore also reads a checkpoint of which only a few storages are fetched.
Tests hold it against torch.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from radseg.errors import CheckpointError, UnsafeCheckpointError

MAX_PICKLE = 8 * 1024 * 1024  # bytes; published ones are below 1 MB
MAX_WORK = 1_000_000  # operations and values copied in all, about 100 MB at most; published ones need 60,000
MAX_SIZE = 2**48  # of an axis, a stride or an offset, in numbers
MAX_AXES = 8

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class Name:
    """A name from the allow-list, as inert data: a number type, a storage type, or what REDUCE stands for."""

    module: str
    name: str


@dataclass(frozen=True)
class StorageRef:
    """A block of numbers in the archive: its key, number type (torch's name) and length in numbers."""

    key: str
    dtype: str
    numel: int


@dataclass(frozen=True)
class TensorRef:
    """A view of a storage; offset and strides count numbers. Its bounds have been checked."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Record(dict[str, Any]):
    """The attributes of a pickled `argparse.Namespace`."""


def _parameter(data: Any, *_: Any) -> TensorRef:
    if not isinstance(data, TensorRef):
        raise ValueError("a parameter holds no tensor")
    return data


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRef:
    if len(shape) != len(stride) or len(shape) > MAX_AXES:
        raise ValueError(f"a tensor has {len(shape)} axes and {len(stride)} strides")
    counts = [offset, *shape, *stride]
    if not isinstance(storage, StorageRef) or not all(type(n) is int and 0 <= n < MAX_SIZE for n in counts):
        raise ValueError("a tensor's storage, sizes or strides are not valid")
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if prod(shape) and last >= storage.numel:  # an expanded tensor has more numbers than its storage
        raise ValueError(
            f"a tensor of shape {tuple(shape)} reaches beyond its storage of {storage.numel} numbers"
        )
    return TensorRef(storage, offset, tuple(shape), tuple(stride))


def _sequence(items: Any = ()) -> tuple[Any, ...]:
    if not isinstance(items, (list, tuple)):
        raise ValueError("a set or size is not made from a list")
    return tuple(items)


def _path(*parts: Any) -> str:
    return "/".join(str(p) for p in parts if isinstance(p, str))


def _table() -> dict[Any, Any]:
    return {}


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _sequence,
    ("torch", "device"): _path,
    ("collections", "OrderedDict"): _table,
    ("argparse", "Namespace"): Record,
    **{(m, s): _sequence for m in ("builtins", "__builtin__") for s in ("set", "frozenset")},
    **{(m, p): _path for m in ("pathlib", "pathlib._local") for p in _PATHS},
}
"""What may be "called": each name stands for one of the functions above, never for the real object."""

INERT = {("torch", name) for name in (*STORAGES, *STORAGES.values())}
"""Names that are only ever values."""


def read_pickle(data: bytes, *, file: str) -> Any:
    """Return the plain value a pickle describes; tensors come as TensorRef, namespaces as Record.

    Args:
        data: the pickle, protocol 2 to 5.
        file: name for error messages.

    Raises:
        UnsafeCheckpointError: it wants a name or an operation outside the allow-list; nothing was executed.
        CheckpointError: it is damaged.
    """
    if len(data) > MAX_PICKLE:
        raise CheckpointError(
            f"{file}: its pickle has {len(data)} bytes; more than {MAX_PICKLE} is not read."
        )
    machine = _Machine(file)
    try:
        return machine.run(data)
    except CheckpointError:
        raise
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        UnicodeError,
        OverflowError,
    ) as error:
        raise CheckpointError(f"{file}: its pickle is damaged ({str(error)[:200]}).") from error


def shown(value: Any) -> str:
    """Return a value for an error message, short; of a container, which may unfold without end, its type."""
    if isinstance(value, (str, bytes)):
        return repr(value[:40])
    small = value is None or isinstance(value, (bool, float)) or (type(value) is int and abs(value) < 2**64)
    return repr(value) if small else f"a value of type {type(value).__name__}"


def _key(key: Any) -> Any:
    # only scalars: hashing a tuple that holds itself many times over would never end
    if key is None or isinstance(key, (str, int, float, bytes)):
        return key
    raise ValueError(f"a table key is a {type(key).__name__}")


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "INT", "LONG", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"),
}
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list}


class _Machine:
    """The pickle stack machine without calls."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.work = 0

    def run(self, data: bytes) -> Any:
        for opcode, argument, position in pickletools.genops(data):
            name = opcode.name
            self._spend(1)
            if name == "STOP":
                if position is not None and position + 1 != len(data):
                    raise ValueError("there are bytes after its end")
                return self.stack.pop()
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _FRESH:
                self.stack.append(_FRESH[name]())
            else:
                self._operate(name, argument)
        raise ValueError("it has no end")

    def _operate(self, name: str, argument: Any) -> None:
        if name == "INST":
            self.global_(argument)
        operation = _OPERATIONS.get(name)
        if operation is None:
            raise UnsafeCheckpointError(
                f"{self.file} uses the pickle operation {name}, which no checkpoint of this kind needs; "
                "nothing of it was executed. Use the publisher's own file."
            )
        operation(self, argument)

    def ignore(self, _: Any) -> None:
        """Skip PROTO and FRAME."""

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        if start > len(self.stack):
            raise ValueError("a mark lies above the stack")
        del self.stack[start:]
        return items

    def put(self, index: Any) -> None:
        self.memo[int(index)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def tuple_from_mark(self, _: Any) -> None:
        self.stack.append(tuple(self.since_mark()))

    def tuple_of(self, count: int) -> None:
        items = self.stack[-count:]
        if len(items) != count:
            raise IndexError("the stack is empty")
        self.stack[-count:] = [tuple(items)]

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._list().append(item)

    def appends(self, _: Any) -> None:
        items = self.since_mark()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError("something is appended to what is no list")
        return target

    def setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._store([key, value])

    def setitems(self, _: Any) -> None:
        self._store(self.since_mark())

    def _store(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(flat) % 2:
            raise ValueError("something is stored in what is no table")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            target[_key(key)] = value

    def global_(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self._push_name(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name is not text")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        if (module, name) not in MAKERS and (module, name) not in INERT:
            raise UnsafeCheckpointError(
                f"{self.file} wants {f'{module}.{name}'[:200]!r}; only tensors and plain values are read, "
                "and nothing of it was executed. If this is the publisher's own file, report this line."
            )
        self.stack.append(Name(module, name))

    def reduce(self, _: Any) -> None:
        arguments, callee = self.stack.pop(), self.stack.pop()
        if not isinstance(callee, Name) or not isinstance(arguments, tuple):
            raise ValueError("something is called that is no name")
        maker = MAKERS.get((callee.module, callee.name))
        if maker is None:
            raise ValueError(f"{callee.module}.{callee.name} cannot be called")
        self._spend(sum(len(a) for a in arguments if isinstance(a, (str, list, tuple))) + len(arguments))
        self.stack.append(maker(*arguments))

    def _spend(self, values: int) -> None:
        self.work += values
        if self.work > MAX_WORK:
            raise ValueError(f"it unfolds to more than {MAX_WORK} operations and values")

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record) and isinstance(state, dict):
            self._spend(len(state))
            target.update({k: v for k, v in state.items() if isinstance(k, str)})
        elif type(target) is not dict:  # an OrderedDict's attributes (torch's _metadata) are not needed
            raise ValueError("a state is given to what has none")

    def persistent(self, _: Any) -> None:
        reference = self.stack.pop()
        if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
            raise ValueError("a reference is not one to a storage")
        kind, key, numel = reference[1], reference[2], reference[4]
        if not isinstance(kind, Name) or kind.module != "torch" or kind.name not in STORAGES:
            raise ValueError("a storage has no number type")
        if not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise ValueError("a storage has no key or length")
        self.stack.append(StorageRef(key, STORAGES[kind.name], numel))


_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.ignore,
    "FRAME": _Machine.ignore,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "MEMOIZE": _Machine.memoize,
    "TUPLE": _Machine.tuple_from_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
