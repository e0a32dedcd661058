"""Parts of remote files: only their bytes are fetched, a stopped copy goes on, contents never mix."""

import hashlib
import json
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from file_server import Server
from listener import Listener
from radseg.errors import CheckpointError, ResourceError, WeightsUnavailableError
from radseg.weights.hub import RemoteFile
from radseg.weights.parts import Part, fetch_parts, layout, read_header
from radseg.weights.reporters import LOGGED

MEGABYTE = 2**20
PIECE = 2**17  # more than the library ever hands over at once


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a server for a content."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with ExitStack() as stack:

        def serve(content: bytes) -> Server:
            return stack.enter_context(Server(content, hashlib.sha256(content).hexdigest()).running())

        yield serve


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    text = {f"text_model.{i}": torch.randn(MEGABYTE // 2) for i in range(4)}  # 8 MB
    return text | {"text_model.end": torch.randn(3), "vision_model.a": torch.zeros(MEGABYTE)}


def text_of(source: RemoteFile) -> Part:
    return Part(source, {k: e for k, e in read_header(source).items() if k.startswith("text_model.")})


class Telling(Listener):
    """A reporter that passes progress on."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        super().__init__()
        self.progress = progress  # type: ignore[method-assign]


def fetch(server: Server, target: Path, progress: Any = lambda *_: None, **facts: Any) -> None:
    made_of = layout([text_of(server.remote(**facts))], {"format": "pt"})
    fetch_parts(target, made_of, Telling(progress))


def test_the_wanted_tensors_arrive_alone_with_progress(servers: Any, tmp_path: Path) -> None:
    whole, seen = tensors(), []
    server = servers(save(whole))
    fetch(server, tmp_path / "deep" / "t", lambda *p: seen.append(p))
    found = load_file(tmp_path / "deep" / "t")
    assert found.keys() == {k for k in whole if k.startswith("text_model.")}
    assert all(torch.equal(v, whole[k]) for k, v in found.items())
    assert len(server.log) == 2  # the header, and the text: it lies together
    assert len(seen) >= 8
    assert seen[-1][0] == seen[-1][1] == sum(v.nbytes for v in found.values())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["t"]


def test_parts_of_several_files_between_unwanted_tensors(servers: Any, tmp_path: Path) -> None:
    whole = {f"{'a' if i % 3 else 'skip'}.{i:02}": torch.randn(40_000) for i in range(30)}
    other = {"a.other": torch.randn(5, dtype=torch.float64), "a.half": torch.randn(7).half()}
    sources = [servers(save(content)).remote() for content in (whole, other)]
    parts = [Part(s, {k: e for k, e in read_header(s).items() if k[0] == "a"}) for s in sources]
    fetch_parts(tmp_path / "t", layout(parts, {}), LOGGED)
    wanted = {k: v for k, v in (whole | other).items() if k[0] == "a"}
    found = load_file(tmp_path / "t")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[k], v) for k, v in wanted.items())


class StoppedError(Exception):
    """Stands for a kill."""


def stop_halfway(server: Server, target: Path, **facts: Any) -> None:
    def stop(done: int, _: int) -> None:
        if done >= 4 * MEGABYTE:
            raise StoppedError

    with pytest.raises(StoppedError):
        fetch(server, target, stop, **facts)
    assert not target.exists()


def test_a_stopped_copy_goes_on_where_it_was(servers: Any, tmp_path: Path) -> None:
    server = servers(save(tensors()))
    stop_halfway(server, tmp_path / "t")
    begin = int(str(server.log[-1]).removeprefix("bytes=").split("-")[0])
    fetch(server, tmp_path / "t")
    went_on = int(str(server.log[-1]).removeprefix("bytes=").split("-")[0]) - begin
    assert 4 * MEGABYTE <= went_on < 4 * MEGABYTE + PIECE
    assert torch.equal(load_file(tmp_path / "t")["text_model.3"], tensors()["text_model.3"])


@pytest.mark.parametrize("etag", ["second", ""])
def test_nothing_is_kept_of_another_or_an_unknown_content(servers: Any, tmp_path: Path, etag: str) -> None:
    changed = {k: v + 1 for k, v in tensors().items()}
    stop_halfway(servers(save(tensors())), tmp_path / "t", etag=etag and "first")
    fetch(servers(save(changed)), tmp_path / "t", etag=etag)
    assert all(torch.equal(v, changed[k]) for k, v in load_file(tmp_path / "t").items())
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_a_part_cut_short_is_completed(servers: Any, tmp_path: Path) -> None:
    server = servers(save(tensors()))
    stop_halfway(server, tmp_path / "t")
    (part,) = tmp_path.iterdir()
    with part.open("r+b") as file:
        file.truncate(part.stat().st_size - 1000)
    fetch(server, tmp_path / "t")
    whole = tensors()
    assert all(torch.equal(v, whole[k]) for k, v in load_file(tmp_path / "t").items())


def test_memory_holds_a_few_pieces(servers: Any, tmp_path: Path) -> None:
    server = servers(save(tensors()))
    tracemalloc.start()
    fetch(server, tmp_path / "t")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MEGABYTE + len(server.content)  # the server's copy of its answer is in this process too


def test_a_full_disk_is_noticed_before_the_first_byte(
    servers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = MEGABYTE

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    server = servers(save(tensors()))
    with pytest.raises(ResourceError, match=r"needs 8 MB more.*RADSEG_HOME"):
        fetch(server, tmp_path / "t")
    assert len(server.log) == 1  # the header


def test_a_part_that_is_not_finite_is_refused_and_removed(servers: Any, tmp_path: Path) -> None:
    bad = tensors() | {"text_model.end": torch.tensor([1.0, float("nan"), 2.0])}
    with pytest.raises(CheckpointError, match=r"t: text_model\.end holds 1 value"):
        fetch(servers(save(bad)), tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def entry(start: int, stop: int, shape: Any, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


LYING: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{}}", "its header is not one"),
    "a list": (b"[1]", "its header is not one"),
    "nested too deeply": (b"[" * 50_000, "its header is not one"),
    "beyond the file": ({"a": entry(0, 400, [100])}, "ends at byte"),
    "before the file": ({"a": entry(-4, 0, [1])}, "its header is not one"),
    "backwards": ({"a": entry(4, 0, [1])}, "does not fill"),
    "a shape that does not fit": ({"a": entry(0, 4, [2])}, "does not fill"),
    "an unknown type": ({"a": entry(0, 4, [1], "F5")}, "its header is not one"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [1]}}, "data_offsets"),
}


@pytest.mark.parametrize("case", LYING)
def test_a_remote_header_that_lies_is_refused(case: str, servers: Any) -> None:
    header, wanted = LYING[case]
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with pytest.raises(CheckpointError, match=wanted):
        read_header(servers(struct.pack("<Q", len(text)) + text + bytes(8)).remote())


def test_a_header_longer_than_the_file_is_refused(servers: Any) -> None:
    for length in (2**63, 100):
        with pytest.raises(CheckpointError, match="claims"):
            read_header(servers(struct.pack("<Q", length) + bytes(20)).remote())


def test_a_long_header_is_fetched_whole(servers: Any) -> None:
    whole = {f"a tensor with a rather long name, number {i:06}": torch.zeros(1) for i in range(3000)}
    server = servers(save(whole))
    assert read_header(server.remote()).keys() == whole.keys()
    assert len(server.log) == 2


def test_a_source_that_fails_is_named(servers: Any, tmp_path: Path) -> None:
    server = servers(save(tensors()))
    part = text_of(server.remote())
    server.statuses = [404]
    with pytest.raises(
        WeightsUnavailableError, match=r"Byte \d+ of file cannot be reached: the server \S+ answered 404"
    ):
        fetch_parts(tmp_path / "t", layout([part], {}), LOGGED)
