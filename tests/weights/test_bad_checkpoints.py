"""Damaged and malicious files are refused with one line that names the file, and nothing in them runs."""

import argparse
import collections
import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radseg.errors import CheckpointError, UnsafeCheckpointError
from radseg.weights.convert.pickles import read_pickle
from radseg.weights.convert.torch_file import read_checkpoint
from radseg.weights.load import read_config
from radseg.weights.resolve import resolve_radio
from radseg.weights.tensors import named_tensors

TRACE: list[str] = []
Make = Callable[[Path, Callable[..., Path], Any], Path]


def ran(*_: Any) -> None:
    """What malicious pickles here would call."""
    TRACE.append("ran")


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Disguise(argparse.Namespace):
    """A Namespace subclass: not the class that is allowed."""


def archive(
    path: Path, data: bytes, members: dict[str, bytes] | None = None, root: str = "x", **how: Any
) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:
        file.writestr(f"{root}/data.pkl", data)
        for name, content in (members or {}).items():
            file.writestr(name, content)
    return path


def pickled(make_object: Callable[[], Any], **options: Any) -> Make:
    return lambda folder, save, build: archive(
        folder / "bad.pth.tar", pickle.dumps({"args": make_object(), "state_dict": {}}, **options)
    )


def raw(data: bytes) -> Make:
    return lambda folder, save, build: archive(folder / "bad.pth.tar", data)


def content(data: bytes, name: str = "bad.pth.tar") -> Make:
    def make(folder: Path, save: Any, build: Any) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def edited(change: Callable[[bytes], bytes]) -> Make:
    def make(folder: Path, save: Callable[..., Path], build: Any) -> Path:
        path = save(name="bad.pth.tar")
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def changed_state(change: Callable[[dict[str, Any]], Any], **arguments: Any) -> Make:
    def make(folder: Path, save: Callable[..., Path], build: Any) -> Path:
        tensors = build.state()
        change(tensors)
        return save(tensors, name="bad.pth.tar", **arguments)

    return make


def repacked(change: Callable[[str, bytes], tuple[str, bytes] | None], **how: Any) -> Make:
    """A sound checkpoint whose zip members are changed one by one."""

    def make(folder: Path, save: Callable[..., Path], build: Any) -> Path:
        source, target = save(name="good.pth.tar"), folder / "bad.pth.tar"
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **how) as new:
            for info in old.infolist():
                member = change(info.filename, old.read(info))
                if member is not None:
                    new.writestr(*member)
        return target

    return make


def dynamic_name() -> bytes:
    """A STACK_GLOBAL whose name is fetched from the memo rather than written in place."""
    return b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x000h\x00h\x01\x93\x8c\x04true\x85R."


def tensor_pickle(shape: str, stride: str, offset: int = 0, numel: int = 4) -> bytes:
    """A state with one tensor of chosen sizes, as protocol-2 opcodes."""
    head = b"\x80\x02}(X\x04\x00\x00\x00argscargparse\nNamespace\n)\x81"
    head += b"X\n\x00\x00\x00state_dict}X\x01\x00\x00\x00w"
    storage = b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage = b"ctorch._utils\n_rebuild_tensor_v2\n" + storage + b"J" + struct.pack("<i", numel) + b"tQ"
    numbers = b"J" + struct.pack("<i", offset)
    for part in (shape, stride):
        numbers += b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", int(n)) for n in part.split()) + b"t"
    return head + storage + numbers + b"\x89ccollections\nOrderedDict\n)RtRsu."


def sized(shape: str, stride: str, **more: int) -> Make:
    return lambda folder, save, build: archive(
        folder / "bad.pth.tar", tensor_pickle(shape, stride, **more), {"x/data/0": b"\0" * 16}
    )


def bomb(folder: Path, save: Callable[..., Path], build: Any) -> Path:
    return archive(
        folder / "bad.pth.tar",
        b"\x80\x02}.",
        {"x/data/0": b"\0" * 10_000_000},
        compression=zipfile.ZIP_DEFLATED,
    )


def claimed_size(data: bytes) -> bytes:
    """Raise the size a member claims in the directory to a gigabyte."""
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 20] + struct.pack("<II", 2**30, 2**30) + data[at + 28 :]


def same_place(data: bytes) -> bytes:
    """Let the last directory entry point at the first member: two names, one place."""
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 42] + struct.pack("<I", 0) + data[at + 46 :]


def flipped(data: bytes) -> bytes:
    at = data.index(b"/data/0") + 80
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def legacy_tar(folder: Path, save: Any, build: Any) -> Path:
    with tarfile.open(folder / "bad.pth.tar", "w") as file:
        info = tarfile.TarInfo("pickle")
        info.size = 3
        file.addfile(info, io.BytesIO(b"\x80\x02."))
    return folder / "bad.pth.tar"


def legacy_pickle(folder: Path, save: Any, build: Any) -> Path:
    torch.save({"a": torch.zeros(2)}, folder / "bad.pth.tar", _use_new_zipfile_serialization=False)
    return folder / "bad.pth.tar"


def deep_list() -> bytes:
    """Lists that hold the previous one twice, sixty deep, used as arguments: 2⁶⁰ values if walked."""
    body = b"\x80\x02}X\x04\x00\x00\x00args]q\x000"
    for i in range(60):
        body += b"]q" + bytes([i + 1]) + b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e0"
    return body + b"h<s."


def repeated_copy() -> bytes:
    """One list of 50 000 values, made into a set two thousand times: 100 million values if copied."""
    body = b"\x80\x02](" + b"K\x01" * 50_000 + b"eq\x00("
    return body + b"cbuiltins\nset\nh\x00\x85R" * 2_000 + b"l."


UNSAFE: dict[str, tuple[Make, str]] = {
    "os.system by __reduce__": (pickled(lambda: Calls(os.system, "true")), "posix.system|nt.system"),
    "a Python function": (pickled(lambda: Calls(ran, 1)), r"ran"),
    "eval": (pickled(lambda: Calls(eval, "1")), "builtins.eval|__builtin__.eval"),
    "exec, protocol 4": (pickled(lambda: Calls(exec, "1"), protocol=4), "builtins.exec"),
    "subprocess": (pickled(lambda: Calls(subprocess.getoutput, "true")), "subprocess.getoutput"),
    "nested call in an argument": (pickled(lambda: Calls(list, [Calls(ran, 1)])), "list|ran"),
    "getattr gadget": (
        raw(b"\x80\x02c__builtin__\ngetattr\ncargparse\nNamespace\nX\x0c\x00\x00\x00__subclasses\x86R."),
        "__builtin__.getattr",
    ),
    "dotted name": (raw(b"\x80\x04\x8c\x05torch\x8c\x0bhub.os.name\x93."), "torch.hub.os.name"),
    "name from the memo": (raw(dynamic_name()), "posix.system"),
    "old INST operation": (raw(b"(ios\nsystem\n."), "os.system"),
    "old OBJ operation": (raw(b"(cos\nsystem\nS'true'\no."), "os.system"),
    "extension registry": (raw(b"\x80\x02\x82\x01."), "EXT1"),
    "NEWOBJ_EX": (raw(b"\x80\x04cposix\nsystem\n)}\x92."), "posix.system"),
    "text persistent id": (raw(b"Pstorage\n."), "PERSID"),
    "subclass of Namespace": (pickled(lambda: Disguise(a=1)), "Disguise"),
    "torch function": (raw(b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00x\x85R."), "torch.load"),
    "numpy": (raw(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n."), "numpy"),
    "buffer of another process": (raw(b"\x80\x05\x97."), "NEXT_BUFFER"),
}

DAMAGED: dict[str, tuple[Make, str]] = {
    "empty": (content(b""), "empty"),
    "renamed pickle": (content(pickle.dumps({"a": 1})), "bare or pre-2020 pickle"),
    "pickle before torch 1.6": (legacy_pickle, "bare or pre-2020 pickle"),
    "tar": (legacy_tar, "tar archive"),
    "web page": (content(b"<!DOCTYPE html><html>404</html>"), "web page"),
    "git-lfs pointer": (content(b"version https://git-lfs.github.com/spec/v1\n"), "git-lfs"),
    "noise": (content(b"\x13\x37" * 300), "begins with"),
    "cut in half": (edited(lambda data: data[: len(data) // 2]), "directory"),
    "last byte missing": (edited(lambda data: data[:-1]), "directory"),
    "first kilobyte only": (edited(lambda data: data[:1024]), "directory"),
    "one bit flipped in a tensor": (edited(flipped), "checksum"),
    "member claims a gigabyte": (edited(claimed_size), "overlaps|claims"),
    "two members in one place": (edited(same_place), "overlaps|directory"),
    "compressed bomb": (bomb, "compressed"),
    "name leads out": (
        repacked(lambda n, d: (n.replace("good.pth", ".."), d)),
        "leads out",
    ),
    "absolute name": (repacked(lambda n, d: ("/" + n, d)), "leads out"),
    "no pickle": (repacked(lambda n, d: None if n.endswith("data.pkl") else (n, d)), "no data.pkl"),
    "storage missing": (
        repacked(lambda n, d: None if n.endswith("data/3") else (n, d)),
        "storage '3' is missing",
    ),
    "storage too short": (
        repacked(lambda n, d: (n, d[:-4] if n.endswith("data/3") else d)),
        "storage '3' has",
    ),
    "big-endian": (repacked(lambda n, d: (n, b"big" if n.endswith("byteorder") else d)), "big-endian"),
    "pickle cut": (repacked(lambda n, d: (n, d[:-40] if n.endswith(".pkl") else d)), "damaged"),
    "bytes after the pickle": (
        repacked(lambda n, d: (n, d + b"cos\nsystem\n" if n.endswith(".pkl") else d)),
        "after",
    ),
    "stack underflow": (raw(b"\x80\x020000."), "damaged"),
    "memo never set": (raw(b"\x80\x02h\x05."), "damaged"),
    "table as key": (raw(b"\x80\x02}}K\x01s."), "damaged"),
    "calls a tensor type": (raw(b"\x80\x02ctorch\nFloatStorage\n)R."), "cannot be called"),
    "persistent id nested": (raw(b"\x80\x02X\x07\x00\x00\x00storageh\x00\x85Q."), "damaged"),
    "persistent id without type": (raw(b"\x80\x02(X\x07\x00\x00\x00storageNNNNtQ."), "number type"),
    "state for a number": (raw(b"\x80\x02K\x01}b."), "state"),
    "lists within lists": (raw(deep_list()), "args"),
    "one list copied often": (raw(repeated_copy()), "args"),
    "tensor beyond its storage": (sized("2 4", "4 1"), "beyond"),
    "offset beyond": (sized("4", "1", offset=1), "beyond"),
    "stride zero beyond": (sized("1000000000 5", "0 1"), "beyond"),
    "enormous axis": (sized(f"0 {2**60}", "1 1"), "not valid"),
    "a kept tensor expanded without end": (
        changed_state(
            lambda s: s.update({"base_model.blocks.0.norm1.bias": torch.zeros(1).expand(2**33, 1)[:, 0]})
        ),
        "norm1.bias.*expanded from 1 numbers",
    ),
    "negative stride": (sized("4", "-1"), "not valid"),
    "negative size": (sized("-4", "1"), "not valid"),
    "missing tensor": (changed_state(lambda s: s.pop("base_model.blocks.1.norm2.bias")), "lacks.*norm2.bias"),
    "no conditioner": (
        changed_state(lambda s: s.pop("input_conditioner.norm_std")),
        "lacks.*conditioner.std",
    ),
    "unknown tensor": (changed_state(lambda s: s.update({"base_model.evil": torch.zeros(1)})), "evil"),
    "wrong shape": (
        changed_state(lambda s: s.update({"base_model.blocks.0.attn.proj.bias": torch.zeros(31)})),
        "shape",
    ),
    "wrong type": (
        changed_state(lambda s: s.update({"base_model.blocks.0.attn.proj.bias": torch.zeros(32).long()})),
        "int64",
    ),
    "not a number": (
        changed_state(lambda s: s["base_model.blocks.0.attn.proj.bias"].fill_(float("nan"))),
        "NaN",
    ),
    "text among tensors": (
        changed_state(lambda s: s.update({"base_model.x": "hello"})),
        "not a named tensor",
    ),
    "arguments claim another depth": (
        changed_state(lambda s: None, model_kwargs={"depth": 3}),
        "blocks is 3",
    ),
    "arguments claim more registers": (
        changed_state(lambda s: None, cpe_num_registers=9),
        "prefix tokens is 12",
    ),
    "no teachers": (changed_state(lambda s: None, teachers=[]), "no list of teachers"),
    "unknown architecture": (changed_state(lambda s: None, model_kwargs={}, model="resnet50"), "resnet50"),
    "two tensors for one": (
        changed_state(
            lambda s: s.update(
                {
                    "module.base_model.reg_token": torch.ones(1),
                    "module.base_model.blocks.0.norm1.bias": torch.ones(32),
                }
            )
        ),
        "two tensors",
    ),
    "both scales": (
        changed_state(lambda s: s.update({"base_model.blocks.0.ls1.grandma": torch.ones(32)})),
        "two tensors",
    ),
    "spectral without saying so": (
        changed_state(
            lambda s: s.update(
                {"base_model.blocks.0.mlp.fc1.parametrizations.weight.original": torch.ones(2)}
            )
        ),
        "spectral",
    ),
}


@pytest.fixture(autouse=True)
def nothing_runs() -> Any:
    """Fail a test in which Python imported through a pickle or called `ran`."""
    TRACE.clear()
    before = set(sys.modules)
    yield
    assert not TRACE
    assert "antigravity" not in set(sys.modules) - before


@pytest.mark.parametrize("case", UNSAFE)
def test_malicious_pickle_is_refused_by_name(case: str, tmp_path: Path, save: Any, build: Any) -> None:
    make, wanted = UNSAFE[case]
    with pytest.raises(UnsafeCheckpointError, match=wanted) as caught:
        resolve_radio(make(tmp_path, save, build))
    assert "\n" not in str(caught.value)
    assert "bad.pth.tar" in str(caught.value)
    assert "nothing of it was executed" in str(caught.value)


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_file_is_refused_in_one_line(case: str, tmp_path: Path, save: Any, build: Any) -> None:
    make, wanted = DAMAGED[case]
    with pytest.raises(CheckpointError, match=wanted) as caught:
        resolve_radio(make(tmp_path, save, build))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not list((tmp_path / "home").glob("converted/*"))


@pytest.mark.parametrize("cut", range(1, 20))
def test_truncation_anywhere_is_refused(cut: int, save: Any) -> None:
    path = save(name="bad.pth.tar")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * cut // 20])
    with pytest.raises(CheckpointError, match=r"bad\.pth\.tar"):
        resolve_radio(path)


def test_the_crafted_tensor_pickle_is_sound_where_its_sizes_are(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "x.pth", tensor_pickle("2 2", "2 1"), {"x/data/0": struct.pack("<4f", 1, 2, 3, 4)}
    )
    assert read_checkpoint(path)["state_dict"]["w"].tolist() == [[1, 2], [3, 4]]


def test_an_expanded_tensor_is_read_unless_it_unfolds_without_end(tmp_path: Path) -> None:
    for shape, count in (("3 2", 3), ("1000000000 2", 10**9)):
        path = archive(
            tmp_path / f"{count}.pth",
            tensor_pickle(shape, "0 1"),
            {"x/data/0": struct.pack("<4f", 1, 2, 3, 4)},
        )
        if count == 3:
            assert read_checkpoint(path)["state_dict"]["w"].tolist() == [[1, 2]] * 3
        else:
            with pytest.raises(CheckpointError, match="expanded from 4 numbers"):
                named_tensors(read_checkpoint(path)["state_dict"], path.name)


def unfolding() -> Any:
    """A list of 2 ** 24 leaves in 24 lists: as text it would never end."""
    value: Any = ["x"]
    for _ in range(24):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cpe_max_size": unfolding()}, "cpe_max_size is a value of type list"),
        ({"model": unfolding(), "model_kwargs": {}}, "architecture a value of type list"),
        (
            {"teachers": [{"name": "siglip2", "model": unfolding()}], "cpe_max_size": "x"},
            "is 'x', not a whole",
        ),
        ({"cpe_max_size": 1 << 40_000}, "a value of type int"),
        ({"spectral_reparam": {"eps": "x"}}, "spectral_reparam has eps 'x'"),
        ({"spectral_heads": {"eps": unfolding()}}, "spectral_heads has eps a value of type list"),
        ({"spectral_heads": {"eps": float("nan")}}, "has eps nan"),
    ],
    ids=range(7),
)
def test_odd_arguments_are_named_at_once(arguments: dict[str, Any], said: str, save: Any) -> None:
    path = save(name="bad.pth.tar", **arguments)
    begin = time.perf_counter()
    with pytest.raises(CheckpointError, match=said):
        resolve_radio(path)
    assert time.perf_counter() - begin < 10  # as text: minutes


def no_storage(*_: Any) -> torch.Tensor:
    raise AssertionError("a storage was asked for")


def duplicated_tuple(last: bytes) -> bytes:
    """Tuples that hold the one before twice, sixty deep: hashing the last would never end."""
    body = b"\x80\x04}K\x01\x94"
    for i in range(60):
        body += b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94"
    return body + last


BOMBS: dict[str, tuple[bytes, str]] = {
    "four million lists": (b"]" * 4_000_000 + b".", "unfolds to more than"),
    "a memo of eight billion places": (b"Nr\xff\xff\xff\xff.", ""),
    "a table unfolded often": (
        b"}q\x00(" + b"".join(b"X\x04\x00\x00\x00%04dN" % i for i in range(9000)) + b"u0]("
        + b"cargparse\nNamespace\n)\x81h\x00b" * 2_000 + b"e.",
        "unfolds to more than",
    ),
    "a key that holds itself": (duplicated_tuple(b"}h\x3cNs."), "table key"),
    "a set of what holds itself": (duplicated_tuple(b"\x8f(h\x3c\x90."), ""),
    "a frozen set of it": (duplicated_tuple(b"(h\x3c\x91."), ""),
    "an old table of it": (duplicated_tuple(b"(h\x3cNd."), "DICT"),
    "a number longer than the file": (b"\x8b\xff\xff\xff\x7f1.", "damaged"),
    "bytes longer than the file": (b"\x8e" + b"\xff" * 7 + b"\x7f1.", "damaged"),
    "a frame longer than the file": (b"\x95" + b"\xff" * 7 + b"\x7f.", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_takes_little_memory_and_time(case: str) -> None:
    body, wanted = BOMBS[case]
    data = body if body[:1] == b"\x80" else b"\x80\x04" + body
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(CheckpointError, match=wanted) if wanted else contextlib.nullcontext():
        read_pickle(data, file="x", storage=no_storage)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160e6
    assert time.perf_counter() - begin < 60


def test_a_pickle_longer_than_any_published_one_is_not_read() -> None:
    data = b"\x80\x02X" + struct.pack("<I", 2**23) + b"x" * 2**23 + b"."
    with pytest.raises(CheckpointError, match="more than 8388608 is not read"):
        read_pickle(data, file="x", storage=no_storage)


class Colour(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "x y")
ODD: dict[str, Any] = {
    "a call": Calls(ran, 1),
    "a class": Disguise,
    "an instance": Disguise(a=1),
    "a function": ran,
    "a partial": functools.partial(ran, 1, x=2),
    "numpy number": np.float32(1.5),
    "numpy truth": np.bool_(True),
    "numpy array": np.arange(6.0).reshape(2, 3),
    "numpy dtype": np.dtype("float16"),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "Counter": collections.Counter("abba"),
    "deque": collections.deque([1, 2]),
    "namedtuple": Point(1, 2),
    "enum": Colour.RED,
    "bytes": b"abc",
    "bytearray": bytearray(b"abc"),
    "complex": 1 + 2j,
    "range": range(3),
    "slice": slice(1, 2),
    "set": {1, 2},
    "frozenset": frozenset([1]),
    "path": Path("a/b"),
    "datetime": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "timedelta": datetime.timedelta(1),
    "decimal": decimal.Decimal("1.5"),
    "fraction": fractions.Fraction(1, 3),
    "unusual dtype": torch.float8_e4m3fn,
    "device": torch.device("cpu"),
    "size": torch.Size([1, 2]),
    "generator state": torch.Generator().get_state(),
    "module": torch.nn.Linear(2, 2),
    "tuple keys": {(1, "a"): 2, None: 3, 1.5: 4},
    "exception": ValueError("x"),
    "ordered dict with attributes": collections.OrderedDict(a=1),
    "a pattern": re.compile("a"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_is_not_needed_may_be_anything(case: str, protocol: int, save: Any, build: Any) -> None:
    plain = read_config(resolve_radio(save(name="plain.pth.tar")))
    path = save(name="odd.pth.tar", odd=ODD[case], more=[ODD[case], {"x": ODD[case]}], protocol=protocol)
    TRACE.clear()  # saving may call, reading may not
    found = read_config(resolve_radio(path))
    assert replace(found, source_sha256="") == replace(plain, source_sha256="")


NEEDED: dict[str, dict[str, Any]] = {
    "teachers": {"teachers": np.arange(3)},
    "model_kwargs": {"model_kwargs": collections.Counter()},
    "cpe_max_size": {"cpe_max_size": np.int64(64)},
    "cls_token_per_teacher": {"cls_token_per_teacher": np.bool_(False)},
    "spectral_reparam": {"spectral_reparam": np.bool_(False)},
    "register_multiple": {"register_multiple": decimal.Decimal(8)},
}


@pytest.mark.parametrize("case", NEEDED)
def test_what_is_needed_may_not(case: str, save: Any) -> None:
    with pytest.raises(UnsafeCheckpointError, match=rf"args\.{case} is a '.*nothing of it was executed"):
        resolve_radio(save(name="bad.pth.tar", **NEEDED[case]))


def test_a_teachers_facts_are_needed(save: Any, build: Any) -> None:
    teachers = [build.teacher("siglip2", np.str_("siglip2-so400m"))]
    with pytest.raises(UnsafeCheckpointError, match=r"args\.model is a 'numpy"):
        resolve_radio(save(build.state(("siglip2",)), name="bad.pth.tar", teachers=teachers))


def test_nothing_in_a_pickle_changes_what_is_read_next(tmp_path: Path, save: Any) -> None:
    state = b"(N}X\x0c\x00\x00\x00__defaults__K\x01\x85st"  # attributes for a function of the reader
    path = archive(tmp_path / "bad.pth.tar", b"\x80\x02ctorch._utils\n_rebuild_parameter\n" + state + b"b.")
    with pytest.raises(CheckpointError, match="state"):
        resolve_radio(path)
    resolve_radio(save())
