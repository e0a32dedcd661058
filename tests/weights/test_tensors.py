"""Safetensors files: what is written is what is read, a lying header is refused, nothing is half written."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from radseg.errors import CheckpointError, ResourceError
from radseg.weights.tensors import read_safetensors, save_tensors


def write_raw(path: Path, header: Any, data: bytes, *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(start: int, stop: int, shape: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


BAD: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{}}", 0, "invalid JSON"),
    "not a table": (b"[]", 0, "invalid JSON"),
    "nested too deeply": (b"[" * 100_000, 0, "invalid JSON"),
    "name twice": (b'{"a":{},"a":{}}', 0, "invalid JSON"),
    "unknown type": ({"a": entry(0, 4, [1], "F5")}, 4, "not a valid"),
    "negative size": ({"a": entry(0, 4, [-1])}, 4, "invalid"),
    "fractional size": ({"a": entry(0, 4, [1.0])}, 4, "invalid"),
    "shape larger than its bytes": ({"a": entry(0, 4, [2])}, 4, "invalid shape"),
    "shape of a billion": ({"a": entry(0, 4, [2**31, 2**31])}, 4, "overflow"),
    "beyond the file": ({"a": entry(0, 8, [2])}, 4, "not fully covered"),
    "overlap": ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12, "invalid offset"),
    "hole": ({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, 12, "invalid offset"),
    "bytes left over": ({"a": entry(0, 4, [1])}, 8, "not fully covered"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": entry(0, 4, [1])}, 4, "invalid"),
    "numbers weights are not stored in": ({"a": entry(0, 8, [1], "C64")}, 8, "complex64"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_lying_header_is_refused(case: str, tmp_path: Path) -> None:
    header, count, wanted = BAD[case]
    path = write_raw(tmp_path / "bad.safetensors", header, b"\0" * count)
    with pytest.raises(CheckpointError, match=wanted) as caught:
        read_safetensors(path)
    assert "\n" not in str(caught.value)
    assert "bad.safetensors" in str(caught.value)


@pytest.mark.parametrize("length", [2**63, 10**9, 200])
def test_a_header_longer_than_the_file_is_refused(length: int, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "bad.safetensors", {}, b"", length=length)
    with pytest.raises(CheckpointError, match="header"):
        read_safetensors(path)


def test_what_is_written_is_read_by_the_library_and_here(tmp_path: Path) -> None:
    base = torch.randn(4, 6)
    tensors = {
        "a": torch.randn(3, 5),
        "b": torch.randn(7).half(),
        "c": torch.arange(4),
        "d": torch.randn(2, 2).bfloat16(),
        "e": torch.zeros(0, 4),
        "f": base,
        "the same memory": base,
        "a part of it": base[1:3],
        "turned": base.T,
        "expanded": torch.ones(1).expand(5),
    }
    save_tensors(tmp_path / "deep" / "x.safetensors", tensors, {"k": "v"})
    again = load_file(tmp_path / "deep" / "x.safetensors")
    metadata, ours = read_safetensors(tmp_path / "deep" / "x.safetensors")
    assert metadata == {"k": "v"}
    for found in (again, ours):
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[k], t) and found[k].dtype == t.dtype for k, t in tensors.items())


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 5), "b": torch.randn(7).half(), "z": torch.tensor(3)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"k": "v"})
    metadata, found = read_safetensors(tmp_path / "x.safetensors")
    assert metadata == {"k": "v"}
    assert all(torch.equal(found[k], t) for k, t in tensors.items())


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    bad = {"good": torch.zeros(3), "bad": torch.tensor([float("inf")])}
    with pytest.raises(CheckpointError, match="bad holds 1 value"):
        save_tensors(tmp_path / "x.safetensors", bad, {})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(3)}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceError, match="Cannot write .*RADSEG_HOME"):
        save_tensors(tmp_path / "file" / "x.safetensors", {"a": torch.zeros(3)}, {})


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    save_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(3)}, {})
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_value_that_is_not_finite_is_told_of_the_file_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="^folder/a.bin: w holds 1 value"):
        save_tensors(tmp_path / "x", {"w": torch.tensor([1.0, float("nan")])}, {}, source="folder/a.bin")
