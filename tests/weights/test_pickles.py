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
from radseg.weights.convert.pickles import Inert, read_pickle
from radseg.weights.convert.torch_file import read_checkpoint

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip


def plain(data: bytes) -> Any:
    return read_pickle(data, file="x", storage=lambda *_: torch.empty(0))


@given(value=VALUES, protocol=st.sampled_from([2, 3, 4, 5]))
def test_plain_values_come_back_unchanged(value: Any, protocol: int) -> None:
    assert plain(pickle.dumps(value, protocol=protocol)) == value


@given(data=st.binary(max_size=200))
def test_noise_never_does_anything_but_fail(data: bytes) -> None:
    with contextlib.suppress(CheckpointError):
        plain(b"\x80\x02" + data)


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_value_or_a_checkpoint_error(position: int, byte: int) -> None:
    data = bytearray(pickle.dumps(Namespace(a=[1, 2.5, "x"], b={"c": (None, True)}), protocol=2))
    data[position % len(data)] = byte
    with contextlib.suppress(CheckpointError):
        plain(bytes(data))


def test_a_namespace_is_a_table_and_foreign_objects_are_inert() -> None:
    value = Namespace(size=torch.Size([2, 3]), folder=Path("a/b"), names={"x"}, dtype=torch.float16, n=(1, 2))
    found = plain(pickle.dumps(value, protocol=2))
    assert (found["n"], found["dtype"]) == ((1, 2), torch.float16)
    assert [isinstance(found[k], Inert) for k in ("size", "folder", "names")] == [True] * 3
    assert found["folder"].origin.endswith("PosixPath") or found["folder"].origin.endswith("WindowsPath")


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
    found = read_checkpoint(tmp_path / "x.pth")
    assert found.keys() == views.keys()
    for key, tensor in found.items():
        assert torch.equal(tensor, views[key].detach()), key
        assert tensor.dtype == dtype


def test_tensors_are_views_of_the_file_that_never_change_it(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "x.pth")
    before = (tmp_path / "x.pth").read_bytes()
    read_checkpoint(tmp_path / "x.pth")["a"].fill_(1.0)
    assert (tmp_path / "x.pth").read_bytes() == before


def test_the_golden_checkpoint_reads_as_torch_reads_it(shared: Path) -> None:
    path = shared / "golden" / "2d" / "radio_tiny_half.pth.tar"
    with torch.serialization.safe_globals([Namespace]):
        theirs = torch.load(path, weights_only=True)
    ours = read_checkpoint(path)
    assert ours.keys() == theirs.keys()
    assert ours["args"]["teachers"] == theirs["args"].teachers
    for key, tensor in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][key], tensor), key
