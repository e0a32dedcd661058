"""The safetensors reader believes nothing and reads what is asked; the writer is the library's equal."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from radseg.errors import CheckpointError, ResourceError
from radseg.weights.convert.towers import select
from radseg.weights.lazy import LazyTensor
from radseg.weights.ranges import FileSource, coalesce
from radseg.weights.safefile import read_safetensors, write_safetensors


def lazy(tensor: torch.Tensor) -> LazyTensor:
    return LazyTensor(tuple(tensor.shape), tensor.dtype, lambda: tensor)


def write_raw(path: Path, header: Any, data: bytes, *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(start: int, stop: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


BAD: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{}}", 0, "not JSON"),
    "not a table": (b"[]", 0, "not a table"),
    "nested too deeply": (b"[" * 100_000, 0, "not JSON"),
    "name twice": (b'{"a":{},"a":{}}', 0, "twice"),
    "unknown type": ({"a": entry(0, 4, [1], "F4")}, 4, "not valid"),
    "negative size": ({"a": entry(0, 4, [-1])}, 4, "not valid"),
    "fractional size": ({"a": entry(0, 4, [1.0])}, 4, "not valid"),  # type: ignore[list-item]
    "shape larger than its bytes": ({"a": entry(0, 4, [2])}, 4, "does not fill"),
    "shape of a billion": ({"a": entry(0, 4, [2**31, 2**31])}, 4, "does not fill"),
    "beyond the file": ({"a": entry(0, 8, [2])}, 4, "ends at byte"),
    "overlap": ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12, "overlap"),
    "hole": ({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, 12, "holes"),
    "bytes left over": ({"a": entry(0, 4, [1])}, 8, "the file at"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": entry(0, 4, [1])}, 4, "metadata"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_lying_header_is_refused(case: str, tmp_path: Path) -> None:
    header, count, wanted = BAD[case]
    path = write_raw(tmp_path / "bad.safetensors", header, b"\0" * count)
    with pytest.raises(CheckpointError, match=wanted) as caught:
        read_safetensors(FileSource(path))
    assert "\n" not in str(caught.value)
    assert "bad.safetensors" in str(caught.value)


@pytest.mark.parametrize("length", [2**63, 10**9, 200])
def test_a_header_longer_than_the_file_is_refused(length: int, tmp_path: Path) -> None:
    path = write_raw(tmp_path / "bad.safetensors", {}, b"", length=length)
    with pytest.raises(CheckpointError, match=r"header claims|only"):
        read_safetensors(FileSource(path))


def test_what_is_written_the_library_reads(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 5),
        "b": torch.randn(7).half(),
        "c": torch.arange(4),
        "d": torch.randn(2, 2).bfloat16(),
        "e": torch.zeros(0, 4),
    }
    write_safetensors(tmp_path / "x.safetensors", {k: lazy(t) for k, t in tensors.items()}, {"k": "v"})
    again = load_file(tmp_path / "x.safetensors")
    assert all(torch.equal(again[k], t) and again[k].dtype == t.dtype for k, t in tensors.items())


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 5), "b": torch.randn(7).half(), "z": torch.tensor(3)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"k": "v"})
    metadata, found = read_safetensors(FileSource(tmp_path / "x.safetensors"))
    assert metadata == {"k": "v"}
    assert all(torch.equal(found[k].load(), t) for k, t in tensors.items())


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    bad = {"good": lazy(torch.zeros(3)), "bad": lazy(torch.tensor([float("inf")]))}
    with pytest.raises(CheckpointError, match="bad holds 1 value"):
        write_safetensors(tmp_path / "x.safetensors", bad, {})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        write_safetensors(tmp_path / "x.safetensors", {"a": lazy(torch.zeros(3))}, {})
    assert list(tmp_path.iterdir()) == []


class CountingSource(FileSource):
    """A file that counts what is read from it, as a remote one would be."""

    requests: int = 0
    count: int = 0

    def read(self, start: int, stop: int) -> memoryview:
        self.requests += 1
        self.count += stop - start
        return super().read(start, stop)


def test_only_the_wanted_bytes_are_read(tmp_path: Path) -> None:
    tensors = {f"vision_model.{i}": torch.randn(500_000) for i in range(3)}
    tensors |= {f"text_model.{i}": torch.randn(1000) for i in range(20)}
    save_file(tensors, tmp_path / "x.safetensors")
    source = CountingSource(tmp_path / "x.safetensors")
    chosen = select(source, lambda k: k.startswith("text_model."))
    assert all(torch.equal(t.load(), tensors[k]) for k, t in chosen.items())
    assert len(chosen) == 20
    assert source.count <= 128 * 1024 + 20 * 4000  # the header's first request and the tensors
    assert source.requests == 1  # the text lies before the rest, in the header's first request


def test_coalescing_joins_near_ranges_only() -> None:
    assert coalesce([(50, 60), (0, 10), (12, 20)], gap=5) == [(0, 20), (50, 60)]
    assert coalesce([(0, 100), (10, 20)], gap=0) == [(0, 100)]
