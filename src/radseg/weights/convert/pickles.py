"""A reader of pickles that runs nothing: tensors, plain values, and inert stand-ins for everything else.

It is the standard library's unpickler with every operation that calls, imports or hashes something replaced.
`torch.load(weights_only=True)` still imports and calls (a fixed list of) real functions, and gives up at the
first class it does not know. Tests hold this reader against torch.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from radseg.errors import CheckpointError, UnsafeCheckpointError

MAX_PICKLE = 8 * 1024 * 1024  # bytes; published ones are below 1 MB
MAX_WORK = 1_000_000  # operations and copied entries, about 100 MB at most; published ones need 60,000
MAX_SIZE = 2**48  # of an axis, a stride or an offset, in numbers
MAX_AXES = 8
MAX_EXPANDED = 2**20  # numbers in a tensor that repeats its storage (stride 0); a constant or two, no weights

_STORED = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip
DTYPES = {f"{name}Storage": dtype for name, dtype in _STORED.items()} | {
    str(dtype).removeprefix("torch."): dtype for dtype in _STORED.values()
}
"""Names of torch that are values: number types, and storages, which stand for theirs."""
REFUSED = frozenset(["EXT1", "EXT2", "EXT4", "PERSID", "DICT", "NEXT_BUFFER", "READONLY_BUFFER"])
"""Operations that no checkpoint needs: objects from a registry of the process, tables that hash at will."""


class Inert:
    """Stands for something of a class that is not read: built, filled and passed on, it does nothing."""

    __slots__ = ("origin",)

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def append(self, _: Any) -> None:
        """Take what a list would, and forget it."""

    extend = append


class Storage(NamedTuple):
    """A block of numbers of the archive, flat, mapped."""

    values: Tensor


class Record(dict[str, Any]):
    """The attributes of a pickled `argparse.Namespace`."""


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor | Inert:
    if len(shape) != len(stride) or len(shape) > MAX_AXES:
        raise ValueError(f"a tensor has {len(shape)} axes and {len(stride)} strides")
    if isinstance(storage, Inert):
        return storage
    counts = [offset, *shape, *stride]
    if not isinstance(storage, Storage) or not all(type(n) is int and 0 <= n < MAX_SIZE for n in counts):
        raise ValueError("a tensor's storage, sizes or strides are not valid")
    flat, numbers = storage.values, prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if numbers and last >= len(flat):
        raise ValueError(
            f"a tensor of shape {tuple(shape)} reaches beyond its storage of {len(flat)} numbers"
        )
    if numbers > max(len(flat), MAX_EXPANDED):
        return Inert(f"tensor of shape {tuple(shape)} expanded from {len(flat)} numbers")
    return flat.as_strided(shape, stride, flat.storage_offset() + (offset if numbers else 0))


MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("collections", "OrderedDict"): lambda: {},
    ("argparse", "Namespace"): Record,
}
"""What may be "called": each name stands for one of the functions here, never for the real object."""


class _Reader(pickle._Unpickler):
    """The standard library's unpickler without its calls."""

    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, data: bytes, file: str, storage: Callable[[str, torch.dtype, int], Tensor]) -> None:
        super().__init__(io.BytesIO(data))
        self.file, self.storage, self.work = file, storage, 0

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        return MAKERS.get((module, name)) or Inert(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Storage | Inert:
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage":
            raise ValueError("a reference is not one to a storage")
        _, dtype, key, _, count = pid
        if isinstance(dtype, Inert):  # of a number type that weights are not stored in
            return dtype
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"a storage has no number type but {shown(dtype)}")
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise ValueError("a storage has no key or length")
        return Storage(self.storage(key, dtype, count))

    def _instantiate(self, callee: Any, arguments: Any) -> None:
        if isinstance(callee, Inert):
            self.append(Inert(callee.origin))
        elif any(callee is maker for maker in MAKERS.values()) and isinstance(arguments, (tuple, list)):
            self.append(callee(*arguments))
        else:
            raise ValueError(f"{shown(callee)} cannot be called")

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self._instantiate(self.stack.pop(), arguments)

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # arguments by name: only classes that are not read have any
        self.load_reduce()

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Record) and isinstance(state, dict):
            self.work += len(state)
            if self.work > MAX_WORK:
                raise ValueError(f"it unfolds to more than {MAX_WORK} entries")
            target.update({k: v for k, v in state.items() if isinstance(k, str)})
        elif type(target) not in (dict, Inert):  # an OrderedDict's attributes (torch's _metadata): not needed
            raise ValueError("a state is given to what has none")

    def _store(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        if not isinstance(target, dict) or len(flat) % 2:
            raise ValueError("something is stored in what is no table")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            parts = key if isinstance(key, tuple) and len(key) <= MAX_AXES else (key,)
            # one level deep: hashing a tuple that holds itself many times over would never end
            if not all(p is None or isinstance(p, (str, int, float, bytes, Inert)) for p in parts):
                raise ValueError(f"a table key is {shown(key)}")
            target[key] = value

    dispatch: ClassVar[dict[int, Any]] = pickle._Unpickler.dispatch | {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_reduce,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: lambda self: self._store([self.stack.pop(), self.stack.pop()][::-1]),
        pickle.SETITEMS[0]: lambda self: self._store(self.pop_mark()),
        pickle.EMPTY_SET[0]: lambda self: self.append(Inert("builtins.set")),
        pickle.ADDITEMS[0]: lambda self: self.pop_mark(),
        pickle.FROZENSET[0]: lambda self: self._instantiate(Inert("builtins.frozenset"), self.pop_mark()),
    }


def read_pickle(data: bytes, *, file: str, storage: Callable[[str, torch.dtype, int], Tensor]) -> Any:
    """Return the value a pickle describes: plain data, tensors, Record for a namespace, Inert for the rest.

    Args:
        data: the pickle.
        file: name for error messages.
        storage: returns the flat numbers of a storage, from its key, number type and length.

    Raises:
        UnsafeCheckpointError: it uses an operation outside what checkpoints need; nothing was executed.
        CheckpointError: it is damaged.
    """
    if len(data) > MAX_PICKLE:
        raise CheckpointError(
            f"{file}: its pickle has {len(data)} bytes; more than {MAX_PICKLE} is not read."
        )
    try:
        _require_sound(data, file)
        return _Reader(data, file, storage).load()
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
            RuntimeError, EOFError) as error:  # fmt: skip
        raise CheckpointError(f"{file}: its pickle is damaged ({str(error)[:200]}).") from error


def _require_sound(data: bytes, file: str) -> None:
    """Look at every operation before the first is carried out: whole, few, and nothing after the end."""
    count, last = 0, -1
    for opcode, _, position in pickletools.genops(data):
        count, last = count + 1, position or 0
        if opcode.name in REFUSED:
            raise UnsafeCheckpointError(
                f"{file} uses the pickle operation {opcode.name}, which no checkpoint of this kind needs; "
                "nothing of it was executed. Use the publisher's own file."
            )
        if count > MAX_WORK:
            raise ValueError(f"it unfolds to more than {MAX_WORK} operations")
    if last + 1 != len(data):
        raise ValueError("there are bytes after its end")


def require_read(value: Any, what: str, file: str) -> Any:
    """Return `value`, which is needed; raise UnsafeCheckpointError if it is of a class that is not read."""
    if isinstance(value, Inert):
        raise UnsafeCheckpointError(
            f"{file}: {what} is {shown(value)}; only tensors and plain values are read, and nothing of it "
            "was executed. If this is the publisher's own file, report this line."
        )
    return value


def shown(value: Any) -> str:
    """Return a value for an error message, short; of a container, which may unfold without end, its type."""
    if isinstance(value, Inert):
        return f"a {value.origin[:200]!r}"
    if isinstance(value, (str, bytes)):
        return repr(value[:40])
    small = value is None or isinstance(value, (bool, float)) or (type(value) is int and abs(value) < 2**64)
    return repr(value) if small else f"a value of type {type(value).__name__}"
