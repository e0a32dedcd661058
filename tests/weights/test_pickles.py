"""The restricted reader gives what torch gives, on everything a checkpoint may hold."""

import contextlib
import pickle
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import CheckpointError
from radseg.weights.convert.archive import TorchArchive
from radseg.weights.convert.pickles import TensorRef, read_pickle
from radseg.weights.ranges import FileSource

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip


@given(value=VALUES, protocol=st.sampled_from([2, 3, 4, 5]))
def test_plain_values_come_back_unchanged(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol=protocol), file="x") == value


@given(data=st.binary(max_size=200))
def test_noise_never_does_anything_but_fail(data: bytes) -> None:
    with contextlib.suppress(CheckpointError):
        read_pickle(b"\x80\x02" + data, file="x")


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_value_or_a_checkpoint_error(position: int, byte: int) -> None:
    data = bytearray(pickle.dumps(Namespace(a=[1, 2.5, "x"], b={"c": (None, True)}), protocol=2))
    data[position % len(data)] = byte
    with contextlib.suppress(CheckpointError):
        read_pickle(bytes(data), file="x")


def test_namespaces_sets_sizes_and_paths_become_plain() -> None:
    value = Namespace(size=torch.Size([2, 3]), folder=Path("a/b"), names={"x"}, dtype=torch.float16)
    found = read_pickle(pickle.dumps(value, protocol=2), file="x")
    assert found["size"] == (2, 3)
    assert found["folder"] == "a/b"
    assert found["names"] == ("x",)
    assert found["dtype"].name == "float16"


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool],
)
def test_tensors_are_torchs_own_for_every_number_type(dtype: torch.dtype, tmp_path: Path) -> None:
    base = (torch.randn(6, 8) * 10).to(dtype)
    views = {
        "all": base,
        "column": base[:, 3],
        "turned": base.T,
        "steps": base[::2, 1::3],
        "scalar": base[2, 2],
        "empty": base[:0],
        "parameter": torch.nn.Parameter(base.clone(), requires_grad=False),
    }
    torch.save(OrderedDict(views), tmp_path / "x.pth")
    archive = TorchArchive(FileSource(tmp_path / "x.pth"))
    for key, reference in archive.value().items():
        assert isinstance(reference, TensorRef)
        assert torch.equal(archive.tensor(reference).load(), views[key].detach()), key


def test_the_golden_checkpoint_reads_as_torch_reads_it(shared: Path) -> None:
    path = shared / "golden" / "2d" / "radio_tiny_half.pth.tar"
    with torch.serialization.safe_globals([Namespace]):
        theirs = torch.load(path, weights_only=True)
    archive = TorchArchive(FileSource(path))
    ours = archive.value()
    assert ours.keys() == theirs.keys()
    assert ours["args"]["teachers"] == theirs["args"].teachers
    for key, tensor in theirs["state_dict"].items():
        assert torch.equal(archive.tensor(ours["state_dict"][key]).load(), tensor), key
